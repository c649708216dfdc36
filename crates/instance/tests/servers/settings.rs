//! Settings that change while servers run, and what volumes have of earlier ones.

use crate::world::{LeaseKind, Node, Setup, World, all_programs, valkey};
use std::{fs, path::Path};
use valkeeper_failover::{Term, protocol::Role};
use valkeeper_instance::status::{ReloadAnswer, StatusAnswer};

#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_what_can_be_changed_and_names_the_rest() {
    let Some(program) = valkey() else { return };
    let world = World::started(&program, 1, &Setup::default()).await;
    let node = &world.nodes[0];
    let settings = fs::read_to_string(&node.settings).unwrap();
    let changed = "  maxMemory: 50000000\n  directives: {timeout: '300', databases: '4'}\n";
    fs::write(&node.settings, settings + changed).unwrap();
    let answer = node.client.reload(Term(0)).await.unwrap();
    assert_eq!(
        (answer.applied, answer.need_restart),
        (vec!["maxmemory".to_owned(), "timeout".to_owned()], vec!["databases".to_owned()],)
    );
    let directives = node.server().await.unwrap().config_get("timeout").await.unwrap();
    assert_eq!(directives["timeout"], "300");
}

async fn reload(node: &Node, settings: &str, directives: &str) -> ReloadAnswer {
    fs::write(&node.settings, format!("{settings}  directives: {{{directives}}}\n")).unwrap();
    node.client.reload(Term(0)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_is_asked_for_only_where_a_value_needs_one() {
    for program in all_programs() {
        let mut world = World::new(&program, 1, &Setup::default());
        let node = &mut world.nodes[0];
        let settings = fs::read_to_string(&node.settings).unwrap();
        let before = "databases: '32', hz: '50', timeout: '300'";
        fs::write(&node.settings, format!("{settings}  directives: {{{before}}}\n")).unwrap();
        node.start();
        node.until("held", |status| status.status.role == Role::Held).await;
        // What is in force already needs nothing, though no server takes it while it runs.
        let same = "databases: '32', hz: '20', timeout: '300', tcp-keepalive: '300'";
        let answer = reload(node, &settings, same).await;
        assert_eq!(answer, ReloadAnswer { applied: vec!["hz".to_owned()], ..ReloadAnswer::default() });
        let answer = reload(node, &settings, "databases: '64', hz: '20', timeout: '300'").await;
        assert_eq!(answer.need_restart, ["databases"]);
        // A value that no server takes, and a name that none knows.
        let answer = reload(node, &settings, "databases: '32', hz: '20', timeout: '5m', timeot: '1'").await;
        let names: Vec<&str> = answer.refused.iter().filter_map(|text| text.split(':').next()).collect();
        assert_eq!((names, answer.need_restart.is_empty()), (vec!["timeot", "timeout"], true), "{answer:?}");
        let status = node.client.status().await.unwrap();
        assert_eq!(status.settings.refused, answer.refused);
        // A server keeps what is no longer declared.
        let answer = reload(node, &settings, "databases: '32'").await;
        assert_eq!(answer.need_restart, ["hz", "timeout"]);
    }
}

fn reigns(status: &StatusAnswer) -> bool {
    matches!(status.status.role, Role::Primary(_))
}

/// An instance with a volume from an instance with another kind of persistence, which has one key.
async fn moved(program: &Path, [from, to]: [&str; 2]) -> World {
    let setup = |persistence: &str| Setup {
        server: format!("  persistence: {persistence}\n"),
        lease: LeaseKind::Alone,
        ..Setup::default()
    };
    let mut before = World::new(program, 1, &setup(from));
    before.nodes[0].start();
    before.nodes[0].until("primary", reigns).await;
    let mut server = before.nodes[0].server().await.unwrap();
    server.call(&["SET", "early", "v"]).await.unwrap();
    if from == "Snapshot" {
        server.call(&["SAVE"]).await.unwrap();
    }
    before.nodes[0].kill();
    let after = World::new(program, 1, &setup(to));
    fs::rename(before.nodes[0].folder.join("data"), after.nodes[0].folder.join("data")).unwrap();
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_on_the_volume_is_read_with_an_append_only_file() {
    for program in all_programs() {
        let mut world = moved(&program, ["Snapshot", "AppendOnly"]).await;
        let node = &mut world.nodes[0];
        for _ in 0..2 {
            node.start();
            node.until("primary", reigns).await;
            assert_eq!(node.server().await.unwrap().key_count().await.unwrap(), 1);
            node.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn append_only_file_on_the_volume_is_not_left_out_in_silence() {
    let Some(program) = valkey() else { return };
    let mut world = moved(&program, ["AppendOnly", "Snapshot"]).await;
    let node = &mut world.nodes[0];
    node.start();
    crate::world::until("the reason", async || node.log().contains("append-only file")).await;
    assert!(node.server().await.is_err(), "no server starts without the data");
}
