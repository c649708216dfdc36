//! Maintenance that does not wait for its window.

use crate::world::{PROJECT, World, token, until};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::Valkey;
use valkeeper_testbed::provider::TokenSpec;

crate::scenarios![
    maintenance_is_started_once_per_request;
    maintenance_waits_while_the_service_is_off,
    token_without_the_permission_is_named,
];

async fn ask(world: &World, request: Option<&str>) {
    let patch = json!({"metadata": {"annotations": {"valkeeper.io/apply-maintenance": request}}});
    world.valkeys().patch("cache", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

fn starts(world: &World) -> usize {
    world.count("PUT", "/maintenance/start")
}

fn handled(valkey: &Valkey) -> Option<&str> {
    valkey.status.as_ref()?.last_handled_apply_maintenance.as_deref()
}

fn pending(service: &Value) -> usize {
    service["maintenance"]["updates"].as_array().map_or(0, Vec::len)
}

async fn announce(world: &World) {
    let (soon, late) = (Duration::from_hours(1), Duration::from_hours(48));
    assert!(world.provider.announce_maintenance(PROJECT, "cache", "Security update", soon, Some(late)));
    world
        .until_valkey("cache", |valkey| !valkey.status.as_ref().unwrap().facts.maintenance_updates.is_empty())
        .await;
}

async fn maintenance_is_started_once_per_request(mut world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    announce(&world).await;
    assert_eq!(starts(&world), 0, "nobody asked");
    ask(&world, Some("now")).await;
    until(|| async { world.service("cache").unwrap() }, |service| pending(service) == 0).await;
    world.until_valkey("cache", |valkey| handled(valkey) == Some("now")).await;
    let valkey = world.until_ready("cache").await;
    assert!(valkey.status.unwrap().facts.maintenance_updates.is_empty());
    announce(&world).await;
    world.kill_operator().await;
    world.start_operator().await;
    world.edit("cache", json!({"tags": {"a": "b"}})).await;
    world.until_ready("cache").await;
    assert_eq!(starts(&world), 1, "the next update is not what was asked for");
    ask(&world, Some("again")).await;
    world.until_valkey("cache", |valkey| handled(valkey) == Some("again")).await;
    world.until_ready("cache").await;
    assert_eq!(starts(&world), 2);
    world
}

async fn maintenance_waits_while_the_service_is_off(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    world.edit("cache", json!({"powered": false})).await;
    world.until_ready_for("cache", "PoweredOff").await;
    ask(&world, Some("now")).await;
    world.edit("cache", json!({"tags": {"a": "b"}})).await;
    world.until_ready_for("cache", "PoweredOff").await;
    assert_eq!(starts(&world), 0);
    world.edit("cache", json!({"powered": true})).await;
    world.until_valkey("cache", |valkey| handled(valkey) == Some("now")).await;
    world.until_ready("cache").await;
    assert_eq!(starts(&world), 1);
    world
}

async fn token_without_the_permission_is_named(world: World) -> World {
    world.ready_valkey("cache", json!({})).await;
    let permissions = ["project:services:write", "service:configuration:write", "service:secrets:read"];
    world.provider.add_token(&TokenSpec::full_access("e2e", token()).with_permissions(permissions));
    ask(&world, Some("now")).await;
    let message = world.until_not_ready("cache", "ProviderRejected").await;
    assert!(message.contains("start the maintenance of"), "{message}");
    ask(&world, None).await;
    world.until_ready("cache").await;
    world
}
