//! A store that speaks S3, and what goes wrong on the way to it. Whatever happens: what is listed restores.

use crate::running::{Running, digest, fill, order, programs};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use valkeeper_backup::{BackupError, Credentials, Destination, ErrorClass, S3, Store, place, take};
use valkeeper_server::Server;
use valkeeper_testbed::{
    s3::{Fault, KEY, S3Server, Wire},
    tools,
};

/// `DEBUG` is for tests.
const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
pub(crate) const BUCKET: &str = "backups";

pub(crate) struct World {
    pub(crate) server: S3Server,
    pub(crate) wire: Wire,
    pub(crate) running: Running,
}

impl World {
    pub(crate) async fn start() -> Option<Self> {
        let program = programs().into_iter().next()?;
        let moto = tools::S3_SERVER.or_skip()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = S3Server::start(&moto, BUCKET).await.unwrap();
        let wire = Wire::to(server.address()).await.unwrap();
        let running = Running::start(program, &DEBUG).await;
        fill(&mut running.connect().await).await;
        Some(Self { server, wire, running })
    }

    /// Each with connections of its own.
    pub(crate) fn store(&self, bucket: &str) -> Store {
        let s3 = S3 {
            bucket: bucket.to_owned(),
            prefix: "some/place".to_owned(),
            endpoint: Some(format!("http://{}", self.wire.address())),
            path_style: true,
            ..S3::default()
        };
        let credentials = Credentials {
            access_key_id: KEY.0.to_owned().into(),
            secret_access_key: KEY.1.to_owned().into(),
            ..Credentials::default()
        };
        Store::open(&Destination::S3(s3), Some(&credentials)).unwrap()
    }

    /// Restores every backup that is listed; answers how many there are.
    pub(crate) async fn restore_all(&self) -> usize {
        let store = self.store(BUCKET);
        let listed = store.list("").await.unwrap();
        for backup in &listed {
            let target = tempfile::tempdir().unwrap();
            let dump = target.path().join("fetched");
            store.fetch(&backup.key, &backup.manifest, &dump).await.unwrap();
            place::place(&dump, target.path(), false).unwrap();
            let restored = Running::start_in(target.path(), programs()[0], &DEBUG).await;
            assert_eq!(Some(keys(&mut restored.connect().await).await), backup.manifest.key_count());
        }
        listed.len()
    }
}

async fn keys(server: &mut Server) -> u64 {
    let keyspace = server.info(&["keyspace"]).await.unwrap();
    let count = |(name, text): (&str, &str)| -> Option<u64> {
        let count = text.strip_prefix("keys=")?.split(',').next()?;
        name.starts_with("db").then(|| count.parse().ok())?
    };
    keyspace.fields().filter_map(count).sum()
}

/// Values that do not compress, so that there are several parts.
pub(crate) async fn fill_much(server: &mut Server, megabytes: u32) {
    let script = "math.randomseed(ARGV[1]) local t = {} for i = 1, 100000 do t[i] = string.char(math.random(0, 255)) end \
                  for i = 1, 10 do redis.call('SET', 'big-' .. ARGV[1] .. '-' .. i, table.concat(t, '', i) .. i) end";
    for number in 0..megabytes {
        server.call(&["EVAL", script, "0", &number.to_string()]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_in_a_bucket_is_restored_with_all_of_its_data() {
    let Some(world) = World::start().await else { return };
    let store = world.store(BUCKET);
    fill_much(&mut world.running.connect().await, 20).await;
    let expected = digest(&mut world.running.connect().await).await;
    let manifest = world.running.back_up(&store, "team/cache/one").await.unwrap();
    let target = tempfile::tempdir().unwrap();
    let dump = target.path().join("fetched");
    store.fetch("team/cache/one", &manifest, &dump).await.unwrap();
    place::place(&dump, target.path(), true).unwrap();
    let more = [&DEBUG[..], &["--appendonly", "yes"]].concat();
    let restored = Running::start_in(target.path(), programs()[0], &more).await;
    assert_eq!(digest(&mut restored.connect().await).await, expected);
    assert_eq!(store.list("team").await.unwrap().len(), 1);
    store.delete("team/cache/one").await.unwrap();
    assert_eq!(store.list("").await.unwrap().len(), 0);
    let error = world.store("other").manifest("k").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listed_backup_restores_whatever_happened() {
    let Some(world) = World::start().await else { return };
    let mut taken = 0;
    let faults = [
        (Fault::Unavailable, 1),
        (Fault::Unavailable, 3),
        (Fault::WrongClock, 1),
        (Fault::CutRequest(0), 1),
        (Fault::CutRequest(700), 1),
        (Fault::CutRequest(3_000), 2),
        (Fault::CutAnswer(0), 1),
        (Fault::CutAnswer(100), 2),
        (Fault::CutRequest(3_000), 1_000),
        (Fault::Slow(Duration::from_millis(20)), 10),
    ];
    for (number, (fault, connections)) in faults.into_iter().enumerate() {
        let struck = world.wire.struck();
        // No connection of an earlier one is used.
        let store = world.store(BUCKET);
        world.wire.strike(fault, connections);
        let key = format!("team/cache/{number}");
        let taking = tokio::time::timeout(Duration::from_secs(15), world.running.back_up(&store, &key)).await;
        world.wire.strike(fault, 0);
        assert!(world.wire.struck() > struck, "{fault:?} met nobody");
        let is_there = world.store(BUCKET).manifest(&key).await.unwrap().is_some();
        println!(
            "{fault:?} {connections}: {:?}",
            taking.as_ref().map(|taken| taken.as_ref().map(|_| "taken"))
        );
        if let Ok(Ok(_)) = taking {
            assert!(is_there, "{fault:?}");
        }
        taken += usize::from(is_there);
    }
    assert_eq!(world.restore_all().await, taken);
    assert!(taken > 4, "only {taken} were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_download_goes_on_or_is_refused() {
    let Some(world) = World::start().await else { return };
    fill_much(&mut world.running.connect().await, 5).await;
    let manifest = world.running.back_up(&world.store(BUCKET), "k").await.unwrap();
    let target = tempfile::tempdir().unwrap();
    for bytes in [10, 5_000, 900_000] {
        let store = world.store(BUCKET);
        let struck = world.wire.struck();
        world.wire.strike(Fault::CutAnswer(bytes), 1);
        let dump = target.path().join(bytes.to_string());
        match store.fetch("k", &manifest, &dump).await {
            Ok(()) => assert_eq!(dump.metadata().unwrap().len(), manifest.bytes),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Transient, "{error}");
                assert!(!dump.exists());
            }
        }
        assert!(world.wire.struck() > struck);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_ends_in_the_middle_leaves_no_backup() {
    let Some(world) = World::start().await else { return };
    fill_much(&mut world.running.connect().await, 60).await;
    let store = world.store(BUCKET);
    world.wire.strike(Fault::Slow(Duration::from_millis(20)), 1_000);
    let order = order("k");
    let progress = Arc::clone(&order.progress);
    let connection = world.running.connection().await;
    let taking = tokio::spawn({
        let store = store.clone();
        async move { take(&store, connection, &order, chrono::Utc::now).await }
    });
    while progress.load(Ordering::Relaxed) < 10_000_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let World { running, wire, server: _server } = world;
    drop(running);
    wire.strike(Fault::Unavailable, 0);
    let error = taking.await.unwrap().unwrap_err();
    assert!(matches!(error, BackupError::Stream(_) | BackupError::Server(_)), "{error}");
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clock_is_named_and_leaves_no_backup() {
    let Some(world) = World::start().await else { return };
    let store = world.store(BUCKET);
    world.wire.strike(Fault::WrongClock, 1_000);
    let error = world.running.back_up(&store, "k").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    assert!(error.to_string().contains("RequestTimeTooSkewed"), "{error}");
    world.wire.strike(Fault::WrongClock, 0);
    assert!(world.store(BUCKET).list("").await.unwrap().is_empty());
}
