//! Where the operator may watch Secrets, it reacts to their changes immediately: without that, nothing here would
//! happen for hours.

use crate::{
    leaks::confidential,
    roles,
    world::{World, until},
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;
use valkeeper::settings::Settings;
use valkeeper_engine::backoff;
use valkeeper_testbed::provider::TokenSpec;

crate::scenarios![
    deleted_or_edited_connection_secret_is_restored_immediately,
    secret_conflict_ends_immediately_after_the_secret_is_deleted,
    replaced_or_late_token_is_used_immediately,
    missing_permission_fails_the_probe_and_work_continues,
];

const LATER: Duration = Duration::from_hours(1);

/// No resource is reconciled again for an hour.
fn patient(settings: &mut Settings) {
    settings.watch_secrets = true;
    settings.resync_interval = LATER;
    settings.external_wait_interval = LATER;
    settings.project_poll_interval = LATER;
    settings.token_pause = LATER;
    let bounds = settings.retry;
    settings.retry = backoff::Bounds { denied: [LATER; 2], ..bounds };
}

async fn watching(world: &mut World) {
    world.kill_operator().await;
    if world.has_roles() {
        roles::grant_watching(&world.client).await;
    }
    world.start_operator_with(patient).await;
}

async fn deleted_or_edited_connection_secret_is_restored_immediately(mut world: World) -> World {
    watching(&mut world).await;
    world.ready_valkey("cache", json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reads = world.count("GET", "/service/cache");
    let (before, secrets) = (world.secret("cache").await, world.secrets());
    secrets.delete("cache", &DeleteParams::default()).await.unwrap();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    assert_eq!(world.secret("cache").await, before);
    // The operator's own writes trigger nothing, not even after the pause between two reconciliations.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.count("GET", "/service/cache"), reads + 1);
    let edit = Patch::Merge(json!({"stringData": {"VALKEY_HOST": "elsewhere"}}));
    secrets.patch("cache", &PatchParams::default(), &edit).await.unwrap();
    until(|| world.secret("cache"), |texts| *texts == before).await;
    world
}

async fn secret_conflict_ends_immediately_after_the_secret_is_deleted(mut world: World) -> World {
    watching(&mut world).await;
    let foreign: Secret =
        serde_json::from_value(json!({"metadata": {"name": "taken"}, "stringData": {"a": "b"}})).unwrap();
    world.secrets().create(&PostParams::default(), &foreign).await.unwrap();
    world.create_valkey("cache", json!({"connInfoSecretTarget": {"name": "taken"}})).await;
    world.until_not_ready("cache", "SecretConflict").await;
    world.secrets().delete("taken", &DeleteParams::default()).await.unwrap();
    world.until_ready("cache").await;
    world
}

async fn replaced_or_late_token_is_used_immediately(mut world: World) -> World {
    watching(&mut world).await;
    world.create_valkey("cache", json!({"authSecretRef": {"name": "late"}})).await;
    world.until_not_ready("cache", "TokenMissing").await;
    world.set_token("late", "token", &confidential("wrong")).await;
    world.until_not_ready("cache", "TokenRejected").await;
    world.provider.add_token(&TokenSpec::full_access("right", confidential("right")));
    world.set_token("late", "token", &confidential("right")).await;
    world.until_ready("cache").await;
    world
}

async fn missing_permission_fails_the_probe_and_work_continues(mut world: World) -> World {
    if !world.has_roles() {
        return world;
    }
    world.restart_with(patient).await;
    world.ready_valkey("cache", json!({})).await;
    until(
        || async { world.served().await },
        |served| served.iter().any(|(_, text)| text.contains("Secret: ") && text.contains("forbidden")),
    )
    .await;
    world
}
