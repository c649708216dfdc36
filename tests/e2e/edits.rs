//! Edits of the spec, and what they cost at the provider.

use crate::world::{World, until};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::names::OWNER_TAG;

crate::scenarios![
    each_edit_reaches_the_provider_exactly_once,
    foreign_annotations_cost_no_provider_calls;
    a_removed_setting_goes_back_to_its_default,
    settings_made_externally_are_left_unchanged,
    edit_keeps_a_ready_resource_ready,
    foreign_annotations_skip_no_backoff,
];

async fn each_edit_reaches_the_provider_exactly_once(world: World) -> World {
    world.ready_valkey("cache", json!({"tags": {"env": "test"}})).await;
    let edits = [
        ("PUT", json!({"plan": "business-4"}), "/service/cache", "/plan", json!("business-4")),
        ("PATCH", json!({"tags": {"env": "production"}}), "/tags", "/tags/env", json!("production")),
        (
            "PUT",
            json!({"userConfig": {"valkey_timeout": 60}}),
            "/service/cache",
            "/user_config/valkey_timeout",
            json!(60),
        ),
    ];
    for (method, spec, path, pointer, wanted) in edits {
        let (writes, sent) = (world.writes(), world.count(method, path));
        world.edit("cache", spec).await;
        world.until_ready("cache").await;
        assert_eq!(world.service("cache").unwrap().pointer(pointer), Some(&wanted));
        assert_eq!((world.writes() - writes, world.count(method, path) - sent), (1, 1), "{pointer}");
    }
    world
}

async fn a_removed_setting_goes_back_to_its_default(world: World) -> World {
    world.ready_valkey("cache", json!({"userConfig": {"valkey_timeout": 60, "backup_hour": 3}})).await;
    world.edit("cache", json!({"userConfig": {"valkey_timeout": null, "backup_hour": null}})).await;
    world.until_ready("cache").await;
    let config = world.service("cache").unwrap()["user_config"].clone();
    assert_eq!(config["valkey_timeout"], 300);
    assert_eq!(config.get("backup_hour").unwrap_or(&Value::Null), &Value::Null);
    let writes = world.writes();
    world.edit("cache", json!({"userConfig": {"valkey_ssl": true}})).await;
    world.until_ready("cache").await;
    assert_eq!(world.writes(), writes, "a value that is the default already is not sent");
    world
}

async fn settings_made_externally_are_left_unchanged(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let tags = [("team".to_owned(), "blue".to_owned()), owner_tag(&world)].into();
    assert!(world.provider.set_tags(crate::world::PROJECT, "cache", tags));
    let writes = world.writes();
    world.edit("cache", json!({"maintenanceWindowDow": "monday", "maintenanceWindowTime": "04:00:00"})).await;
    until(|| async { world.service("cache").unwrap()["maintenance"]["dow"].clone() }, |day| day == "monday")
        .await;
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["tags"]["team"], "blue");
    assert_eq!(world.writes() - writes, 1);
    world
}

fn owner_tag(world: &World) -> (String, String) {
    let tags = world.service("cache").unwrap()["tags"].clone();
    (OWNER_TAG.to_owned(), tags[OWNER_TAG].as_str().unwrap().to_owned())
}

/// The answer to an update may hold no credentials; that is not news of the service.
async fn edit_keeps_a_ready_resource_ready(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"userConfig": {"valkey_timeout": 60}})).await;
    world.until_ready("cache").await;
    until(|| world.events("cache"), |events| events.iter().any(|(_, note)| note.contains("valkey_timeout")))
        .await;
    let events = world.events("cache").await;
    assert!(events.iter().all(|(reason, _)| reason != "CredentialsUnavailable"), "{events:#?}");
    world
}

/// Another program notes something on the resource, over and over.
async fn annotate_often(world: &World) {
    for count in 0..30 {
        let patch =
            Patch::Merge(json!({"metadata": {"annotations": {"example.com/seen": count.to_string()}}}));
        world.valkeys().patch("cache", &PatchParams::default(), &patch).await.unwrap();
    }
}

/// An edit that is processed after all earlier ones, and the provider calls until it is done.
async fn calls_for_an_edit(world: &World, timeout: u64) -> usize {
    world.edit("cache", json!({"userConfig": {"valkey_timeout": timeout}})).await;
    world.until_ready("cache").await;
    world.provider.requests().len()
}

async fn foreign_annotations_cost_no_provider_calls(mut world: World) -> World {
    world.restart_with(|settings| settings.resync_interval = Duration::from_hours(1)).await;
    world.ready_valkey("cache", json!({})).await;
    world.provider.clear_requests();
    let alone = calls_for_an_edit(&world, 60).await;
    world.provider.clear_requests();
    annotate_often(&world).await;
    assert_eq!(calls_for_an_edit(&world, 90).await, alone, "{:#?}", world.provider.requests());
    world
}

async fn foreign_annotations_skip_no_backoff(world: World) -> World {
    world.create_valkey("cache", json!({"plan": "startup-999"})).await;
    world.until_not_ready("cache", "ProviderRejected").await;
    let (creations, before) = (|| world.count("POST", "/service"), world.count("POST", "/service"));
    annotate_often(&world).await;
    world.edit("cache", json!({"plan": "startup-4"})).await;
    world.until_ready("cache").await;
    assert_eq!(creations(), before + 1, "the one that follows the correction");
    world
}
