//! From `kubectl apply` to a ready resource, and what must never happen on the way.

use crate::world::{PROJECT, World, ready, until};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use valkeeper_api::{Redis, Valkey};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    the_examples_of_the_documentation_become_ready,
    a_restart_while_building_continues_with_the_same_service,
    a_settled_resource_causes_no_writes,
    the_finalizer_is_there_before_the_service;
    a_lost_answer_to_create_leaves_one_service,
    a_service_that_exists_already_is_left_alone,
];

async fn the_examples_of_the_documentation_become_ready(world: World) -> World {
    let valkey: Valkey = serde_yaml::from_str(include_str!("../../examples/valkey.yaml")).unwrap();
    let redis: Redis = serde_yaml::from_str(include_str!("../../examples/redis.yaml")).unwrap();
    world.valkeys().create(&PostParams::default(), &valkey).await.unwrap();
    world.redis().create(&PostParams::default(), &redis).await.unwrap();

    let valkey = world.until_ready("my-valkey").await;
    assert_eq!(valkey.status.as_ref().unwrap().state.as_deref(), Some("RUNNING"));
    assert_eq!(valkey.annotations()["controllers.aiven.io/instance-is-running"], "true");
    assert_eq!(valkey.annotations()["controllers.aiven.io/generation-was-processed"], "1");
    let conditions = &valkey.status.as_ref().unwrap().conditions;
    for type_ in ["Initialized", "Running", "Ready"] {
        let condition = conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        assert_eq!((condition.status.as_str(), condition.observed_generation), ("True", Some(1)), "{type_}");
    }
    let service = world.service("my-valkey").unwrap();
    assert_eq!(service["plan"], "startup-4");
    assert_eq!(service["cloud_name"], "google-europe-west1");
    assert_eq!(service["maintenance"]["dow"], "sunday");
    assert_eq!(service["tags"]["instance"], "foo");
    assert_eq!(service["user_config"]["ip_filter"][0]["network"], "0.0.0.0/32");

    let api = world.redis();
    until(
        || async { api.get("k8s-redis").await.unwrap() },
        |redis| ready(redis).is_some_and(|c| c.status == "True"),
    )
    .await;
    let keys: Vec<_> = world.secret("redis-token").await.into_keys().collect();
    assert_eq!(
        keys,
        ["HOST", "PASSWORD", "PORT", "SSL", "USER"].map(|key| format!("MY_SECRET_PREFIX_{key}"))
    );
    world
}

async fn a_lost_answer_to_create_leaves_one_service(world: World) -> World {
    let create = Matcher::new(Some("POST"), "/service$").unwrap();
    world.provider.fail_next(create, 1, Fault::CloseConnection { executed: true });
    world.ready_valkey("cache", json!({})).await;
    assert_eq!(world.provider.services(PROJECT).len(), 1);
    let refused = world.provider.requests().iter().filter(|request| request.status == Some(409)).count();
    assert_eq!(refused, 0, "the second attempt looks before it creates");
    world
}

async fn a_restart_while_building_continues_with_the_same_service(mut world: World) -> World {
    world.create_valkey("cache", json!({})).await;
    until(|| async { world.service("cache") }, Option::is_some).await;
    world.kill_operator().await;
    world.start_operator().await;
    world.until_ready("cache").await;
    assert_eq!(world.count("POST", "/service"), 1);
    world
}

async fn a_settled_resource_causes_no_writes(world: World) -> World {
    // A new backup is news for the status.
    world.provider.set_backup_after(std::time::Duration::from_hours(1));
    world.ready_valkey("cache", json!({"tags": {"a": "b"}, "userConfig": {"valkey_timeout": 10}})).await;
    let theirs = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": "cache"},
        "status": {"conditions": [{"type": "Theirs", "status": "True", "reason": "R", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let by_another = PatchParams::apply("another-controller");
    world.valkeys().patch_status("cache", &by_another, &Patch::Apply(theirs)).await.unwrap();
    let (before, requests) = (world.valkeys().get("cache").await.unwrap(), world.provider.requests().len());
    world.calls.clear();
    let (writes, secret) = (world.writes(), world.secrets().get("cache").await.unwrap());
    until(|| async { world.provider.requests().len() }, |now| *now >= requests + 3).await;
    assert_eq!(world.writes(), writes, "provider writes");
    assert_eq!(world.calls.writes(), [""; 0], "not even one that changes nothing");
    assert_eq!(world.valkeys().get("cache").await.unwrap().resource_version(), before.resource_version());
    assert_eq!(world.secrets().get("cache").await.unwrap().resource_version(), secret.resource_version());
    world
}

async fn a_service_that_exists_already_is_left_alone(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    // The same name from another namespace or cluster: here, an object with a new identity.
    world
        .valkeys()
        .patch(
            "cache",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(
                json!({"metadata": {"annotations": {"controllers.aiven.io/deletion-policy": "Orphan"}}}),
            ),
        )
        .await
        .unwrap();
    world.valkeys().delete("cache", &kube::api::DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    let before = world.service("cache").expect("an orphaned service stays");
    let writes = world.writes();

    world.create_valkey("cache", json!({"plan": "business-4"})).await;
    let message = world.until_not_ready("cache", "NotOwned").await;
    assert!(message.contains("service cache") || message.contains("Service cache"), "{message}");
    world.valkeys().delete("cache", &kube::api::DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(world.service("cache").unwrap()["plan"], before["plan"]);
    assert_eq!(world.writes(), writes);
    world
}

async fn the_finalizer_is_there_before_the_service(world: World) -> World {
    let create = Matcher::new(Some("POST"), "/service$").unwrap();
    world.provider.fail_next(create, 1, Fault::status(503, "try again later"));
    world.create_valkey("cache", json!({})).await;
    until(|| async { world.count("POST", "/service") }, |count| *count >= 1).await;
    let valkey = world.valkeys().get("cache").await.unwrap();
    assert!(valkey.finalizers().contains(&"finalizers.aiven.io/delete-remote-resource".to_owned()));
    world.until_ready("cache").await;
    world
}
