//! A `Valkey` takes over the `Redis` of its name: service, Secret and keys, in any order of the two files.

use crate::{
    inspect::Inspector,
    world::{PROJECT, World, manifest, ready, until},
};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{Redis, Valkey, names::OWNER_TAG};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    valkey_takes_over_service_and_secret,
    redis_deleted_at_once_waits_for_its_successor,
    orphaned_redis_leaves_its_secret_to_its_successor,
    restart_after_each_change_continues,
    many_change_hands_at_once,
    redis_without_successor_is_deleted_with_its_service,
    migrate_prints_manifests_that_take_over;
    redis_waits_for_a_successor_that_names_another_project,
    upgrade_by_aiven_is_taken_over,
    service_without_its_redis_is_taken_over,
    other_prefix_is_named_before_anything_happens,
    refused_change_leaves_the_redis_as_it_is,
    nothing_is_created_where_nothing_can_be_taken_over,
    valkey_deleted_before_the_change_leaves_the_redis,
];

fn takeover(name: &str, spec: Value) -> Valkey {
    let mut all = json!({"migrateFrom": {"redis": name}});
    crate::world::merge(&mut all, spec);
    manifest("Valkey", name, all)
}

async fn take_over(world: &World, name: &str, spec: Value) {
    world.valkeys().create(&PostParams::default(), &takeover(name, spec)).await.unwrap();
}

async fn until_redis(world: &World, name: &str, reason: &str) -> Redis {
    let api = world.redis();
    let is = |redis: &Redis| ready(redis).is_some_and(|ready| ready.reason == reason);
    until(|| async { api.get(name).await.unwrap() }, is).await
}

async fn until_redis_gone(world: &World, name: &str) {
    let api = world.redis();
    until(|| async { api.get_opt(name).await.unwrap() }, Option::is_none).await;
}

/// The Secret is the same object with the same values, and belongs to the Valkey alone.
async fn assert_taken_over(
    world: &World,
    name: &str,
    secret: &str,
    before: &k8s_openapi::api::core::v1::Secret,
) {
    let valkey = world.until_ready(name).await;
    let service = world.service(name).unwrap();
    assert_eq!(service["service_type"], "valkey");
    assert_eq!(service["tags"][OWNER_TAG].as_str(), valkey.metadata.uid.as_deref());
    let after = world.secrets().get(secret).await.unwrap();
    assert_eq!((&after.metadata.uid, &after.data), (&before.metadata.uid, &before.data));
    let owners: Vec<_> = after.owner_references().iter().map(|owner| (&*owner.kind, &owner.uid)).collect();
    assert_eq!(owners, [("Valkey", valkey.metadata.uid.as_ref().unwrap())]);
}

async fn valkey_takes_over_service_and_secret(world: World) -> World {
    world.ready_redis("cache", json!({"connInfoSecretTarget": {"name": "conn"}})).await;
    let before = world.secrets().get("conn").await.unwrap();
    let writes = world.writes();
    take_over(&world, "cache", json!({"connInfoSecretTarget": {"name": "conn"}})).await;
    assert_taken_over(&world, "cache", "conn", &before).await;
    assert_eq!(world.writes() - writes, 2, "one change of the type and one of the tag");

    let redis = until_redis(&world, "cache", "Migrated").await;
    let condition = ready(&redis).unwrap();
    assert_eq!(condition.status, "True");
    assert!(condition.message.contains("Delete it when convenient"), "{}", condition.message);
    // An edit of it does nothing either.
    let edit = Patch::Merge(json!({"spec": {"plan": "business-4", "powered": false}}));
    world.redis().patch("cache", &PatchParams::default(), &edit).await.unwrap();
    let writes = world.writes();
    let reads = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |count| *count > reads + 4).await;
    assert_eq!(
        (world.writes(), world.service("cache").unwrap()["plan"].clone()),
        (writes, json!("startup-4"))
    );

    world.redis().delete("cache", &DeleteParams::default()).await.unwrap();
    until_redis_gone(&world, "cache").await;
    assert_taken_over(&world, "cache", "conn", &before).await;
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    // The Valkey is an ordinary one from now on.
    world.edit("cache", json!({"userConfig": {"valkey_timeout": 7}})).await;
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["user_config"]["valkey_timeout"], 7);
    world
}

/// As when a tool applies the one file and prunes the other in the same moment.
async fn replace(world: &mut World, spec: Value) {
    world.kill_operator().await;
    world.redis().delete("cache", &DeleteParams::default()).await.unwrap();
    take_over(world, "cache", spec).await;
    world.start_operator().await;
}

async fn redis_deleted_at_once_waits_for_its_successor(mut world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    replace(&mut world, json!({})).await;
    until_redis_gone(&world, "cache").await;
    assert_taken_over(&world, "cache", "cache", &before).await;
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    world
}

async fn orphaned_redis_leaves_its_secret_to_its_successor(mut world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    let orphan = json!({"metadata": {"annotations": {"controllers.aiven.io/deletion-policy": "Orphan"}}});
    world.redis().patch("cache", &PatchParams::default(), &Patch::Merge(orphan)).await.unwrap();
    replace(&mut world, json!({})).await;
    until_redis_gone(&world, "cache").await;
    assert_taken_over(&world, "cache", "cache", &before).await;
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    world
}

async fn redis_waits_for_a_successor_that_names_another_project(mut world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    replace(&mut world, json!({"project": "elsewhere"})).await;
    let says = |redis: &Redis| {
        ready(redis).is_some_and(|ready| ready.message.contains("has spec.project: elsewhere instead of"))
    };
    until(|| async { world.redis().get("cache").await.unwrap() }, says).await;
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    until_redis_gone(&world, "cache").await;
    assert!(world.service("cache").is_none(), "no resource takes it over any more");
    world
}

async fn restart_after_each_change_continues(mut world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    for (method, path) in [("PATCH", "service_type"), ("PATCH", "tags")] {
        let matcher = Matcher::new(Some(method), &format!("^/v1/project/{PROJECT}/service/cache/{path}$"));
        world.provider.fail_next(matcher.unwrap(), 1, Fault::CloseConnection { executed: true });
    }
    take_over(&world, "cache", json!({})).await;
    for path in ["/service/cache/service_type", "/service/cache/tags"] {
        until(|| async { world.count("PATCH", path) }, |count| *count > 0).await;
        world.restart_with(|_| {}).await;
    }
    assert_taken_over(&world, "cache", "cache", &before).await;
    world
}

async fn upgrade_by_aiven_is_taken_over(world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    assert!(world.provider.migrate_to_valkey(PROJECT, "cache"));
    let redis = until_redis(&world, "cache", "WrongServiceType").await;
    assert!(ready(&redis).unwrap().message.contains("spec.migrateFrom.redis: cache"));
    take_over(&world, "cache", json!({})).await;
    assert_taken_over(&world, "cache", "cache", &before).await;
    until_redis(&world, "cache", "Migrated").await;
    assert_eq!(world.count("PATCH", "/service_type"), 0);
    world
}

/// The resource and its Secret are gone, as after the removal of the kind from the cluster; the service has no mark.
async fn service_without_its_redis_is_taken_over(world: World) -> World {
    let body = json!({"service_name": "cache", "service_type": "redis", "plan": "startup-4",
        "cloud": "google-europe-west1", "user_config": {}});
    world.ask_provider("POST", &format!("/v1/project/{PROJECT}/service"), body).await;
    take_over(&world, "cache", json!({})).await;
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["service_type"], "valkey");
    assert!(world.secret("cache").await.contains_key("REDIS_HOST"), "the keys that applications read");
    world
}

async fn other_prefix_is_named_before_anything_happens(world: World) -> World {
    world.ready_redis("cache", json!({"connInfoSecretTarget": {"name": "conn", "prefix": "CACHE_"}})).await;
    let before = world.secrets().get("conn").await.unwrap();
    let writes = world.writes();
    take_over(&world, "cache", json!({"connInfoSecretTarget": {"name": "conn"}})).await;
    let message = world.until_not_ready("cache", "MigrationBlocked").await;
    assert!(message.contains("spec.connInfoSecretTarget.prefix: \"CACHE_\""), "{message}");
    assert_eq!(
        (world.writes(), world.secrets().get("conn").await.unwrap().data),
        (writes, before.data.clone())
    );
    world.edit("cache", json!({"connInfoSecretTarget": {"prefix": "CACHE_"}})).await;
    assert_taken_over(&world, "cache", "conn", &before).await;
    world
}

async fn refused_change_leaves_the_redis_as_it_is(world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let before = world.secrets().get("cache").await.unwrap();
    let change = Matcher::new(Some("PATCH"), &format!("^/v1/project/{PROJECT}/service/cache/service_type$"));
    world.provider.fail_next(change.unwrap(), 1000, Fault::status(400, "Service type cannot be changed"));
    take_over(&world, "cache", json!({})).await;
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("change the type"), "{message}");
    let edit = Patch::Merge(json!({"spec": {"userConfig": {"redis_timeout": 9}}}));
    world.redis().patch("cache", &PatchParams::default(), &edit).await.unwrap();
    until(
        || async { world.service("cache").unwrap()["user_config"]["redis_timeout"].clone() },
        |now| *now == 9,
    )
    .await;

    world.provider.clear_faults();
    world.edit("cache", json!({"tags": {"again": "1"}})).await;
    world.until_ready("cache").await;
    let after = world.secrets().get("cache").await.unwrap();
    assert_eq!((after.metadata.uid, after.data), (before.metadata.uid, before.data));
    world
}

async fn nothing_is_created_where_nothing_can_be_taken_over(world: World) -> World {
    take_over(&world, "cache", json!({})).await;
    let message = world.until_not_ready("cache", "MigrationBlocked").await;
    assert!(message.contains("has no service cache"), "{message}");
    assert_eq!(world.writes(), 0);
    world
}

async fn valkey_deleted_before_the_change_leaves_the_redis(world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    let change = Matcher::new(Some("PATCH"), &format!("^/v1/project/{PROJECT}/service/cache/service_type$"));
    world.provider.fail_next(change.unwrap(), 1000, Fault::status(400, "Service type cannot be changed"));
    take_over(&world, "cache", json!({})).await;
    world.until_not_ready("cache", "ProviderRejected").await;
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    until_redis(&world, "cache", "Running").await;
    world
}

async fn many_change_hands_at_once(world: World) -> World {
    let names: Vec<_> = (0..8).map(|number| format!("cache-{number}")).collect();
    futures::future::join_all(names.iter().map(|name| world.ready_redis(name, json!({})))).await;
    for name in &names {
        take_over(&world, name, json!({})).await;
        world.redis().delete(name, &DeleteParams::default()).await.unwrap();
    }
    for name in &names {
        world.until_ready(name).await;
        until_redis_gone(&world, name).await;
        assert_eq!(world.service(name).unwrap()["service_type"], "valkey");
        assert!(world.secret(name).await.contains_key("REDIS_HOST"));
    }
    assert!(world.provider.requests().iter().all(|request| request.method != "DELETE"));
    world
}

async fn redis_without_successor_is_deleted_with_its_service(world: World) -> World {
    world.ready_redis("cache", json!({})).await;
    world.calls.clear();
    world.redis().delete("cache", &DeleteParams::default()).await.unwrap();
    until_redis_gone(&world, "cache").await;
    assert!(world.service("cache").is_none());
    world
}

async fn migrate_prints_manifests_that_take_over(world: World) -> World {
    if world.kubeconfig().is_none() {
        return world;
    }
    let config = json!({"redis_timeout": 9, "redis_version": "7.0"});
    world.ready_redis("cache", json!({"connInfoSecretTarget": {"name": "conn"}, "userConfig": config})).await;
    let before = world.secrets().get("conn").await.unwrap();
    let inspector = Inspector::new(&world);
    let (code, text, error) = inspector.run(&["migrate", "cache"]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(text.contains("# Left out: spec.userConfig.redis_version (Aiven chooses"), "{text}");
    let (code, _, error) = inspector.run(&["migrate", "nothing"]).await;
    assert!(code == 1 && error.contains("has no Redis nothing"), "{error}");

    let valkey = serde_yaml::from_str(&text).unwrap();
    world.valkeys().create(&PostParams::default(), &valkey).await.unwrap();
    world.until_ready("cache").await;
    let service = world.service("cache").unwrap();
    assert_eq!(
        (&service["service_type"], &service["user_config"]["valkey_timeout"]),
        (&json!("valkey"), &json!(9))
    );
    assert_eq!(world.secrets().get("conn").await.unwrap().data, before.data);
    world
}
