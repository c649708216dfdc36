//! Starts and ends: a lone instance, a cold start of everything, a server that dies, the first process of a
//! container.

use crate::{
    operator::Operator,
    world::{LeaseKind, Setup, World, all_programs, until, valkey},
    writer::{Acknowledged, Writer, missing},
};
use rustix::process::{Signal, kill_process};
use std::process::Command;
use valkeeper_failover::{Name, protocol::Role};

#[tokio::test(flavor = "multi_thread")]
async fn lone_instance_needs_nobody_and_accepts_writes_again() {
    for program in all_programs() {
        let server = "  persistence: Snapshot\n".to_owned();
        let mut world =
            World::new(&program, 1, &Setup { server, lease: LeaseKind::Alone, ..Setup::default() });
        let node = &mut world.nodes[0];
        let primary = |status: &valkeeper_instance::status::StatusAnswer| {
            matches!(status.status.role, Role::Primary(_))
        };
        node.start();
        let first = node.until("primary", primary).await;
        node.server().await.unwrap().call(&["SET", "key", "1"]).await.unwrap();
        kill_process(node.server_pid().await, Signal::KILL).unwrap();
        let second =
            node.until("primary again", |status| primary(status) && status.status.seen > first.status.seen);
        let second = second.await;
        node.server().await.unwrap().call(&["SET", "key", "1"]).await.unwrap();
        node.signal(Signal::TERM);
        assert!(node.ended().await);
        node.start();
        let third = node.until("primary after a restart", primary).await;
        assert!(third.status.seen > second.status.seen, "every reign has a term");
        assert_eq!(node.server().await.unwrap().key_count().await.unwrap(), 1, "saved at the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cold_start_elects_the_instance_that_knows_most() {
    for program in all_programs() {
        for persistence in ["Snapshot", "AppendOnly"] {
            let server = format!("  persistence: {persistence}\n");
            let mut world = World::started(&program, 3, &Setup { server, ..Setup::default() }).await;
            let mut operator = Operator::new();
            let first = operator.settled(&world).await;
            let writer = Writer::stubborn(world.node(&first));
            until("writes", async || writer.acknowledged().len() > 50).await;
            // This one misses what follows.
            let behind = world.nodes.iter().find(|node| node.name != first).unwrap().name.clone();
            world.node(&behind).signal(Signal::TERM);
            assert!(world.node_mut(&behind).ended().await);
            let before = writer.acknowledged().len();
            until("more writes", async || writer.acknowledged().len() > before + 50).await;
            let acknowledged = writer.stop();
            for node in world.nodes.iter_mut().filter(|node| node.name != behind) {
                // Two signals of different kinds, which the system does not merge: nobody can take over.
                node.signal(Signal::INT);
                node.signal(Signal::QUIT);
                assert!(node.ended().await);
            }
            for node in &mut world.nodes {
                node.start();
            }
            let mut operator = Operator::new();
            operator.preferred = Some(behind.clone());
            let elected = operator.settled(&world).await;
            assert_ne!(elected, behind, "{persistence}");
            for node in &world.nodes {
                assert_eq!(missing(&acknowledged, node).await, Vec::<String>::new(), "{persistence}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn longer_data_of_an_older_term_is_not_elected() {
    let Some(program) = valkey() else { return };
    let setup = Setup { server: "  persistence: AppendOnly\n".to_owned(), ..Setup::default() };
    let mut world = World::started(&program, 2, &setup).await;
    let (old, new) = (Name::from("a"), Name::from("b"));
    let mut operator = Operator::new();
    operator.preferred = Some(old.clone());
    assert_eq!(operator.settled(&world).await, old);
    // The other one misses most of the first term, and begins a shorter one without the first.
    world.node(&new).signal(Signal::TERM);
    assert!(world.node_mut(&new).ended().await);
    written(&world, &old, 300).await;
    end_at_once(&mut world, &old).await;
    world.node_mut(&new).start();
    operator.unseen.insert(old.clone());
    operator.policy.without_missing = true;
    assert_eq!(operator.settled(&world).await, new);
    let acknowledged = written(&world, &new, 10).await;
    end_at_once(&mut world, &new).await;
    for node in &mut world.nodes {
        node.start();
    }
    let mut operator = Operator::new();
    operator.preferred = Some(old);
    assert_eq!(operator.settled(&world).await, new);
    for node in &world.nodes {
        assert_eq!(missing(&acknowledged, node).await, Vec::<String>::new());
    }
}

/// At least so many writes that this instance has acknowledged.
async fn written(world: &World, name: &Name, count: usize) -> Vec<Acknowledged> {
    let writer = Writer::stubborn(world.node(name));
    until("writes", async || writer.acknowledged().len() > count).await;
    writer.stop()
}

/// Two signals of different kinds, which the system does not merge: nobody can take over.
async fn end_at_once(world: &mut World, name: &Name) {
    world.node(name).signal(Signal::INT);
    world.node(name).signal(Signal::QUIT);
    assert!(world.node_mut(name).ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_server_without_data_does_not_wipe_its_replicas() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 3, &Setup::default()).await;
    let mut operator = Operator::new();
    let first = operator.settled(&world).await;
    let writer = Writer::stubborn(world.node(&first));
    until("writes", async || writer.acknowledged().len() > 50).await;
    let acknowledged = writer.stop();
    for node in &world.nodes {
        until("replicated", async || missing(&acknowledged, node).await.is_empty()).await;
    }
    operator.preferred = Some(first.clone());
    kill_process(world.node(&first).server_pid().await, Signal::KILL).unwrap();
    operator
        .until(&world, "another primary", async |step| {
            matches!(step, valkeeper_failover::operator::Step::Settled(name, _) if *name != first)
        })
        .await;
    operator.settled(&world).await;
    for node in &world.nodes {
        assert_eq!(missing(&acknowledged, node).await, Vec::<String>::new());
    }
}

/// In a namespace of its own, where the manager is the first process.
#[tokio::test(flavor = "multi_thread")]
async fn first_process_reaps_children_that_are_not_its_own() {
    let Some(program) = valkey() else { return };
    let world = World::new(&program, 1, &Setup { lease: LeaseKind::Alone, ..Setup::default() });
    let node = &world.nodes[0];
    let Some(found) = valkeeper_testbed::tools::UNSHARE.or_skip() else { return };
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new(&found);
        command.args(["-Urpf", "--kill-child", "--mount-proc"]).args(arguments);
        command
    };
    if !unshare(&["true"]).status().is_ok_and(|status| status.success()) {
        valkeeper_testbed::tools::skip("unshare", "allow user namespaces, and install util-linux");
        return;
    }
    // A process that leaves an orphan behind, then ends, becomes the manager.
    let script = format!(
        "(sleep 0.2 & sleep 0.1 & exit) ; exec {} --settings {}",
        env!("CARGO_BIN_EXE_valkeeper-instance"),
        node.settings.display()
    );
    let log = std::fs::File::create(node.folder.join("log")).unwrap();
    let mut child = unshare(&["sh", "-c", &script]).stderr(log).spawn().unwrap();
    node.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    let manager = children(child.id()).first().unwrap().0;
    until("no child but the guard", async || matches!(children(manager)[..], [(_, state)] if state != 'Z'))
        .await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The children of a process, and the state of each.
fn children(parent: u32) -> Vec<(u32, char)> {
    let child = |text: String| {
        // PID (NAME) STATE PARENT …
        let rest = text.rsplit_once(") ")?.1;
        let mut fields = rest.split(' ');
        let state = fields.next()?.chars().next()?;
        let own = text.split(' ').next()?.parse().ok()?;
        (fields.next()?.parse() == Ok(parent)).then_some((own, state))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| child(std::fs::read_to_string(entry.path().join("stat")).ok()?)).collect()
}
