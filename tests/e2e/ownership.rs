//! Whose service it is: adoption, two resources on one service, and objects that aiven-operator
//! left behind.

use crate::world::{PROJECT, World, ready, until};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{Redis, Valkey, names::OWNER_TAG};

crate::scenarios![
    an_existing_service_is_adopted_when_the_spec_asks,
    two_resources_that_ask_for_one_service_do_not_fight,
    a_resource_of_aiven_operator_continues_without_a_write;
    observed_service_is_compared_and_left_alone,
    a_service_of_another_type_is_never_touched,
    redis_upgraded_to_valkey_reports_the_action,
];

/// A service without a resource that created it.
async fn foreign_service(world: &World, name: &str, service_type: &str) {
    let body = json!({"service_name": name, "service_type": service_type, "plan": "startup-4",
        "cloud": "google-europe-west1", "tags": {"team": "blue"}, "user_config": {}});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    until(|| async { world.service(name).unwrap()["state"].clone() }, |state| state == "RUNNING").await;
}

async fn an_existing_service_is_adopted_when_the_spec_asks(world: World) -> World {
    foreign_service(&world, "cache", "valkey").await;
    let writes = world.writes();
    world.create_valkey("cache", json!({})).await;
    let message = world.until_not_ready("cache", "NotOwned").await;
    assert!(message.contains("spec.adoptionPolicy"), "{message}");
    assert_eq!(world.writes(), writes);
    assert!(
        world.valkeys().get("cache").await.unwrap().finalizers().is_empty(),
        "nothing of ours to protect"
    );

    world.edit("cache", json!({"adoptionPolicy": "Adopt"})).await;
    let valkey = world.until_ready("cache").await;
    let tags = world.service("cache").unwrap()["tags"].clone();
    assert_eq!(
        (tags["team"].as_str(), tags[OWNER_TAG].as_str()),
        (Some("blue"), valkey.metadata.uid.as_deref())
    );
    assert_eq!(world.writes() - writes, 1, "the mark, and nothing that is as it should be");
    assert_eq!(world.secret("cache").await.len(), 5);
    world
}

async fn observed_service_is_compared_and_left_alone(world: World) -> World {
    foreign_service(&world, "cache", "valkey").await;
    // Backups are taken meanwhile.
    let service = || {
        let mut service = world.service("cache").unwrap();
        service.as_object_mut().unwrap().remove("backups");
        service
    };
    let (writes, before) = (world.writes(), service());
    world.create_valkey("cache", json!({"adoptionPolicy": "Observe", "plan": "business-4"})).await;
    let message = world.until_not_ready("cache", "Observing").await;
    assert!(message.contains("spec.plan is \"startup-4\", not \"business-4\""), "{message}");
    let valkey = world.valkeys().get("cache").await.unwrap();
    assert_eq!(valkey.status.unwrap().drift.unwrap().fields[0].field, "spec.plan");
    assert!(valkey.metadata.finalizers.is_none(), "nothing of ours to protect");
    world.edit("cache", json!({"plan": "startup-4"})).await;
    until(
        || async { world.until_not_ready("cache", "Observing").await },
        |message| message.contains("is as the spec declares"),
    )
    .await;
    assert_eq!((world.writes(), service()), (writes, before));
    assert!(world.secrets().get_opt("cache").await.unwrap().is_none());
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(world.writes(), writes);
    world
}

async fn two_resources_that_ask_for_one_service_do_not_fight(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.kill_operator().await;
    // The same name again, as a second cluster would have it: here, after the first was lost without a trace.
    let taken = json!({"metadata": {"finalizers": null}});
    world.valkeys().patch("cache", &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    world.start_operator().await;
    world.create_valkey("cache", json!({"adoptionPolicy": "Adopt"})).await;
    world.until_ready("cache").await;
    // The other one comes back: its mark is on the service again.
    let tags = [(OWNER_TAG.to_owned(), "00000000-0000-0000-0000-000000000000".to_owned())].into();
    assert!(world.provider.set_tags(PROJECT, "cache", tags));
    world.until_not_ready("cache", "NotOwned").await;
    let writes = world.writes();
    let requests = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 3).await;
    assert_eq!(world.writes(), writes, "ownership moves once");
    world
}

async fn a_service_of_another_type_is_never_touched(world: World) -> World {
    foreign_service(&world, "cache", "pg").await;
    let writes = world.writes();
    world.create_valkey("cache", json!({"adoptionPolicy": "Adopt"})).await;
    let message = world.until_not_ready("cache", "WrongServiceType").await;
    assert!(message.contains("type pg"), "{message}");
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(world.writes(), writes);
    assert!(world.service("cache").is_some());
    world
}

/// As that operator leaves a resource: annotations, finalizer, its conditions, an empty Secret target that it
/// wrote itself, and a Secret under another field manager.
async fn a_resource_of_aiven_operator_continues_without_a_write(mut world: World) -> World {
    foreign_service(&world, "cache", "valkey").await;
    world.kill_operator().await;
    let valkey: Valkey = serde_json::from_value(json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
        "metadata": {
            "name": "cache",
            "finalizers": ["finalizers.aiven.io/delete-remote-resource"],
            "annotations": {"controllers.aiven.io/generation-was-processed": "1",
                "controllers.aiven.io/instance-is-running": "true"},
        },
        "spec": {"project": PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1", "powered": true,
            "authSecretRef": {"name": "aiven-token", "key": "token"}, "connInfoSecretTarget": {"name": ""},
            "tags": {"team": "blue"}},
    }))
    .unwrap();
    let created = world.valkeys().create(&PostParams::default(), &valkey).await.unwrap();
    let status = json!({"status": {"state": "RUNNING", "conditions": [
        {"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "Running", "status": "True", "reason": "CheckRunning", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "Error", "status": "Unknown", "reason": "CreateOrUpdate", "message": "long gone", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    world.valkeys().patch_status("cache", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let parameters = world.service("cache").unwrap()["service_uri_params"].clone();
    let data: serde_json::Map<String, Value> = ["HOST", "PORT", "USER", "PASSWORD", "SSL"]
        .into_iter()
        .map(|key| (format!("VALKEY_{key}"), parameters[key.to_lowercase()].clone()))
        .collect();
    let secret = json!({"metadata": {"name": "cache", "ownerReferences": [{"apiVersion": "aiven.io/v1alpha1",
        "kind": "Valkey", "name": "cache", "uid": created.metadata.uid, "controller": true, "blockOwnerDeletion": true}]},
        "stringData": data});
    let parameters = PostParams { field_manager: Some("manager".to_owned()), ..PostParams::default() };
    let secret = world.secrets().create(&parameters, &serde_json::from_value(secret).unwrap()).await.unwrap();

    world.protect_token().await;
    let writes = world.writes();
    world.calls.clear();
    world.start_operator().await;
    let valkey = world.until_ready("cache").await;
    let types: Vec<_> =
        valkey.status.unwrap().conditions.into_iter().map(|condition| condition.type_).collect();
    assert!(!types.contains(&"Error".to_owned()), "an error that is over: {types:?}");
    assert_eq!(world.writes(), writes, "no write at the provider");
    let now = world.secrets().get("cache").await.unwrap();
    assert_eq!((now.data, now.metadata.resource_version), (secret.data, secret.metadata.resource_version));
    assert_eq!(world.calls.writes().len(), 2, "its old error, and the status: {:#?}", world.calls.writes());

    world.edit("cache", json!({"plan": "business-4"})).await;
    let valkey = world.until_ready("cache").await;
    let service = world.service("cache").unwrap();
    assert_eq!(service["plan"], "business-4");
    assert_eq!(
        service["tags"][OWNER_TAG].as_str(),
        valkey.metadata.uid.as_deref(),
        "the mark comes with the first edit"
    );
    assert_eq!(service["tags"]["team"], "blue");
    world
}

async fn redis_upgraded_to_valkey_reports_the_action(world: World) -> World {
    let redis: Redis = serde_yaml::from_str(include_str!("../../examples/redis.yaml")).unwrap();
    let api = world.redis();
    api.create(&PostParams::default(), &redis).await.unwrap();
    let is =
        |reason: &'static str| move |redis: &Redis| ready(redis).is_some_and(|ready| ready.reason == reason);
    until(|| async { api.get("k8s-redis").await.unwrap() }, is("Running")).await;
    assert!(world.provider.migrate_to_valkey(PROJECT, "k8s-redis"));
    let redis = until(|| async { api.get("k8s-redis").await.unwrap() }, is("WrongServiceType")).await;
    let message = &ready(&redis).unwrap().message;
    assert!(message.contains("spec.migrateFrom.redis: k8s-redis"), "{message}");

    // The suggested action works: the service, its data and its Secret's keys live on under a Valkey.
    let target = json!({"name": "redis-token", "prefix": "MY_SECRET_PREFIX_"});
    let from = json!({"redis": "k8s-redis"});
    world.ready_valkey("k8s-redis", json!({"migrateFrom": from, "connInfoSecretTarget": target})).await;
    assert!(world.secret("redis-token").await.contains_key("MY_SECRET_PREFIX_HOST"));
    api.delete("k8s-redis", &DeleteParams::default()).await.unwrap();
    until(|| async { api.get_opt("k8s-redis").await.unwrap() }, Option::is_none).await;
    assert!(world.service("k8s-redis").is_some());
    world
}
