//! What a resource costs in calls, exactly. `docs/architecture.md` repeats these numbers; run with
//! `--nocapture` to see them.

use crate::world::{World, until};
use kube::api::DeleteParams;
use serde_json::json;
use std::time::Duration;

crate::scenarios![a_life_in_calls];

async fn a_life_in_calls(world: World) -> World {
    // One read while it builds: the counts must not depend on how long that takes.
    world.provider.set_build_time(Duration::from_millis(20));
    // The status reports the time of the last backup, which costs a write each time.
    world.provider.set_backup_after(Duration::from_hours(1));
    // What the first resource of a namespace does once.
    world.protect_token().await;
    world.ready_valkey("cache", json!({"tags": {"env": "test"}})).await;
    settle(&world).await;
    let requests = world.provider.requests();
    let service_reads = requests.iter().filter(|request| request.method == "GET").count();
    report(&world, "create to Ready", service_reads);
    assert_eq!(world.writes(), 1, "one request creates the service, tags included");
    assert_eq!(world.calls.writes().len(), 5, "{:#?}", world.calls.writes());

    forget(&world);
    until(|| async { world.provider.requests().len() }, |count| *count >= 2).await;
    report(&world, "two reconciliations with nothing to do", 2);
    assert_eq!((world.writes(), world.calls.writes().len(), world.calls.events()), (0, 0, 0));

    forget(&world);
    world.edit("cache", json!({"tags": {"env": "production"}})).await;
    world.until_ready("cache").await;
    settle(&world).await;
    report(&world, "change of tags", world.provider.requests().len() - world.writes());
    assert_eq!(world.writes(), 1);

    forget(&world);
    world.valkeys().delete("cache", &DeleteParams::default()).await.unwrap();
    world.until_gone("cache").await;
    report(&world, "delete", world.provider.requests().len() - world.writes());
    assert_eq!(world.writes(), 1);
    assert_eq!(world.calls.writes().len(), 1, "{:#?}", world.calls.writes());
    world
}

/// Events travel behind the reconciliation that emits them.
async fn settle(world: &World) {
    until(|| async { world.calls.events() }, |events| *events >= 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn forget(world: &World) {
    world.calls.clear();
    world.provider.clear_requests();
}

fn report(world: &World, what: &str, service_reads: usize) {
    println!(
        "{what}: provider {service_reads} reads + {} writes; Kubernetes {} reads, {} writes, {} events",
        world.writes(),
        world.calls.reads().len(),
        world.calls.writes().len(),
        world.calls.events(),
    );
}
