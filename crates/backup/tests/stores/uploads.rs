//! Uploads in parts that a killed manager left behind: what a server that speaks S3 lists of them, and what is
//! left in Azure, which has no list.

use crate::{
    buckets::{BUCKET, Kind, World, fill_much, on_kind},
    running::order,
};
use std::{
    num::NonZeroU64,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::task::JoinHandle;
use valkeeper_backup::{BackupError, Manifest, take};
use valkeeper_testbed::s3::S3Server;

/// What has passed then: much less than all.
const MIDDLE: u64 = 100_000;

impl World {
    /// Begins a backup that takes long, and answers when it is in the middle.
    async fn begin(&self, key: &str, attempt: &str) -> JoinHandle<Result<Manifest, BackupError>> {
        let (store, connection) = (self.store(BUCKET), self.running.connection().await);
        let mut order = order(key);
        order.attempt = attempt.to_owned();
        order.bytes_per_second = NonZeroU64::new(50_000);
        let progress = Arc::clone(&order.progress);
        let taking = tokio::spawn(async move { take(&store, connection, &order, chrono::Utc::now).await });
        while progress.load(Ordering::Relaxed) < MIDDLE || !self.has_upload(key).await {
            assert!(!taking.is_finished(), "{key} has ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        taking
    }

    /// Another backup is under way, whose name begins alike.
    async fn begin_another(&self) -> String {
        let key = "some/place/team/cache/one-more/dump-1.rdb.zst";
        self.moto().begin_upload(BUCKET, key).await.unwrap();
        key.to_owned()
    }

    /// As when the process is killed: nothing is ended.
    async fn kill(&self, taking: JoinHandle<Result<Manifest, BackupError>>) {
        taking.abort();
        assert!(taking.await.unwrap_err().is_cancelled());
    }

    async fn has_upload(&self, key: &str) -> bool {
        // Azure has no list.
        self.kind == Kind::Azure
            || self.uploads().await.iter().any(|upload| upload.contains(&format!("/{key}/")))
    }

    async fn uploads(&self) -> Vec<String> {
        self.moto().uploads(BUCKET).await.unwrap()
    }

    fn moto(&self) -> &S3Server {
        self.moto.as_ref().unwrap()
    }
}

on_kind!(
    s3,
    S3,
    upload_that_was_cut_off_is_aborted_by_the_next_attempt,
    deletion_aborts_uploads_of_that_backup_alone
);
on_kind!(
    gcs,
    Gcs,
    upload_that_was_cut_off_is_aborted_by_the_next_attempt,
    deletion_aborts_uploads_of_that_backup_alone
);

async fn upload_that_was_cut_off_is_aborted_by_the_next_attempt(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
    fill_much(&mut world.running.connect().await, 6).await;
    let other = world.begin_another().await;
    for attempt in ["1", "2"] {
        let taking = world.begin("team/cache/one", attempt).await;
        assert_eq!(world.uploads().await.len(), 2, "the earlier attempt has left nothing");
        world.kill(taking).await;
    }
    world.running.back_up(&world.store(BUCKET), "team/cache/one").await.unwrap();
    assert_eq!(world.uploads().await, [other]);
    assert_eq!(world.restore_all().await, 1);
}

async fn deletion_aborts_uploads_of_that_backup_alone(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
    fill_much(&mut world.running.connect().await, 6).await;
    let other = world.begin_another().await;
    let taking = world.begin("team/cache/one", "1").await;
    world.kill(taking).await;
    assert_eq!(world.uploads().await.len(), 2);
    world.store(BUCKET).delete("team/cache/one").await.unwrap();
    assert_eq!(world.uploads().await, [other]);
    assert_eq!(world.store(BUCKET).abort_uploads("team/cache/one").await.unwrap(), 0);
}

/// Azure has no uploads that could be aborted.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_were_not_committed_are_no_backup() {
    let Some(world) = World::start(Kind::Azure).await else { return };
    fill_much(&mut world.running.connect().await, 6).await;
    let taking = world.begin("team/cache/one", "1").await;
    world.kill(taking).await;
    let store = world.store(BUCKET);
    assert_eq!(store.abort_uploads("team/cache/one").await.unwrap(), 0);
    assert_eq!(world.restore_all().await, 0);
    world.running.back_up(&store, "team/cache/one").await.unwrap();
    assert_eq!(world.restore_all().await, 1);
    store.delete("team/cache/one").await.unwrap();
    assert_eq!(world.restore_all().await, 0);
}
