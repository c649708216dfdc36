//! When resources are reconciled: no resource waits for a list that is not made, or for one that cannot show the
//! expected change. The resync interval is so long here that waiting for it fails the test.

use crate::world::{PROJECT, World, token, until};
use futures::future::join_all;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use std::time::Duration;
use valkeeper_testbed::faults::Disturbance;

crate::scenarios![
    tokens_of_deleted_resources_are_not_read;
    services_become_ready_after_foreign_services_leave,
    services_get_ready_among_many_foreign_services,
    change_without_a_rebuild_gets_ready_in_a_listed_project,
    active_vpc_is_noticed_in_a_listed_project,
];

const LONG: Duration = Duration::from_hours(1);

async fn restart(world: &mut World) {
    world
        .restart_with(|settings| {
            (settings.resync_interval, settings.project_poll_interval) = (LONG, LONG);
            settings.project_poll_interval_min = Duration::from_millis(100);
        })
        .await;
}

async fn lists(world: &World, count: usize) {
    let before = world.count("GET", "/service");
    until(|| async { world.count("GET", "/service") }, |now| *now >= before + count).await;
}

async fn services_become_ready_after_foreign_services_leave(mut world: World) -> World {
    restart(&mut world).await;
    world.provider.set_build_time(LONG);
    for name in ["one", "two", "three"] {
        world.create_valkey(name, json!({})).await;
    }
    for name in ["one", "two", "three"] {
        world.until_not_ready(name, "Building").await;
    }
    // The next lists are rare, and will not be made: too few are left.
    lists(&world, 3).await;
    world.valkeys().delete("three", &DeleteParams::default()).await.unwrap();
    world.until_gone("three").await;
    world.provider.advance(LONG * 2);
    for name in ["one", "two"] {
        world.until_ready(name).await;
    }
    world
}

/// Three of ours are too few to list the project for, seven are enough.
async fn services_get_ready_among_many_foreign_services(mut world: World) -> World {
    world.provider.disturb(Disturbance::ForeignServices(300));
    for count in [3, 7] {
        restart(&mut world).await;
        world.provider.set_build_time(LONG);
        let names: Vec<_> = (0..count).map(|number| format!("own-{count}-{number}")).collect();
        for name in &names {
            world.create_valkey(name, json!({})).await;
        }
        for name in &names {
            world.until_not_ready(name, "Building").await;
        }
        restart(&mut world).await;
        lists(&world, 1).await;
        world.provider.advance(LONG * 2);
        for name in &names {
            world.until_ready(name).await;
            world.valkeys().delete(name, &DeleteParams::default()).await.unwrap();
        }
        for name in &names {
            world.until_gone(name).await;
        }
    }
    world
}

/// Several that are ready, in a project that is listed.
async fn several(world: &mut World) {
    join_all(["one", "two", "three", "four"].map(|name| world.ready_valkey(name, json!({})))).await;
    restart(world).await;
    lists(world, 1).await;
}

async fn change_without_a_rebuild_gets_ready_in_a_listed_project(mut world: World) -> World {
    several(&mut world).await;
    world.edit("one", json!({"disk_space": "30GiB"})).await;
    world.until_ready("one").await;
    world
}

async fn active_vpc_is_noticed_in_a_listed_project(mut world: World) -> World {
    several(&mut world).await;
    world.edit("one", json!({"projectVPCRef": {"name": "net"}})).await;
    world.until_not_ready("one", "VpcNotReady").await;
    let vpc = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "ProjectVPC", "metadata": {"name": "net"},
        "spec": {"project": PROJECT, "cloudName": "google-europe-west1", "networkCidr": "10.0.0.0/24",
            "authSecretRef": {"name": "aiven-token", "key": "token"}},
    });
    world.vpcs().create(&PostParams::default(), &serde_json::from_value(vpc).unwrap()).await.unwrap();
    world.until_ready("one").await;
    world
}

async fn tokens_of_deleted_resources_are_not_read(mut world: World) -> World {
    restart(&mut world).await;
    world.set_token("first-token", "token", token()).await;
    let first = ["one", "two", "three"];
    let own = json!({"authSecretRef": {"name": "first-token"}});
    join_all(first.map(|name| world.ready_valkey(name, own.clone()))).await;
    join_all(["four", "five", "six"].map(|name| world.ready_valkey(name, json!({})))).await;
    for name in first {
        world.valkeys().delete(name, &DeleteParams::default()).await.unwrap();
    }
    for name in first {
        world.until_gone(name).await;
    }
    // Something that is built is listed often.
    world.provider.set_build_time(LONG);
    world.create_valkey("seven", json!({})).await;
    world.until_not_ready("seven", "Building").await;
    // The operator learns of a deletion later than this test, but before the next resource is built.
    lists(&world, 1).await;
    world.calls.clear();
    lists(&world, 3).await;
    let reads = world.calls.reads();
    assert!(reads.iter().all(|call| !call.contains("first-token")), "{reads:#?}");
    world
}
