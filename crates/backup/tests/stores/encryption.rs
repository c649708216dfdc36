//! Backups that are encrypted before they are stored.

use crate::running::{Running, digest, fill, programs};
use valkeeper_backup::{BackupError, Credentials, Destination, ErrorClass, Store, place};

/// `DEBUG` is for tests.
const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

fn store(folder: &std::path::Path, key: Option<&str>) -> Store {
    let encryption_key = key.map(|digit| digit.repeat(64).into());
    let credentials = Credentials { encryption_key, ..Credentials::default() };
    Store::open(&Destination::Folder(folder.join("store")), Some(&credentials)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_backup_is_restored_with_its_key_and_no_other() {
    for program in programs() {
        let running = Running::start(program, &DEBUG).await;
        let mut server = running.connect().await;
        fill(&mut server).await;
        let expected = digest(&mut server).await;
        let work = tempfile::tempdir().unwrap();
        let right = store(work.path(), Some("a"));
        let manifest = running.back_up(&right, "k").await.unwrap();
        assert_eq!(manifest.format, 2, "what cannot decrypt it refuses to read it");
        let stored = std::fs::read(work.path().join("store/k").join(&manifest.object)).unwrap();
        assert_eq!(stored.len() as u64, manifest.stored_bytes);
        assert!(zstd::decode_all(&stored[..]).is_err());
        let target = tempfile::tempdir().unwrap();
        let dump = target.path().join("fetched");
        for (key, why) in [(Some("b"), "is not the one"), (None, "is missing")] {
            let store = store(work.path(), key);
            assert_eq!(
                store.manifest("k").await.unwrap().as_ref(),
                Some(&manifest),
                "whoever reads may list"
            );
            let error = store.fetch("k", &manifest, &dump).await.unwrap_err();
            assert!(matches!(&error, BackupError::Key(found) if found.contains(why)), "{error}");
            assert_eq!(error.class(), ErrorClass::Denied);
            assert!(!dump.exists() && !dump.with_extension("part").exists());
        }
        right.fetch("k", &manifest, &dump).await.unwrap();
        place::place(&dump, target.path(), false).unwrap();
        let restored = Running::start_in(target.path(), program, &DEBUG).await;
        assert_eq!(digest(&mut restored.connect().await).await, expected, "{program}");
    }
}

/// Whoever writes the bucket, and has no key, could have put it there.
#[tokio::test(flavor = "multi_thread")]
async fn plain_backup_is_refused_where_a_key_is_named() {
    let Some(program) = programs().into_iter().next() else { return };
    let running = Running::start(program, &[]).await;
    fill(&mut running.connect().await).await;
    let work = tempfile::tempdir().unwrap();
    let (plain, with_key) = (store(work.path(), None), store(work.path(), Some("a")));
    let manifest = running.back_up(&plain, "k").await.unwrap();
    assert_eq!(manifest.format, 1);
    let dump = work.path().join("dump");
    let fetched = with_key.fetch("k", &manifest, &dump).await.unwrap_err();
    let taken = running.back_up(&with_key, "k").await.unwrap_err();
    for error in [fetched, taken] {
        assert!(error.to_string().contains("is not encrypted"), "{error}");
        assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
    }
    assert!(!dump.exists() && !dump.with_extension("part").exists());
    // Without `encryption` in the destination, it is read as it is.
    plain.fetch("k", &manifest, &dump).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_encrypted_backup_is_refused() {
    let Some(program) = programs().into_iter().next() else { return };
    let running = Running::start(program, &[]).await;
    fill(&mut running.connect().await).await;
    let work = tempfile::tempdir().unwrap();
    let store = store(work.path(), Some("a"));
    let manifest = running.back_up(&store, "k").await.unwrap();
    let object = work.path().join("store/k").join(&manifest.object);
    let whole = std::fs::read(&object).unwrap();
    let dump = work.path().join("dump");
    for position in (0..whole.len()).step_by(whole.len() / 20 + 1) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0x10;
        std::fs::write(&object, &flipped).unwrap();
        let error = store.fetch("k", &manifest, &dump).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Damaged, "byte {position}: {error}");
        assert!(!dump.exists());
    }
}
