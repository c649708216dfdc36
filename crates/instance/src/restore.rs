//! The first start of an instance whose data comes from a backup, or from a running server ([`import`](crate::import)): the
//! server waits until the data was fetched, checked and placed.
//!
//! Guarantees: data that is there is never replaced; an instance that has known a term, or was restored, waits for nothing;
//! a server is started from a backup only after its checksum was confirmed, and never from part of one.

use crate::{
    backups::{self, BackupFailure},
    import::ImportProgress,
    instance::{Instance, lock},
    memory::Memory,
    settings::{Persistence, Settings},
    space,
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;
use valkeeper_backup::{BackupError, Credentials, Destination, place};
use valkeeper_failover::Term;

/// The body of `POST /v1/restore`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreRequest {
    /// The key of the backup in the store.
    pub key: String,
    /// Where from.
    pub destination: Destination,
    /// What the store asks for.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Whether the server is a Redis.
    pub is_redis: bool,
    /// Its version, as declared.
    pub version: String,
}

/// How far the restoration is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreStatus {
    /// The server is not started before a backup or a server was named.
    #[default]
    Waiting,
    /// The data is on its way.
    Running,
    /// A running server is followed.
    Following(ImportProgress),
    /// The server is not started, because of this.
    Failed(BackupFailure),
    /// The data is there.
    Done,
    /// There was other data already, which is kept.
    HadData,
}

/// The file that says that data is placed which was fetched.
const MARK: &str = "valkeeper-restored";

/// Places data that was fetched, for the first start of the server.
pub(crate) async fn place_fetched(instance: &Instance, dump: &Path) -> Result<(), BackupError> {
    let folder = &instance.settings.data_dir;
    // A crash in the middle leaves the mark, and no data: it is fetched again then.
    std::fs::write(folder.join(MARK), "").map_err(|error| BackupError::Io("place the data", error))?;
    let append_only = instance.settings.server.persistence == Persistence::AppendOnly;
    place::place(dump, folder, append_only)?;
    instance.memory().restored = true;
    instance.store_memory().await;
    Ok(())
}

/// What holds the server back.
pub(crate) struct Restore {
    status: Mutex<Option<RestoreStatus>>,
    ready: watch::Sender<bool>,
    /// The server that is followed is to be taken over from.
    cut_over: AtomicBool,
}

impl Restore {
    pub(crate) fn new(settings: &Settings, memory: &Memory) -> Self {
        let has_data = place::has_data(&settings.data_dir);
        let restores = settings.restore.as_ref() == Some(&settings.name);
        let waits = restores && memory.seen == Term(0) && !memory.restored && !has_data;
        let is_restored = memory.restored || settings.data_dir.join(MARK).exists();
        let status = restores.then_some(match (waits, is_restored) {
            (true, _) => RestoreStatus::Waiting,
            (false, true) => RestoreStatus::Done,
            (false, false) => RestoreStatus::HadData,
        });
        Self {
            status: Mutex::new(status),
            ready: watch::Sender::new(!waits),
            cut_over: AtomicBool::new(false),
        }
    }

    /// How far it is; none if the data of this instance comes from no backup.
    pub(crate) fn status(&self) -> Option<RestoreStatus> {
        lock(&self.status).clone()
    }

    /// Waits until the server may be started.
    pub(crate) async fn ready(&self) {
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// The server that is followed is to be taken over from.
    pub(crate) fn cut_over(&self) {
        self.cut_over.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn is_cutting_over(&self) -> bool {
        self.cut_over.load(Ordering::Relaxed)
    }

    /// A running server is followed.
    pub(crate) fn follows(&self, progress: ImportProgress) {
        *lock(&self.status) = Some(RestoreStatus::Following(progress));
    }

    /// Whether this request begins something.
    fn begin(&self) -> bool {
        let mut status = lock(&self.status);
        let begins = matches!(*status, Some(RestoreStatus::Waiting | RestoreStatus::Failed(_)));
        if begins {
            *status = Some(RestoreStatus::Running);
        }
        begins
    }

    fn ended(&self, status: RestoreStatus) {
        let done = status == RestoreStatus::Done;
        *lock(&self.status) = Some(status);
        self.ready.send_if_modified(|ready| !std::mem::replace(ready, *ready || done) && done);
    }
}

/// Begins to restore, if the instance waits for it; answers how far it is.
pub(crate) fn begin(instance: &Arc<Instance>, request: RestoreRequest) -> Option<RestoreStatus> {
    let own = Arc::clone(instance);
    begin_with(instance, request.key.clone(), async move {
        run(&own, &request).await.map_err(|error| BackupFailure::of(&error))
    })
}

/// Begins with this work, which gets the data from `source`, if the instance waits for it; answers how far it is.
pub(crate) fn begin_with(
    instance: &Arc<Instance>,
    source: String,
    work: impl Future<Output = Result<(), BackupFailure>> + Send + 'static,
) -> Option<RestoreStatus> {
    if instance.restore.begin() {
        tracing::info!(source, "restoration begins");
        let instance = Arc::clone(instance);
        tokio::spawn(async move {
            let ended = match work.await {
                Ok(()) => RestoreStatus::Done,
                Err(failure) => {
                    tracing::error!(source, error = failure.message, "restoration failed");
                    RestoreStatus::Failed(failure)
                }
            };
            instance.restore.ended(ended);
        });
    }
    instance.restore.status()
}

async fn run(instance: &Instance, request: &RestoreRequest) -> Result<(), BackupError> {
    let store = backups::open(request.credentials.as_ref(), &request.destination)?;
    let manifest = store.manifest(&request.key).await?.ok_or_else(|| BackupError::Store {
        doing: format!("restore {}", request.key),
        class: valkeeper_backup::ErrorClass::NotFound,
        cause: "there is no backup with this key".to_owned(),
    })?;
    manifest.check_server(request.is_redis, &request.version)?;
    let dump = instance.settings.data_dir.join("valkeeper-restore");
    // Of an earlier attempt that was ended in the middle.
    let _ = std::fs::remove_file(dump.with_extension("part"));
    let full = |why| BackupError::Io("restore the backup", io::Error::new(io::ErrorKind::StorageFull, why));
    let free = space::free(&instance.settings.data_dir);
    let free = free.map_err(|error| BackupError::Io("read the free space", error))?;
    space::check(free, manifest.bytes, 0).map_err(full)?;
    store.fetch(&request.key, &manifest, &dump).await?;
    place_fetched(instance, &dump).await?;
    tracing::info!(key = request.key, bytes = manifest.bytes, "backup restored");
    Ok(())
}
