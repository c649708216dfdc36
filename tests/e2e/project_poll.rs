//! Projects with several services are polled by lists: changes are detected without a read of each service, and every
//! action is decided on the service itself.

use crate::world::{PROJECT, World, condition, until};
use futures::future::join_all;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use valkeeper::settings::Settings;
use valkeeper_api::Valkey;
use valkeeper_testbed::{
    faults::Disturbance,
    provider::{Fault, Matcher},
};

crate::scenarios![
    a_restart_among_settled_services_lists_and_writes_nothing,
    restart_with_lists_hiding_secrets_reads_few_services;
    services_in_sync_are_not_read_one_by_one,
    drift_seen_in_a_list_is_confirmed_and_corrected,
    a_new_password_is_found_in_a_list,
    outage_over_a_restart_ends_with_the_first_lists,
    a_list_that_fails_hides_nothing,
];

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

async fn several(world: &World) {
    let spec = json!({"maintenanceWindowDow": "sunday", "maintenanceWindowTime": "10:00:00"});
    join_all(NAMES.map(|name| world.ready_valkey(name, spec.clone()))).await;
    // The first ready services were read before there were enough to list.
    lists(world, 4).await;
    world.provider.clear_requests();
    world.calls.clear();
}

async fn lists(world: &World, count: usize) {
    let before = world.count("GET", "/service");
    until(|| async { world.count("GET", "/service") }, |now| *now >= before + count).await;
}

/// Names of services that were read on their own, with repetitions.
fn services_read(world: &World) -> Vec<String> {
    let requests = world.provider.requests();
    requests.iter().filter_map(|request| Some(request.path.split_once("/service/")?.1.to_owned())).collect()
}

fn single_reads(world: &World) -> usize {
    services_read(world).len()
}

async fn services_in_sync_are_not_read_one_by_one(world: World) -> World {
    several(&world).await;
    lists(&world, 3).await;
    assert_eq!(single_reads(&world), 0, "{:#?}", world.provider.requests());
    assert_eq!((world.writes(), world.calls.writes().len()), (0, 0), "{:#?}", world.calls.writes());
    world
}

async fn drift_seen_in_a_list_is_confirmed_and_corrected(world: World) -> World {
    several(&world).await;
    assert!(world.provider.set_maintenance_window(PROJECT, "two", "monday", "10:00:00"));
    let day = || async { world.provider.service(PROJECT, "two").unwrap()["maintenance"]["dow"].clone() };
    until(day, |day| day == "sunday").await;
    let requests = world.provider.requests();
    let update = requests.iter().rposition(|request| request.method == "PUT").unwrap();
    let last_read = requests[..update].iter().rposition(|request| request.path.ends_with("/service/two"));
    assert_eq!(requests[last_read.unwrap()].method, "GET", "the update follows a look at the service itself");
    world
}

async fn a_new_password_is_found_in_a_list(world: World) -> World {
    several(&world).await;
    let before = world.secret("three").await;
    assert!(world.provider.reset_password(PROJECT, "three"));
    until(|| async { world.secret("three").await }, |secret| *secret != before).await;
    assert_eq!(single_reads(&world), 0, "{:#?}", world.provider.requests());
    world
}

async fn a_restart_among_settled_services_lists_and_writes_nothing(mut world: World) -> World {
    several(&world).await;
    world.kill_operator().await;
    world.provider.clear_requests();
    world.calls.clear();
    world.start_operator().await;
    lists(&world, 3).await;
    // The first two of a project were ready before the rest, and are read once more when they are requeued.
    let services_read = services_read(&world).into_iter().collect::<BTreeSet<_>>();
    assert!(services_read.len() <= 2, "{services_read:?}");
    assert_eq!((world.writes(), world.calls.writes().len()), (0, 0), "{:#?}", world.calls.writes());
    world
}

async fn restart_with_lists_hiding_secrets_reads_few_services(mut world: World) -> World {
    several(&world).await;
    world.kill_operator().await;
    world.provider.disturb(Disturbance::RedactedLists);
    world.provider.clear_requests();
    world.calls.clear();
    // The Secrets are compared at some time within that.
    let rarely = |settings: &mut Settings| {
        settings.resync_interval = Duration::from_hours(24);
        settings.project_poll_interval = Duration::from_secs(1);
    };
    world.start_operator_with(rarely).await;
    lists(&world, 3).await;
    // The first two of a project were ready before the rest.
    let services_read = services_read(&world).into_iter().collect::<BTreeSet<_>>();
    assert!(services_read.len() <= 2, "{services_read:?}");
    assert_eq!((world.writes(), world.calls.writes().len()), (0, 0), "{:#?}", world.calls.writes());
    world
}

/// Lists that hide credentials say enough to end an outage that the status reports.
async fn outage_over_a_restart_ends_with_the_first_lists(mut world: World) -> World {
    several(&world).await;
    world.provider.disturb(Disturbance::RedactedLists);
    world.provider.fail_next(Matcher::new(None, ".*").unwrap(), 1_000, Fault::status(503, "maintenance"));
    let is_synced = |valkey: &Valkey| condition(valkey, "Synced").map(|it| it.status == "True");
    for name in NAMES {
        world.until_valkey(name, |valkey| is_synced(valkey) == Some(false)).await;
    }
    world.kill_operator().await;
    world.provider.clear_faults();
    world
        .start_operator_with(|settings: &mut Settings| {
            settings.resync_interval = Duration::from_hours(24);
            settings.project_poll_interval = Duration::from_secs(1);
        })
        .await;
    for name in NAMES {
        world.until_valkey(name, |valkey| is_synced(valkey) == Some(true)).await;
    }
    world
}

async fn a_list_that_fails_hides_nothing(world: World) -> World {
    several(&world).await;
    let lists = Matcher::new(Some("GET"), "/service$").unwrap();
    world.provider.fail_next(lists, 1_000, Fault::status(403, "no lists"));
    until(|| async { single_reads(&world) }, |single_reads| *single_reads >= NAMES.len()).await;
    world.provider.clear_faults();
    world
}
