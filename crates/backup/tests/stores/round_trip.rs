//! What was backed up is what a server has that was restored.

use crate::running::{Running, digest, fill, order, programs};
use std::collections::BTreeMap;
use valkeeper_backup::{BackupError, Destination, Store, place, take};

/// `DEBUG` is for tests.
const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

fn folder(path: &std::path::Path) -> Store {
    Store::open(&Destination::Folder(path.join("store")), None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_server_has_the_data_with_either_persistence() {
    for program in programs() {
        for sync in ["yes", "no"] {
            let directives = [&DEBUG[..], &["--repl-diskless-sync", sync]].concat();
            let running = Running::start(program, &directives).await;
            let mut server = running.connect().await;
            fill(&mut server).await;
            let expected = digest(&mut server).await;
            let work = tempfile::tempdir().unwrap();
            let store = folder(work.path());
            let manifest = running.back_up(&store, "team/cache/one").await.unwrap();
            let mut keys = BTreeMap::new();
            for database in [0, 9] {
                server.call(&["SELECT", &database.to_string()]).await.unwrap();
                keys.insert(database, server.key_count().await.unwrap());
            }
            assert_eq!(manifest.keys, Some(keys), "{program} {sync}");
            let replication = server.info(&["replication"]).await.unwrap().replication();
            assert_eq!(
                (&manifest.replication_id, manifest.replication_offset),
                (&replication.id, replication.offset)
            );
            assert!(manifest.used_memory.unwrap() > 0 && manifest.stored_bytes < manifest.bytes);
            for append_only in [true, false] {
                let target = tempfile::tempdir().unwrap();
                let dump = target.path().join("fetched");
                store.fetch("team/cache/one", &manifest, &dump).await.unwrap();
                place::place(&dump, target.path(), append_only).unwrap();
                assert!(place::has_data(target.path()));
                let more = [&DEBUG[..], &["--appendonly", if append_only { "yes" } else { "no" }]].concat();
                let restored = Running::start_in(target.path(), program, &more).await;
                let found = digest(&mut restored.connect().await).await;
                assert_eq!(found, expected, "{program}, diskless {sync}, append-only {append_only}");
                let functions = restored.connect().await.call(&["FUNCTION", "LIST"]).await.unwrap();
                assert_eq!(functions.elements().len(), 1);
                drop(restored);
                // And after another start: what was seeded goes on as a file of the server.
                let again = Running::start_in(target.path(), program, &more).await;
                assert_eq!(digest(&mut again.connect().await).await, expected, "{program} started again");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_with_data_is_not_overwritten() {
    let target = tempfile::tempdir().unwrap();
    for (existing, append_only) in [("dump.rdb", true), ("dump.rdb", false)] {
        std::fs::write(target.path().join(existing), "old").unwrap();
        let dump = target.path().join("fetched");
        std::fs::write(&dump, "new").unwrap();
        assert!(place::place(&dump, target.path(), append_only).is_err());
        assert_eq!(std::fs::read(target.path().join(existing)).unwrap(), b"old");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_is_taken_once_listed_and_deleted() {
    let Some(program) = programs().into_iter().next() else { return };
    let running = Running::start(program, &[]).await;
    fill(&mut running.connect().await).await;
    let work = tempfile::tempdir().unwrap();
    let store = folder(work.path());
    let first = running.back_up(&store, "team/cache/one").await.unwrap();
    // The answer may have been lost.
    running.connect().await.call(&["SET", "later", "1"]).await.unwrap();
    assert_eq!(running.back_up(&store, "team/cache/one").await.unwrap(), first);
    let second = running.back_up(&store, "team/cache/two").await.unwrap();
    assert_eq!(second.key_count(), first.key_count().map(|count| count + 1));
    running.back_up(&store, "team/cacher/one").await.unwrap();
    let keys = async |beginning: &str| -> Vec<String> {
        store.list(beginning).await.unwrap().into_iter().map(|listed| listed.key).collect()
    };
    assert_eq!(keys("team/cache").await, ["team/cache/one", "team/cache/two"]);
    store.delete("team/cache/one").await.unwrap();
    assert_eq!(keys("").await, ["team/cache/two", "team/cacher/one"]);
    assert!(store.manifest("team/cache/one").await.unwrap().is_none());
    store.delete("team/cache/one").await.unwrap();
    assert_eq!(std::fs::read_dir(work.path().join("store/team/cache/two")).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn dump_without_a_checksum_is_no_backup() {
    let Some(program) = programs().into_iter().next() else { return };
    let running = Running::start(program, &["--rdbchecksum", "no"]).await;
    let work = tempfile::tempdir().unwrap();
    let store = folder(work.path());
    let error = running.back_up(&store, "k").await.unwrap_err();
    assert!(error.to_string().contains("rdbchecksum"), "{error}");
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_cannot_synchronize_says_so() {
    let Some(program) = programs().into_iter().next() else { return };
    // It follows a server that is not there.
    let running = Running::start(program, &["--replicaof", "127.0.0.1", "1"]).await;
    let work = tempfile::tempdir().unwrap();
    let store = folder(work.path());
    let error = take(&store, running.connection().await, &order("k"), chrono::Utc::now).await.unwrap_err();
    assert!(
        matches!(&error, BackupError::Server(error)
        if error.class() == valkeeper_server::ErrorClass::Busy),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_backup_is_refused_before_a_server_sees_it() {
    let Some(program) = programs().into_iter().next() else { return };
    let running = Running::start(program, &[]).await;
    fill(&mut running.connect().await).await;
    let work = tempfile::tempdir().unwrap();
    let store = folder(work.path());
    let manifest = running.back_up(&store, "k").await.unwrap();
    let object = work.path().join("store/k").join(&manifest.object);
    let whole = std::fs::read(&object).unwrap();
    let dump = work.path().join("dump");
    let refused = async |manifest: &valkeeper_backup::Manifest| {
        let error = store.fetch("k", manifest, &dump).await.unwrap_err();
        assert!(!dump.exists() && !dump.with_extension("part").exists(), "{error}");
        error.class()
    };
    for position in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x10;
        std::fs::write(&object, &flipped).unwrap();
        assert_eq!(refused(&manifest).await, valkeeper_backup::ErrorClass::Damaged, "byte {position}");
    }
    std::fs::write(&object, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(refused(&manifest).await, valkeeper_backup::ErrorClass::Damaged);
    std::fs::write(&object, &whole).unwrap();
    let other = valkeeper_backup::Manifest { sha256: "0".repeat(64), ..manifest.clone() };
    assert_eq!(refused(&other).await, valkeeper_backup::ErrorClass::Damaged);
    std::fs::remove_file(&object).unwrap();
    assert_eq!(refused(&manifest).await, valkeeper_backup::ErrorClass::NotFound);
}
