//! Every kind of bucket, and what goes wrong on the way to it. Whatever happens: what is listed restores.
//!
//! S3 is served by moto, Azure by Azurite. No server that is to be had speaks what a client of Google Cloud Storage does;
//! its XML API has the requests of S3, so moto answers that client as well.

use crate::running::{Running, digest, fill, order, programs};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use valkeeper_backup::{
    Azure, BackupError, Credentials, Destination, ErrorClass, Gcs, S3, Store, place, take,
};
use valkeeper_server::Server;
use valkeeper_testbed::{
    azure::{ACCOUNT, AzureServer},
    google::SERVICE_ACCOUNT_KEY,
    s3::{Fault, KEY, S3Server, Wire},
    tools,
};

/// `DEBUG` is for tests.
const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
pub(crate) const BUCKET: &str = "backups";

/// What the client of a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Gcs,
    Azure,
}

/// Makes a test of each function for one kind.
macro_rules! on_kind {
    ($module:ident, $kind:ident, $($test:ident),* $(,)?) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::buckets::Kind::$kind).await;
            })*
        }
    };
}

pub(crate) use on_kind;

/// Makes a test of each function for each kind.
macro_rules! on_every_kind {
    ($($test:ident),* $(,)?) => {
        on_kind!(s3, S3, $($test),*);
        on_kind!(gcs, Gcs, $($test),*);
        on_kind!(azure, Azure, $($test),*);
    };
}

on_every_kind!(
    backup_in_a_bucket_is_restored_with_all_of_its_data,
    every_listed_backup_restores_whatever_happened,
    cut_download_goes_on_or_is_refused,
    server_that_ends_in_the_middle_leaves_no_backup,
);

pub(crate) struct World {
    pub(crate) kind: Kind,
    /// The server of S3 and Google Cloud Storage.
    pub(crate) moto: Option<S3Server>,
    _azurite: Option<AzureServer>,
    pub(crate) wire: Wire,
    pub(crate) running: Running,
}

impl World {
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        let program = programs().into_iter().next()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (mut moto, mut azurite) = (None, None);
        let address = if kind == Kind::Azure {
            let server = AzureServer::start(&tools::AZURE_SERVER.or_skip()?, BUCKET).await.unwrap();
            azurite.insert(server).address()
        } else {
            let server = S3Server::start(&tools::S3_SERVER.or_skip()?, BUCKET).await.unwrap();
            moto.insert(server).address()
        };
        let wire = Wire::to(address).await.unwrap();
        let running = Running::start(program, &DEBUG).await;
        fill(&mut running.connect().await).await;
        Some(Self { kind, moto, _azurite: azurite, wire, running })
    }

    /// Each with connections of its own.
    pub(crate) fn store(&self, bucket: &str) -> Store {
        let (destination, credentials) = self.destination(bucket);
        Store::open(&destination, Some(&credentials)).unwrap()
    }

    fn destination(&self, bucket: &str) -> (Destination, Credentials) {
        let (bucket, prefix) = (bucket.to_owned(), "some/place".to_owned());
        let url = format!("http://{}", self.wire.address());
        let secret = |text: &str| Some(text.to_owned().into());
        match self.kind {
            Kind::S3 => {
                let s3 = S3 { bucket, prefix, endpoint: Some(url), path_style: true, ..S3::default() };
                (Destination::S3(s3), Credentials::of_s3(KEY.0, KEY.1))
            }
            Kind::Gcs => {
                let gcs = Gcs { bucket, prefix, endpoint: Some(url) };
                let service_account_key = secret(SERVICE_ACCOUNT_KEY);
                (Destination::Gcs(gcs), Credentials { service_account_key, ..Credentials::default() })
            }
            Kind::Azure => {
                let endpoint = Some(format!("{url}/{}", ACCOUNT.0));
                let azure = Azure { account: ACCOUNT.0.to_owned(), container: bucket, prefix, endpoint };
                let account_key = secret(ACCOUNT.1);
                (Destination::Azure(azure), Credentials { account_key, ..Credentials::default() })
            }
        }
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

async fn backup_in_a_bucket_is_restored_with_all_of_its_data(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
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
    for _ in 0..2 {
        store.delete("team/cache/one").await.unwrap();
        assert_eq!(store.list("").await.unwrap().len(), 0);
    }
    let error = world.store("other").manifest("k").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
}

async fn every_listed_backup_restores_whatever_happened(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
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

async fn cut_download_goes_on_or_is_refused(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
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

async fn server_that_ends_in_the_middle_leaves_no_backup(kind: Kind) {
    let Some(world) = World::start(kind).await else { return };
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
    let World { running, wire, moto: _moto, _azurite, .. } = world;
    drop(running);
    wire.strike(Fault::Unavailable, 0);
    let error = taking.await.unwrap().unwrap_err();
    assert!(matches!(error, BackupError::Stream(_) | BackupError::Server(_)), "{error}");
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clock_is_named_and_leaves_no_backup() {
    let Some(world) = World::start(Kind::S3).await else { return };
    let store = world.store(BUCKET);
    world.wire.strike(Fault::WrongClock, 1_000);
    let error = world.running.back_up(&store, "k").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    assert!(error.to_string().contains("RequestTimeTooSkewed"), "{error}");
    world.wire.strike(Fault::WrongClock, 0);
    assert!(world.store(BUCKET).list("").await.unwrap().is_empty());
}

/// A key of the account allows all; a signature only what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn shared_access_signature_opens_a_container_and_is_in_no_error() {
    let Some(world) = World::start(Kind::Azure).await else { return };
    let (destination, _) = world.destination(BUCKET);
    let sas = AzureServer::shared_access_signature(BUCKET).unwrap();
    let (_, signature) = sas.rsplit_once("sig=").unwrap();
    let open = |sas: &str| {
        let credentials = Credentials { sas_token: Some(sas.to_owned().into()), ..Credentials::default() };
        Store::open(&destination, Some(&credentials)).unwrap()
    };
    let store = open(&sas);
    world.running.back_up(&store, "k").await.unwrap();
    assert_eq!(world.restore_all().await, 1);
    store.delete("k").await.unwrap();
    let wrong = open(&sas.replace("sp=rcwdl", "sp=racwdl")).manifest("k").await.unwrap_err();
    assert_eq!(wrong.class(), ErrorClass::Denied, "{wrong}");
    world.wire.strike(Fault::CutAnswer(0), 1_000);
    let cut = open(&sas).list("").await.unwrap_err();
    for error in [wrong, cut] {
        assert!(!format!("{error} {error:?}").contains(signature), "{error:?}");
    }
}
