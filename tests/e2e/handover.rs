//! Operators as processes of their own. One that is stopped in the middle of its work and resumed in the term of
//! another one writes nothing. One whose answers are far too large does not grow. A measurement shows how long a
//! hand-over takes.

use crate::{
    process::{Operator, without_operator},
    world::{PROJECT, World, until},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use std::time::{Duration, Instant};
use valkeeper_testbed::provider::{Fault, Matcher};

crate::scenarios![
    process_resumed_in_another_term_writes_nothing;
    answers_that_are_far_too_large_do_not_make_the_process_grow,
];

/// Size in bytes of answers that would show in memory if they were read.
const OVERSIZED: usize = 128 * 1024 * 1024;

async fn process_resumed_in_another_term_writes_nothing(mut world: World) -> World {
    if !without_operator(&mut world).await {
        return world;
    }
    let quick = ["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s"];
    let first = Operator::start(&world, &quick);
    first.leads().await;
    world.ready_valkey("cache", json!({})).await;
    // It is stopped while it waits for an answer, after which it would write.
    let slow = Fault::Delay(Duration::from_millis(500));
    world.provider.fail_next(Matcher::new(Some("GET"), "/service/cache").unwrap(), 1, slow);
    world.edit("cache", json!({"plan": "business-4"})).await;
    until(|| async { world.provider.pending_faults() }, |left| *left == 0).await;
    first.signal("-STOP");

    // The second one is stopped as soon as it leads: whatever is written now is written by the first.
    let slow = ["--leader-elect-lease-duration=10m", "--leader-elect-renew-deadline=8m"];
    let second = Operator::start(&world, &slow);
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.lease_namespace());
    let holder = || async { leases.get("valkeeper").await.unwrap().spec.unwrap().lease_duration_seconds };
    until(holder, |seconds| *seconds == Some(600)).await;
    second.signal("-STOP");
    // What it had sent before is carried out first.
    let before = at_rest(&world).await;
    first.signal("-CONT");
    first.logs("lost leadership", 1).await;
    assert_eq!(at_rest(&world).await, before, "written in another one's term");

    let before = world.writes();
    second.signal("-CONT");
    world.until_ready("cache").await;
    until(|| async { world.service("cache").unwrap() }, |it| it["plan"] == "business-4").await;
    assert!(world.writes() <= before + 1);
    assert_eq!(world.count("POST", "/service"), 1);
    world
}

async fn answers_that_are_far_too_large_do_not_make_the_process_grow(mut world: World) -> World {
    if !without_operator(&mut world).await {
        return world;
    }
    let operator = Operator::start(&world, &["--resync-interval=50ms"]);
    operator.leads().await;
    world.ready_valkey("cache", json!({})).await;
    let before = operator.memory();
    let any = Matcher::new(Some("GET"), "/service/cache").unwrap();
    world.provider.fail_next(any, 3, Fault::OversizedBody(OVERSIZED));
    let mut most = before;
    while world.provider.pending_faults() > 0 {
        most = most.max(operator.memory());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.edit("cache", json!({"plan": "business-4"})).await;
    until(|| async { world.service("cache").unwrap() }, |it| it["plan"] == "business-4").await;
    let grown = most.max(operator.memory()).saturating_sub(before);
    println!("{} KiB more than {} KiB, at most", grown / 1024, before / 1024);
    // At most 8 MiB of each are read. The buffer is held twice while it grows, and the allocator keeps what it freed.
    assert!(grown < OVERSIZED as u64 / 2, "{grown} bytes more");
    world
}

/// Writes so far, and the versions of what they would change, once nothing is on its way any more.
async fn at_rest(world: &World) -> (usize, Option<String>, Option<String>) {
    let requests = || async {
        let valkey = world.valkeys().get("cache").await.unwrap();
        let secret = world.secrets().get("cache").await.unwrap();
        (world.writes(), valkey.resource_version(), secret.resource_version())
    };
    loop {
        let before = requests().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        if requests().await == before {
            return before;
        }
    }
}

/// Prints figures, and decides nothing by them: `VALKEEPER_HANDOVERS` is the number of each kind to make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_with_default_settings() {
    let Some(times) = std::env::var("VALKEEPER_HANDOVERS").ok().and_then(|text| text.parse::<usize>().ok())
    else {
        return eprintln!("skipped: set VALKEEPER_HANDOVERS to the number of hand-overs to measure");
    };
    crate::world::run(crate::cluster::Place::Sandbox, async |mut world: World| {
        world.kill_operator().await;
        let mut leader = Operator::start(&world, &[]);
        leader.leads().await;
        for (signal, limit) in [("-TERM", 3.0), ("-KILL", 20.0)] {
            let mut taken = Vec::new();
            for _ in 0..times {
                let next = Operator::start(&world, &[]);
                // It has read the lease before it waits for it.
                next.logs("valkeeper starts", 1).await;
                tokio::time::sleep(Duration::from_secs(3)).await;
                let begun = Instant::now();
                leader.signal(signal);
                next.leads().await;
                taken.push(begun.elapsed().as_secs_f64());
                leader = next;
            }
            taken.sort_by(f64::total_cmp);
            let within = taken.iter().filter(|seconds| **seconds <= limit).count();
            println!("{signal}: {within} of {times} within {limit} s; all: {taken:.1?}");
        }
        world.create_valkey("cache", json!({})).await;
        world.until_ready("cache").await;
        assert!(world.provider.service(PROJECT, "cache").is_some());
        world
    })
    .await;
}
