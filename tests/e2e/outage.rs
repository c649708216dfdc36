//! A leader that loses the API server. It continues as long as its lease lasts, then writes nothing more to the
//! provider, and the replica that still reaches the API server takes over. Each replica has a token of its own, so
//! that the provider's log identifies the writer.

use crate::{
    door::{Door, Passage},
    leaks::confidential,
    process::{Operator, Start, without_operator},
    world::{PROJECT, World, until},
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use valkeeper_testbed::provider::TokenSpec;

crate::scenarios![
    leader_without_api_server_answers_yields_leadership,
    a_leader_that_the_api_server_refuses_makes_room_for_another,
];

/// Soon over for the first replica; the second must not lose the lease on a machine that is slow.
const FIRST: [&str; 3] =
    ["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--resync-interval=50ms"];
const SECOND: [&str; 4] = [
    "--leader-elect-lease-duration=10m",
    "--leader-elect-renew-deadline=8m",
    "--leader-elect-retry-period=300ms",
    "--resync-interval=50ms",
];
/// So many that one of them differs from its spec at any moment of the hand-over.
const SERVICES: usize = 12;
const PAUSE: Duration = Duration::from_millis(400);

async fn leader_without_api_server_answers_yields_leadership(world: World) -> World {
    hand_over(world, Passage::Silent).await
}

async fn a_leader_that_the_api_server_refuses_makes_room_for_another(world: World) -> World {
    hand_over(world, Passage::Refused).await
}

/// An operator with a token of its own; the provider's log uses this name for it.
fn start(world: &World, door: &Door, name: &str, flags: &[&str]) -> Operator {
    let token = confidential(name);
    world.provider.add_token(&TokenSpec::full_access(name, &token));
    let environment = BTreeMap::from([("DEFAULT_AIVEN_TOKEN", token.into())]);
    Operator::start_with(world, Start { kubeconfig: Some(door.kubeconfig()), environment, flags })
}

fn name(number: usize) -> String {
    format!("cache-{number}")
}

async fn hand_over(mut world: World, passage: Passage) -> World {
    if !without_operator(&mut world).await {
        return world;
    }
    let (door, other_door) = (Door::open(&world).await, Door::open(&world).await);
    let first = start(&world, &door, "first", &FIRST);
    first.leads().await;
    for number in 0..SERVICES {
        world.create_valkey(&name(number), json!({"authSecretRef": null})).await;
    }
    for number in 0..SERVICES {
        world.until_ready(&name(number)).await;
    }
    let second = start(&world, &other_door, "second", &SECOND);
    second.logs("valkeeper starts", 1).await;

    door.lets(passage);
    for number in 0..SERVICES {
        assert!(world.provider.set_plan(PROJECT, &name(number), "business-4"));
        tokio::time::sleep(PAUSE).await;
    }
    second.leads().await;
    corrected(&world).await;
    first.logs("lost leadership", 1).await;
    // The pending writes of the first one must not be sent later.
    door.lets(Passage::Open);
    let reads = || async { door.calls.reads().iter().filter(|call| call.contains("/leases/")).count() };
    let before = reads().await;
    until(reads, |now| *now >= before + 2).await;
    world.edit(&name(0), json!({"plan": "business-4"})).await;
    until(|| async { world.service(&name(0)).unwrap() }, |it| it["plan"] == "business-4").await;

    let writers = writers(&world);
    let handover = writers.iter().position(|writer| writer == "second").expect("the second one wrote");
    assert!(writers[..handover].iter().all(|writer| writer == "first"));
    assert!(
        writers[handover..].iter().all(|writer| writer == "second"),
        "the first one wrote again: {writers:?}"
    );
    assert_eq!(world.count("POST", "/service"), SERVICES);
    world
}

/// Waits until every service matches its resource.
async fn corrected(world: &World) {
    for number in 0..SERVICES {
        until(|| async { world.service(&name(number)).unwrap() }, |it| it["plan"] == "startup-4").await;
    }
}

/// Whose token each write so far came with.
fn writers(world: &World) -> Vec<String> {
    let requests = world.provider.requests().into_iter();
    let writes = requests.filter(|request| request.method != "GET" && request.executed);
    writes.map(|request| request.token.unwrap_or_default()).collect()
}
