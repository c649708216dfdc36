//! Where the operator may watch Secrets, what happens to them shows at once: nothing here would happen for
//! hours without that.

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
    a_deleted_or_edited_connection_secret_is_mended_at_once,
    a_secret_that_stood_in_the_way_is_gone_and_its_place_is_taken_at_once,
    a_token_that_is_replaced_or_comes_late_is_used_at_once,
    without_the_right_the_probe_says_so_and_work_goes_on,
];

const LATER: Duration = Duration::from_hours(1);

/// Nothing is looked at again for an hour.
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

async fn a_deleted_or_edited_connection_secret_is_mended_at_once(mut world: World) -> World {
    watching(&mut world).await;
    world.ready_valkey("cache", json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let looks = world.count("GET", "/service/cache");
    let (before, secrets) = (world.secret("cache").await, world.secrets());
    secrets.delete("cache", &DeleteParams::default()).await.unwrap();
    until(|| async { secrets.get_opt("cache").await.unwrap() }, Option::is_some).await;
    assert_eq!(world.secret("cache").await, before);
    // What the operator writes itself is no reason to look, not even after the pause between two reconciliations.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(world.count("GET", "/service/cache"), looks + 1);
    let edit = Patch::Merge(json!({"stringData": {"VALKEY_HOST": "elsewhere"}}));
    secrets.patch("cache", &PatchParams::default(), &edit).await.unwrap();
    until(|| world.secret("cache"), |texts| *texts == before).await;
    world
}

async fn a_secret_that_stood_in_the_way_is_gone_and_its_place_is_taken_at_once(mut world: World) -> World {
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

async fn a_token_that_is_replaced_or_comes_late_is_used_at_once(mut world: World) -> World {
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

async fn without_the_right_the_probe_says_so_and_work_goes_on(mut world: World) -> World {
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
