//! Backups by verbs, and servers whose data comes from one.

use crate::world::{Node, Setup, World, all_programs};
use std::path::Path;
use tokio::time::{Duration, sleep};
use valkeeper_backup::{Destination, Origin, Store};
use valkeeper_failover::{Term, protocol::Role};
use valkeeper_instance::{
    backups::{BackupAnswer, BackupRequest, BackupState},
    client::Place,
    restore::{RestoreRequest, RestoreStatus},
};

pub(crate) fn request(id: &str, folder: &Path, verify: bool) -> BackupRequest {
    BackupRequest {
        id: id.to_owned(),
        key: format!("n/c/{id}"),
        attempt: "1".to_owned(),
        destination: Destination::Folder(folder.join("store")),
        credentials: None,
        origin: Origin { cluster: "c".to_owned(), ..Origin::default() },
        verify,
        existing: false,
        bytes_per_second: None,
        memory_limit: 0,
    }
}

pub(crate) async fn ended(node: &Node, id: &str) -> BackupAnswer {
    loop {
        let answer = node.client.backup(id).await.unwrap().unwrap();
        if !answer.state.is_under_way() {
            return answer;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn restore(key: &str, folder: &Path, is_redis: bool, version: &str) -> RestoreRequest {
    RestoreRequest {
        key: key.to_owned(),
        destination: Destination::Folder(folder.join("store")),
        credentials: None,
        is_redis,
        version: version.to_owned(),
    }
}

/// A lone instance that accepts writes, with keys in two databases.
async fn written(program: &Path, server: &str) -> World {
    let setup =
        Setup { server: server.to_owned(), lease: crate::world::LeaseKind::Alone, ..Setup::default() };
    let mut world = World::new(program, 1, &setup);
    world.nodes[0].start();
    world.nodes[0].until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
    let mut server = world.nodes[0].server().await.unwrap();
    for database in ["0", "3"] {
        server.call(&["SELECT", database]).await.unwrap();
        for number in 0..100 {
            server.call(&["SET", &format!("key-{number}"), "v"]).await.unwrap();
        }
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_is_verified_and_restored_with_each_persistence() {
    for program in all_programs() {
        let world = written(&program, "").await;
        let (node, folder) = (&world.nodes[0], world.folder.path());
        assert!(node.client.backup("one").await.unwrap().is_none());
        node.client.back_up(&request("one", folder, true)).await.unwrap();
        // The answer may have been lost.
        node.client.back_up(&request("one", folder, true)).await.unwrap();
        let answer = ended(node, "one").await;
        let manifest = answer.manifest.clone().unwrap();
        let verification = answer.verification.clone().unwrap();
        assert!(answer.state == BackupState::Done && verification.verified, "{answer:?}");
        assert_eq!(Some(&verification.keys), manifest.keys.as_ref());
        assert!(!node.folder.join("data/valkeeper-verify").exists());
        let is_redis = program.ends_with("redis-server");
        for persistence in ["None", "Snapshot", "AppendOnly"] {
            let setup = Setup {
                server: format!("  persistence: {persistence}\n"),
                more: "restore: a\n".to_owned(),
                ..Setup::default()
            };
            let mut restored = World::new(&program, 2, &setup);
            restored.nodes[0].start();
            let first = &restored.nodes[0];
            let waits = first.until("waiting", |status| status.restore == Some(RestoreStatus::Waiting)).await;
            assert!(waits.server.is_none(), "no server before the data is there");
            first.client.restore(&restore("n/c/one", folder, is_redis, "8.0")).await.unwrap();
            let held = |status: &valkeeper_instance::status::StatusAnswer| status.status.role == Role::Held;
            first.until("held", held).await;
            first.client.hold(Term(1)).await.unwrap();
            first.client.promote(Term(1), 1).await.unwrap();
            first.until("primary", |status| matches!(status.status.role, Role::Primary(_))).await;
            let mut server = first.server().await.unwrap();
            for database in ["0", "3"] {
                server.call(&["SELECT", database]).await.unwrap();
                assert_eq!(server.key_count().await.unwrap(), 100, "{persistence} {database}");
            }
            server.call(&["SELECT", "0"]).await.unwrap();
            server.call(&["SET", "later", "v"]).await.unwrap();
            // The second instance waits for no backup, and follows.
            restored.nodes[1].start();
            restored.nodes[1].until("held", held).await;
            let (name, host) = (restored.nodes[0].name.clone(), restored.nodes[0].host.clone());
            let place = Place { host: &host, port: 6379, tls_port: None };
            restored.nodes[1].client.follow(Term(1), &name, place).await.unwrap();
            let synced = restored.nodes[1].until("synced", |status| status.status.synced).await;
            assert_eq!(synced.restore, None);
            // A server without persistence starts empty, and not with the data of the backup.
            restored.nodes[0].kill();
            restored.nodes[0].start();
            restored.nodes[0].until("held again", held).await;
            let mut server = restored.nodes[0].server().await.unwrap();
            server.call(&["SELECT", "3"]).await.unwrap();
            let kept = if persistence == "None" { 0 } else { 100 };
            assert_eq!(server.key_count().await.unwrap(), kept, "{persistence} after another start");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_that_cannot_be_restored_starts_no_server() {
    let Some(program) = all_programs().into_iter().next() else { return };
    let world = written(&program, "").await;
    let folder = world.folder.path();
    world.nodes[0].client.back_up(&request("one", folder, false)).await.unwrap();
    let manifest = ended(&world.nodes[0], "one").await.manifest.unwrap();
    let setup = Setup { more: "restore: a\n".to_owned(), ..Setup::default() };
    let mut restored = World::new(&program, 1, &setup);
    restored.nodes[0].start();
    let node = &restored.nodes[0];
    node.until("waiting", |status| status.restore == Some(RestoreStatus::Waiting)).await;
    let object = folder.join("store/n/c/one").join(&manifest.object);
    let whole = std::fs::read(&object).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    let attempts = [
        ("n/c/none", &whole, "8.0", "no backup with this key"),
        ("n/c/one", &whole, "unknown", ""),
        ("n/c/one", &damaged, "8.0", "damaged"),
    ];
    for (key, content, version, why) in attempts {
        std::fs::write(&object, content).unwrap();
        if version == "unknown" {
            // Of a later server.
            let text = std::fs::read_to_string(folder.join("store/n/c/one/manifest.json")).unwrap();
            let later = text.replace(&format!("\"rdb\": \"{}\"", manifest.rdb), "\"rdb\": \"VALKEY099\"");
            assert_ne!(later, text);
            std::fs::write(folder.join("store/n/c/one/manifest.json"), later).unwrap();
        }
        node.client.restore(&restore(key, folder, false, "8.0")).await.unwrap();
        let failed =
            node.until("failed", |status| matches!(status.restore, Some(RestoreStatus::Failed(_)))).await;
        let Some(RestoreStatus::Failed(failure)) = failed.restore else { unreachable!() };
        assert!(!failure.passing && failure.message.contains(why), "{failure:?}");
        assert!(failed.server.is_none() && node.server().await.is_err(), "no server was started");
        if version == "unknown" {
            assert!(failure.message.contains("VALKEY099"), "{failure:?}");
            let text = serde_json::to_vec(&manifest).unwrap();
            std::fs::write(folder.join("store/n/c/one/manifest.json"), text).unwrap();
        }
    }
    std::fs::write(&object, &whole).unwrap();
    node.client.restore(&restore("n/c/one", folder, false, "8.0")).await.unwrap();
    node.until("held", |status| status.status.role == Role::Held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_server_is_not_started_without_the_memory_for_it() {
    let Some(program) = all_programs().into_iter().next() else { return };
    let world = written(&program, "").await;
    let (node, folder) = (&world.nodes[0], world.folder.path());
    let mut small = request("one", folder, true);
    small.memory_limit = 60 << 20;
    node.client.back_up(&small).await.unwrap();
    let answer = ended(node, "one").await;
    let verification = answer.verification.unwrap();
    assert!(answer.manifest.is_some() && !verification.verified, "{verification:?}");
    assert!(verification.message.contains("memory"), "{verification:?}");
    assert!(verification.needs_memory > Some(64 << 20), "{verification:?}");
    let store = Store::open(&Destination::Folder(folder.join("store")), None).unwrap();
    assert_eq!(store.list("").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_backup_is_verified_again_and_fails_for_what_it_lacks() {
    let Some(program) = all_programs().into_iter().next() else { return };
    let world = written(&program, "").await;
    let (node, folder) = (&world.nodes[0], world.folder.path());
    node.client.back_up(&request("one", folder, false)).await.unwrap();
    let manifest = ended(node, "one").await.manifest.unwrap();
    let mut number = 0;
    let mut verify = async |change: fn(&mut BackupRequest)| {
        number += 1;
        let mut again = BackupRequest { key: "n/c/one".to_owned(), ..request("one", folder, false) };
        (again.id, again.existing) = (format!("one-{number}"), true);
        change(&mut again);
        node.client.back_up(&again).await.unwrap();
        let answer = ended(node, &again.id).await;
        assert_eq!(answer.state, BackupState::Done);
        answer.verification.unwrap()
    };
    let stored = folder.join("store/n/c/one");
    let object = stored.join(&manifest.object);
    let found = verify(|_| ()).await;
    assert!(found.verified && Some(&found.keys) == manifest.keys.as_ref(), "{found:?}");
    // What has nothing to do with the backup.
    let found = verify(|again| again.memory_limit = 60 << 20).await;
    assert!(!found.verified && found.inconclusive, "{found:?}");
    let found = verify(|again| again.destination = Destination::Folder("/dev/null/store".into())).await;
    assert!(!found.verified && found.inconclusive, "{found:?}");
    // What has.
    let whole = std::fs::read(&object).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&object, damaged).unwrap();
    let found = verify(|_| ()).await;
    assert!(!found.verified && !found.inconclusive, "{found:?}");
    // What may be there again at the next attempt.
    std::fs::remove_file(&object).unwrap();
    let found = verify(|_| ()).await;
    assert!(!found.verified && found.inconclusive && found.absent, "{found:?}");
    let hidden = folder.join("hidden");
    std::fs::rename(&stored, &hidden).unwrap();
    let found = verify(|_| ()).await;
    assert!(found.inconclusive && found.absent && found.message.contains("no backup"), "{found:?}");
    assert!(!stored.exists(), "a verification takes no backup");
    std::fs::rename(&hidden, &stored).unwrap();
    std::fs::write(&object, whole).unwrap();
    let found = verify(|_| ()).await;
    assert!(found.verified && !found.absent, "{found:?}");
}
