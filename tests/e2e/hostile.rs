//! Harmful resources: names that resemble paths, lists and texts of any size. They are refused with a message of a
//! readable length, cost no call to the provider, and affect no other resource.

use crate::{
    trouble::accept_any_spec,
    world::{World, ready},
};
use kube::api::PostParams;
use serde_json::{Value, json};
use valkeeper_api::Valkey;

crate::scenarios![
    names_resembling_paths_reach_no_path,
    eight_thousand_networks_are_refused_in_a_few_words,
    annotations_as_large_as_they_may_be_are_carried,
];

/// As kubectl would send it.
fn valkey(name: &str, annotations: &Value, spec: &Value) -> Valkey {
    let metadata = json!({"name": name, "annotations": annotations});
    let object =
        json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": metadata, "spec": spec});
    serde_json::from_value(object).unwrap()
}

async fn names_resembling_paths_reach_no_path(world: World) -> World {
    accept_any_spec(&world).await;
    let names = ["../admin", "a%2fb", "a?b=c", "a#b", "..", "ünïcode", "a\\b", "a/b", "\u{202e}", ""];
    for (index, hostile) in names.into_iter().enumerate() {
        let name = format!("cache-{index}");
        // The API server applies the laxer CRD a moment after it was written.
        crate::world::until(
            || {
                world.try_to_create(valkey(
                    &name,
                    &json!({}),
                    &json!({"project": hostile, "plan": "startup-4"}),
                ))
            },
            |created| *created,
        )
        .await;
        let message = world.until_not_ready(&name, "InvalidSpec").await;
        assert!(message.contains("spec.project"), "{message}");
    }
    assert!(world.provider.requests().is_empty(), "{:?}", world.provider.requests());
    world.ready_valkey("good", json!({})).await;
    world
}

async fn eight_thousand_networks_are_refused_in_a_few_words(world: World) -> World {
    let networks = |length: usize| -> Vec<Value> {
        (0..8000)
            .map(|index| json!({"network": format!("10.{}.{}.0/{length}", index / 256, index % 256)}))
            .collect()
    };
    let spec = |networks: Vec<Value>| json!({"project": "p", "plan": "startup-4", "userConfig": {"ip_filter": networks}});
    let refused = world
        .valkeys()
        .create(&PostParams::default(), &valkey("cache", &json!({}), &spec(networks(24))))
        .await;
    assert!(refused.is_err_and(|error| error.to_string().contains("at most 2048")));
    accept_any_spec(&world).await;
    for (name, length) in [("long", 24), ("long-and-wrong", 99)] {
        let hostile = valkey(name, &json!({}), &spec(networks(length)));
        crate::world::until(|| world.try_to_create(hostile.clone()), |created| *created).await;
        let message = world.until_not_ready(name, "InvalidSpec").await;
        assert!(message.contains("ip_filter") && message.chars().count() < 4200, "{message}");
        let events = world.events(name).await;
        assert!(events.iter().all(|(_, note)| note.len() <= 1024), "{events:?}");
    }
    assert!(world.provider.requests().is_empty(), "{:?}", world.provider.requests());
    world.ready_valkey("good", json!({})).await;
    world
}

async fn annotations_as_large_as_they_may_be_are_carried(world: World) -> World {
    let large = |size: usize| json!({"example.com/notes": "x".repeat(size)});
    let spec = json!({"project": crate::world::PROJECT, "plan": "startup-4", "authSecretRef": {"name": "aiven-token", "key": "token"}});
    let refused =
        world.valkeys().create(&PostParams::default(), &valkey("cache", &large(1024 * 1024), &spec)).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("annotations")));
    world
        .valkeys()
        .create(&PostParams::default(), &valkey("cache", &large(255 * 1024), &spec))
        .await
        .unwrap();
    let cache = world.until_ready("cache").await;
    assert_eq!(ready(&cache).unwrap().reason, "Running");
    assert_eq!(cache.metadata.annotations.unwrap()["example.com/notes"].len(), 255 * 1024);
    // Nothing of it went to the provider.
    let service = world.service("cache").unwrap().to_string();
    assert!(service.len() < 16 * 1024 && !service.contains("xxxxxxxx"), "{}", service.len());
    world
}
