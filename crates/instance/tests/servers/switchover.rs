//! Planned switchovers lose nothing, and leave one primary.

use crate::{
    operator::Operator,
    world::{INTERVALS, Setup, World, all_programs, until, valkey},
    writer::{Writer, longest_gap, missing},
};
use rustix::process::Signal;
use std::time::Duration;
use valkeeper_failover::{Name, protocol::Role};

/// The term of the primary.
async fn term(world: &World, primary: &Name) -> valkeeper_failover::Term {
    match world.node(primary).client.status().await.unwrap().status.role {
        Role::Primary(term) => term,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_loses_no_acknowledged_write() {
    for program in all_programs() {
        let world = World::started(&program, 3, &Setup::default()).await;
        let mut operator = Operator::new();
        let mut primary = operator.settled(&world).await;
        let writers: Vec<_> = (0..3).map(|_| Writer::routed(&world.nodes, &operator.route)).collect();
        for round in 1..=4 {
            let before: Vec<_> = writers.iter().map(|writer| writer.acknowledged().len()).collect();
            let written = |writers: &[Writer]| {
                writers.iter().zip(&before).all(|(writer, before)| writer.acknowledged().len() > before + 50)
            };
            // A client that came back to the old primary too late is found and disconnected meanwhile.
            operator.until(&world, "writes", async |_| written(&writers)).await;
            let full: Vec<u64> = full_syncs(&world).await;
            let client = &world.node(&primary).client;
            client.failover(term(&world, &primary).await).await.unwrap();
            operator.until(&world, "another primary", async |step| {
                matches!(step, valkeeper_failover::operator::Step::Settled(name, _) if *name != primary)
            }).await;
            primary = operator.settled(&world).await;
            assert_eq!(full_syncs(&world).await, full, "round {round}: partial synchronization only");
        }
        let acknowledged: Vec<_> = writers.into_iter().map(Writer::stop).collect();
        for writes in &acknowledged {
            println!("{}: {} writes, longest gap {:?}", program.display(), writes.len(), longest_gap(writes));
            assert_eq!(missing(writes, world.node(&primary)).await, Vec::<String>::new());
        }
        assert_eq!(world.writable().await, [primary]);
    }
}

async fn full_syncs(world: &World) -> Vec<u64> {
    let mut counts = Vec::new();
    for node in &world.nodes {
        counts.push(node.info_number("stats", "sync_full").await);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_over_and_loses_no_acknowledged_write() {
    let Some(program) = valkey() else { return };
    let mut world = World::started(&program, 3, &Setup::default()).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    let writer = Writer::routed(&world.nodes, &operator.route);
    until("writes", async || writer.acknowledged().len() > 100).await;
    world.node(&old).signal(Signal::TERM);
    operator
        .until(
            &world,
            "another primary",
            async |step| matches!(step, valkeeper_failover::operator::Step::Settled(name, _) if *name != old),
        )
        .await;
    assert!(world.node_mut(&old).ended().await, "the manager ends in order");
    let handed_over = writer.acknowledged().len();
    until("writes to the successor", async || writer.acknowledged().len() > handed_over + 50).await;
    let acknowledged = writer.stop();
    println!("{} writes, longest gap {:?}", acknowledged.len(), longest_gap(&acknowledged));
    operator.unseen.insert(old.clone());
    let primary = operator.settled(&world).await;
    assert_ne!(primary, old);
    assert_eq!(missing(&acknowledged, world.node(&primary)).await, Vec::<String>::new());
    assert_eq!(world.writable().await, [primary]);
}

fn with_grace_period(milliseconds: u32) -> Setup {
    let more = INTERVALS.replace("gracePeriod: 30000", &format!("gracePeriod: {milliseconds}"));
    Setup { more, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_without_an_operator_ends_held_in_the_grace_period() {
    let Some(program) = valkey() else { return };
    let setup = with_grace_period(9000);
    let mut world = World::started(&program, 2, &setup).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    let writer = Writer::stubborn(world.node(&old));
    until("writes", async || writer.acknowledged().len() > 50).await;
    world.node(&old).signal(Signal::TERM);
    // Nobody reconciles meanwhile.
    assert!(world.node_mut(&old).ended().await);
    let acknowledged = writer.stop();
    let other = world.nodes.iter().find(|node| node.name != old).unwrap();
    assert_eq!(missing(&acknowledged, other).await, Vec::<String>::new(), "the replica has got everything");
    assert_eq!(world.writable().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_whose_replicas_have_ended_waits_for_no_successor() {
    let Some(program) = valkey() else { return };
    // With a third of this for a successor, it would not end within this test.
    let setup = with_grace_period(1_800_000);
    let mut world = World::started(&program, 3, &setup).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    let writer = Writer::stubborn(world.node(&old));
    until("writes", async || writer.acknowledged().len() > 50).await;
    for node in &world.nodes {
        node.signal(Signal::TERM);
    }
    for node in &mut world.nodes {
        let ended = tokio::time::timeout(Duration::from_mins(2), node.ended()).await;
        assert_eq!(ended, Ok(true), "{}", node.name.as_str());
    }
    writer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stay_connected_are_sent_to_the_new_primary() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 2, &Setup::default()).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    // Comes back to the old one after the fence, before clients are routed elsewhere.
    let stays = Writer::routed(&world.nodes, &operator.route);
    until("writes", async || stays.acknowledged().len() > 50).await;
    world.node(&old).client.failover(term(&world, &old).await).await.unwrap();
    let by_another = || stays.acknowledged().last().is_some_and(|write| write.by != old);
    operator.until(&world, "writes to the new primary", async |_| by_another()).await;
}
