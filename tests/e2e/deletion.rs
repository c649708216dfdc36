//! `kubectl delete`, and everything that may stand in its way.

use crate::world::{World, until};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use valkeeper_sandbox::provider::{Fault, Matcher};

crate::scenarios![
    the_service_goes_then_the_resource_then_the_secret,
    a_protected_service_waits_and_says_why,
    an_orphaned_service_stays_even_without_a_token,
    an_unknown_policy_deletes_nothing,
    a_resource_that_never_had_a_service_is_just_gone,
    a_lost_answer_to_delete_is_no_obstacle,
];

async fn delete(world: &World, name: &str) {
    world.valkeys().delete(name, &DeleteParams::default()).await.unwrap();
}

async fn annotate_policy(world: &World, name: &str, policy: Option<&str>) {
    let patch = json!({"metadata": {"annotations": {"controllers.aiven.io/deletion-policy": policy}}});
    world.valkeys().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn the_service_goes_then_the_resource_then_the_secret(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    // The provider takes its time: the resource must be there until the service is not.
    let get = Matcher::new(Some("DELETE"), "/service/cache$").unwrap();
    world.provider.fail_next(get, 2, Fault::status(503, "busy"));
    delete(&world, "cache").await;
    until(|| async { world.count("DELETE", "/service/cache") }, |count| *count >= 1).await;
    assert!(world.valkeys().get_opt("cache").await.unwrap().is_some());
    world.until_gone("cache").await;
    assert!(world.service("cache").is_none());
    let secrets = world.secrets();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_none).await;
    world
}

async fn a_protected_service_waits_and_says_why(world: World) -> World {
    world.ready_valkey("cache", json!({"terminationProtection": true})).await;
    delete(&world, "cache").await;
    let message = world.until_not_ready("cache", "TerminationProtected").await;
    assert!(message.contains("spec.terminationProtection"), "{message}");
    assert_eq!(world.count("DELETE", "/service/cache"), 0);
    until(
        || world.events("cache"),
        |events| events.iter().any(|(reason, _)| reason == "TerminationProtected"),
    )
    .await;
    world.edit("cache", json!({"terminationProtection": false})).await;
    world.until_gone("cache").await;
    assert!(world.service("cache").is_none());
    world
}

async fn an_orphaned_service_stays_even_without_a_token(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    annotate_policy(&world, "cache", Some("Orphan")).await;
    world.secrets().delete("aiven-token", &DeleteParams::default()).await.unwrap();
    delete(&world, "cache").await;
    world.until_gone("cache").await;
    assert!(world.service("cache").is_some());
    world
}

async fn an_unknown_policy_deletes_nothing(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    annotate_policy(&world, "cache", Some("orphan")).await;
    delete(&world, "cache").await;
    let message = world.until_not_ready("cache", "UnknownDeletionPolicy").await;
    assert!(message.contains("\"orphan\""), "{message}");
    assert!(world.service("cache").is_some());
    annotate_policy(&world, "cache", None).await;
    world.until_gone("cache").await;
    assert!(world.service("cache").is_none());
    world
}

async fn a_resource_that_never_had_a_service_is_just_gone(world: World) -> World {
    world.create_valkey("cache", json!({"authSecretRef": {"name": "missing"}})).await;
    world.until_not_ready("cache", "TokenMissing").await;
    delete(&world, "cache").await;
    world.until_gone("cache").await;
    assert_eq!(world.writes(), 0);
    world
}

async fn a_lost_answer_to_delete_is_no_obstacle(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let matcher = Matcher::new(Some("DELETE"), "/service/cache$").unwrap();
    world.provider.fail_next(matcher, 1, Fault::CloseConnection { executed: true });
    delete(&world, "cache").await;
    world.until_gone("cache").await;
    assert!(world.service("cache").is_none());
    world
}
