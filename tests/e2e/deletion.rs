//! `kubectl delete`, and everything that may stand in its way.

use crate::{
    calls::Watches,
    world::{World, until},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use std::time::Duration;
use valkeeper::settings::DefaultDeletion;
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    the_service_goes_then_the_resource_then_the_secret,
    an_orphaned_service_stays_even_without_a_token,
    an_unknown_policy_deletes_nothing,
    a_resource_that_never_had_a_service_is_just_gone,
    a_namespace_goes_with_everything_in_it,
    a_token_secret_outlives_the_last_resource_that_needs_it,
    revoked_token_blocks_deletion_until_the_user_releases_it,
    the_policy_of_the_spec_and_of_the_operator,
    resource_relabeled_during_reconciliation_leaves_the_count,
    resource_relabeled_during_watch_outage_leaves_the_count;
    protected_service_waits_and_reports_the_reason,
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

async fn resource_relabeled_during_reconciliation_leaves_the_count(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    assert!(is_counted(&world).await);
    let service_read = Matcher::new(Some("GET"), "/service/cache$").unwrap();
    world.provider.fail_next(service_read, 1, Fault::Delay(Duration::from_secs(2)));
    until(|| async { world.provider.pending_faults() }, |pending| *pending == 0).await;
    take_away(&world, "cache").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!is_counted(&world).await);
    world
}

async fn resource_relabeled_during_watch_outage_leaves_the_count(mut world: World) -> World {
    if !world.is_in_memory() {
        return world;
    }
    world.kill_operator().await;
    world.calls.let_watches(Watches::End);
    world.start_operator().await;
    world.ready_valkey("cache", json!({})).await;
    world.ready_valkey("other", json!({})).await;
    world.calls.let_watches(Watches::Fail);
    tokio::time::sleep(Duration::from_secs(2)).await;
    take_away(&world, "cache").await;
    take_away(&world, "other").await;
    assert!(is_counted(&world).await && world.forget_history());
    world.calls.let_watches(Watches::Last);
    until(|| is_counted(&world), |counted| !counted).await;
    world
}

/// Whether the metrics include a Valkey.
async fn is_counted(world: &World) -> bool {
    let served = world.served().await;
    let (_, now) = served.iter().rfind(|(place, _)| *place == "the metrics").unwrap();
    now.contains("valkeeper_resources{kind=\"Valkey\"")
}

/// Removes the finalizers, which the operator relies on.
async fn take_away(world: &World, name: &str) {
    let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.valkeys().patch(name, &PatchParams::default(), &bare).await.unwrap();
    delete(world, name).await;
    world.until_gone(name).await;
}

async fn protected_service_waits_and_reports_the_reason(world: World) -> World {
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
    let without_protection = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.secrets().patch("aiven-token", &PatchParams::default(), &without_protection).await.unwrap();
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

async fn a_namespace_goes_with_everything_in_it(world: World) -> World {
    world.ready_valkey("one", json!({})).await;
    world.ready_valkey("two", json!({"authSecretRef": {"name": "aiven-token"}})).await;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    until(|| async { namespaces.get_opt(&world.namespace).await.unwrap() }, Option::is_none).await;
    assert!(world.provider.services(crate::world::PROJECT).is_empty());
    world
}

async fn a_token_secret_outlives_the_last_resource_that_needs_it(world: World) -> World {
    world.ready_valkey("one", json!({})).await;
    world.ready_valkey("two", json!({})).await;
    let secrets = world.secrets();
    secrets.delete("aiven-token", &DeleteParams::default()).await.unwrap();
    delete(&world, "one").await;
    world.until_gone("one").await;
    assert!(secrets.get_opt("aiven-token").await.unwrap().is_some(), "the other one still needs it");
    delete(&world, "two").await;
    world.until_gone("two").await;
    until(|| async { secrets.get_opt("aiven-token").await.unwrap() }, Option::is_none).await;
    assert!(world.provider.services(crate::world::PROJECT).is_empty());
    world
}

async fn revoked_token_blocks_deletion_until_the_user_releases_it(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.provider.revoke_token("e2e");
    delete(&world, "cache").await;
    let message = world.until_not_ready("cache", "TokenRejected").await;
    assert!(message.contains("controllers.aiven.io/deletion-policy=Orphan"), "{message}");
    annotate_policy(&world, "cache", Some("Orphan")).await;
    world.until_gone("cache").await;
    assert!(world.service("cache").is_some());
    world
}

async fn the_policy_of_the_spec_and_of_the_operator(mut world: World) -> World {
    world.ready_valkey("kept", json!({"deletionPolicy": "Orphan"})).await;
    world.kill_operator().await;
    world.start_operator_with(|settings| settings.default_deletion_policy = DefaultDeletion::Orphan).await;
    world.ready_valkey("kept-too", json!({})).await;
    world.ready_valkey("gone", json!({"deletionPolicy": "Delete"})).await;
    for name in ["kept", "kept-too", "gone"] {
        delete(&world, name).await;
        world.until_gone(name).await;
    }
    assert!(world.service("kept").is_some() && world.service("kept-too").is_some());
    assert!(world.service("gone").is_none());
    world
}
