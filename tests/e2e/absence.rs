//! When a service counts as gone: only by the provider's own word about that service, for a while, or by a list
//! of the project without it. Anything else leaves `Ready`, the resource and the service as they are.

use crate::world::{PROJECT, World, ready, until};
use kube::api::DeleteParams;
use serde_json::json;
use std::time::Duration;
use valkeeper_engine::backoff::Bounds;
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    service_404_counts_only_after_its_period;
    project_404_keeps_ready_and_the_resource,
    proxy_404_keeps_ready_and_the_resource,
    unnamed_404_against_the_list_keeps_the_resource,
    vanished_service_is_reported_by_the_list_of_its_project,
];

/// More than any scenario uses up.
const MANY: u32 = 100_000;

fn missing(code: Option<&'static str>) -> Fault {
    let message = "it does not exist".to_owned();
    Fault::Status { code: 404, message, error_code: code, retry_after: None, executed: false }
}

fn everything() -> Matcher {
    Matcher::new(None, "/project/").unwrap()
}

fn service_read() -> Matcher {
    Matcher::new(Some("GET"), "/service/cache$").unwrap()
}

/// Waits for `count` more requests to the provider.
async fn asked(world: &World, count: usize) {
    let before = world.provider.requests().len();
    until(|| async { world.provider.requests().len() }, |now| *now >= before + count).await;
}

/// Whatever is answered: `Ready` stays, and so does the resource when it is deleted, until all is well again.
async fn nothing_is_concluded(mut world: World, matcher: fn() -> Matcher, fault: Fault) -> World {
    world
        .restart_with(|settings| {
            let pauses = [Duration::from_millis(100); 2];
            settings.retry = Bounds { transient: pauses, denied: pauses, ..settings.retry };
            settings.absence_period = Duration::from_hours(1);
        })
        .await;
    world.ready_valkey("cache", json!({})).await;
    world.provider.fail_next(matcher(), MANY, fault);
    asked(&world, 8).await;
    let valkey = world.valkeys().get("cache").await.unwrap();
    let ready = ready(&valkey).unwrap();
    assert_eq!(ready.status, "True", "{}: {}", ready.reason, ready.message);
    assert_eq!(valkey.status.unwrap().facts.plan.as_deref(), Some("startup-4"));

    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    asked(&world, 12).await;
    let valkey = world.valkeys().get("cache").await.unwrap();
    assert!(valkey.metadata.deletion_timestamp.is_some() && world.service("cache").is_some());
    world.provider.clear_faults();
    world.until_gone("cache").await;
    assert!(world.service("cache").is_none());
    world
}

async fn project_404_keeps_ready_and_the_resource(world: World) -> World {
    let world = nothing_is_concluded(world, everything, missing(Some("project_does_not_exist"))).await;
    let event = world.events("cache").await;
    let event = event.iter().find(|(reason, _)| reason == "ProjectNotFound").unwrap();
    assert!(event.1.contains("project_does_not_exist") && event.1.contains("spec.project"), "{}", event.1);
    world
}

async fn proxy_404_keeps_ready_and_the_resource(world: World) -> World {
    let world = nothing_is_concluded(world, everything, Fault::ProxyPage { code: 404 }).await;
    let event = world.events("cache").await;
    let event = event.iter().find(|(reason, _)| reason == "ProviderUnavailable").unwrap();
    assert!(event.1.contains("from a proxy") && !event.1.contains('<'), "{}", event.1);
    world
}

async fn unnamed_404_against_the_list_keeps_the_resource(world: World) -> World {
    nothing_is_concluded(world, service_read, missing(None)).await
}

async fn service_404_counts_only_after_its_period(world: World) -> World {
    nothing_is_concluded(world, service_read, missing(Some("service_does_not_exist"))).await
}

async fn vanished_service_is_reported_by_the_list_of_its_project(mut world: World) -> World {
    world.restart_with(|settings| settings.absence_period = Duration::from_hours(1)).await;
    world.ready_valkey("cache", json!({})).await;
    world.ask_provider("DELETE", &format!("/v1/project/{PROJECT}/service/cache"), json!({})).await;
    world.provider.fail_next(service_read(), MANY, missing(None));
    let message = world.until_not_ready("cache", "ExternalMissing").await;
    assert!(message.contains("does not exist anymore"), "{message}");
    world
}
