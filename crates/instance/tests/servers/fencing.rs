//! A primary stops before anybody else may start: without its lease, frozen, and with a server that hangs.

use crate::{
    operator::Operator,
    world::{Setup, World, until, valkey},
    writer::{Acknowledged, Writer, missing},
};
use rustix::process::{Signal, kill_process};
use std::{path::Path, time::Instant};
use valkeeper_failover::{Name, operator::Step, protocol::Role};

struct Scene {
    world: World,
    operator: Operator,
    primary: Name,
    writer: Writer,
}

impl Scene {
    /// Three instances, one primary, and a client that writes to it whatever happens.
    async fn new(program: &Path) -> Self {
        let world = World::started(program, 3, &Setup::default()).await;
        let mut operator = Operator::new();
        let primary = operator.settled(&world).await;
        let writer = Writer::stubborn(world.node(&primary));
        until("writes", async || writer.acknowledged().len() > 50).await;
        Self { world, operator, primary, writer }
    }

    /// Reconciles until another primary accepts writes; when its promotion was sent.
    async fn succeeded(&mut self) -> (Name, Instant) {
        let old = self.primary.clone();
        let nodes = &self.world;
        self.operator
            .until(nodes, "another primary", async |_| {
                for node in nodes.nodes.iter().filter(|node| node.name != old) {
                    let answer = node.client.status().await;
                    if answer.is_ok_and(|answer| matches!(answer.status.role, Role::Primary(_))) {
                        return true;
                    }
                }
                false
            })
            .await;
        self.operator.promotions.last().unwrap().clone()
    }
}

fn assert_nothing_after(acknowledged: &[Acknowledged], promotion: Instant) {
    let late: Vec<_> = acknowledged.iter().filter(|write| write.sent >= promotion).collect();
    assert!(late.is_empty(), "acknowledged by the old primary after the promotion was sent: {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_without_its_lease_stops_before_another_starts() {
    let Some(program) = valkey() else { return };
    let mut scene = Scene::new(&program).await;
    // Neither API server nor operator reach it; its clients do.
    scene.world.node(&scene.primary).cut_lease();
    scene.operator.unseen.insert(scene.primary.clone());
    let (successor, promotion) = scene.succeeded().await;
    assert_ne!(successor, scene.primary);
    let old = scene.world.node(&scene.primary);
    old.until("held", |status| status.status.role == Role::Held).await;
    assert_nothing_after(&scene.writer.stop(), promotion);
    assert_eq!(scene.world.writable().await, [successor]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_manager_does_not_keep_its_server_writing() {
    let Some(program) = valkey() else { return };
    let mut scene = Scene::new(&program).await;
    scene.world.node(&scene.primary).signal(Signal::STOP);
    let (successor, promotion) = scene.succeeded().await;
    assert_ne!(successor, scene.primary);
    let old = scene.world.node(&scene.primary);
    assert!(old.server().await.is_err(), "the guard has ended the server");
    old.signal(Signal::CONT);
    old.until("held again", |status| status.status.role == Role::Held).await;
    assert_nothing_after(&scene.writer.stop(), promotion);
    let settled = scene.operator.settled(&scene.world).await;
    assert_eq!(scene.world.writable().await, [settled]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_server_is_killed_and_another_takes_over() {
    let Some(program) = valkey() else { return };
    let mut scene = Scene::new(&program).await;
    let server = scene.world.node(&scene.primary).server_pid().await;
    kill_process(server, Signal::STOP).unwrap();
    let (_, promotion) = scene.succeeded().await;
    // Killed, not only left alone: it cannot go on.
    until("the end of the server", async || kill_process(server, Signal::CONT).is_err()).await;
    assert_nothing_after(&scene.writer.stop(), promotion);
    let successor = scene.operator.settled(&scene.world).await;
    assert_eq!(scene.world.writable().await, [successor]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_manager_and_server_acknowledge_nothing_after_a_thaw() {
    let Some(program) = valkey() else { return };
    let mut scene = Scene::new(&program).await;
    let server = scene.world.node(&scene.primary).server_pid().await;
    scene.world.node(&scene.primary).signal(Signal::STOP);
    kill_process(server, Signal::STOP).unwrap();
    let (_, promotion) = scene.succeeded().await;
    // The guard was not frozen; a server that is stopped is ended as well.
    until("the end of the server", async || kill_process(server, Signal::CONT).is_err()).await;
    scene.world.node(&scene.primary).signal(Signal::CONT);
    let successor = scene.operator.settled(&scene.world).await;
    assert_nothing_after(&scene.writer.stop(), promotion);
    assert_eq!(scene.world.writable().await, [successor]);
}

#[tokio::test(flavor = "multi_thread")]
async fn crashed_manager_takes_its_server_with_it() {
    let Some(program) = valkey() else { return };
    let mut scene = Scene::new(&program).await;
    let server = scene.world.node(&scene.primary).server_pid().await;
    let primary = scene.primary.clone();
    scene.world.node_mut(&primary).kill();
    until("the end of the server", async || kill_process(server, Signal::CONT).is_err()).await;
    // The next life proves the end of this one: nobody waits for the lease.
    scene.world.node_mut(&primary).start();
    let (successor, promotion) = scene.succeeded().await;
    assert_ne!(successor, primary);
    assert_nothing_after(&scene.writer.stop(), promotion);
    let successor = scene.operator.settled(&scene.world).await;
    assert_eq!(scene.world.writable().await, [successor]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_that_has_not_caught_up_is_not_elected() {
    let Some(program) = valkey() else { return };
    let mut world = World::new(&program, 3, &Setup::default());
    world.nodes[0].start();
    world.nodes[1].start();
    let mut operator = Operator::new();
    // The third is not there yet, but would be preferred.
    operator.unseen.insert("c".into());
    operator.preferred = Some("a".into());
    operator.policy.without_missing = true;
    let primary = operator.settled(&world).await;
    operator.policy.without_missing = false;
    let writer = Writer::stubborn(world.node(&primary));
    until("writes", async || writer.acknowledged().len() > 50).await;
    let acknowledged = writer.stop();
    let other = world.nodes.iter().find(|node| node.name != primary && node.name != "c".into()).unwrap();
    let synced = other.name.clone();
    until("the replica has all of them", async || {
        missing(&acknowledged, world.node(&synced)).await.is_empty()
    })
    .await;
    world.node_mut(&primary).kill();
    world.nodes[2].start();
    world.nodes[2].until("held", |status| status.status.role == Role::Held).await;
    operator.unseen.clear();
    operator.preferred = Some("c".into());
    operator.unseen.insert(primary);
    assert_eq!(operator.settled(&world).await, synced);
    assert_eq!(missing(&acknowledged, world.node(&"c".into())).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_takes_in_what_its_primary_had_sent_before_it_ended() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 2, &Setup::default()).await;
    let mut operator = Operator::new();
    operator.preferred = Some("a".into());
    // However slow this machine is.
    operator.policy.drain = std::time::Duration::from_secs(30);
    assert_eq!(operator.settled(&world).await, "a".into());
    let (primary, replica) = (&world.nodes[0], &world.nodes[1]);
    let mut server = primary.server().await.unwrap();
    // Room in the buffers of the connection, and a set that takes its time.
    let padding = "x".repeat(20_000);
    for number in 0..500 {
        server.call(&["SET", &format!("padding:{number}"), &padding]).await.unwrap();
    }
    let members: Vec<String> = (0..40_000).map(|number| number.to_string()).collect();
    for some in members.chunks(1_000) {
        let call: Vec<&str> = ["SADD", "set"].into_iter().chain(some.iter().map(String::as_str)).collect();
        server.call(&call).await.unwrap();
    }
    until("the replica has all of it", async || {
        replica.info_number("replication", "slave_repl_offset").await
            == primary.info_number("replication", "master_repl_offset").await
    })
    .await;
    let (ended, waits) = (primary.server_pid().await, replica.server_pid().await);
    kill_process(waits, Signal::STOP).unwrap();
    for number in 0..20 {
        server.call(&["SET", &format!("padding:{number}"), &padding]).await.unwrap();
        server.call(&["SUNIONSTORE", &format!("copy:{number}"), "set"]).await.unwrap();
    }
    kill_process(ended, Signal::KILL).unwrap();
    kill_process(waits, Signal::CONT).unwrap();
    let moved = |step: &Step| matches!(step, Step::Settled(name, _) if *name == "b".into());
    operator.until(&world, "another primary", async |step| moved(step)).await;
    let mut server = replica.server().await.unwrap();
    for number in 0..20 {
        let found = server.call(&["EXISTS", &format!("copy:{number}")]).await.unwrap();
        assert_eq!(found.text().as_deref(), Some("1"), "copy {number} lay in the socket of the replica");
    }
}
