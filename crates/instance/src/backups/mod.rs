//! Backups of the data of this instance, one at a time: asked for by a verb, taken beside everything else, and reported
//! until the next one begins.
//!
//! Guarantees: the same request twice begins one backup; a backup takes no part in what decides about roles.

mod request;
mod scratch;

pub use request::{BackupAnswer, BackupFailure, BackupRequest, BackupState, Verification};

use crate::instance::{Instance, lock};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use valkeeper_backup::{BackupError, Credentials, Manifest, Order, Store};

/// The latest backup.
#[derive(Default)]
pub(crate) struct Backups(Mutex<Option<Job>>);

struct Job {
    answer: BackupAnswer,
    progress: Arc<AtomicU64>,
}

/// Another backup is being taken.
#[derive(Debug)]
pub(crate) struct Busy;

impl Backups {
    /// What is known of the backup with this identity.
    pub(crate) fn answer(&self, id: &str) -> Option<BackupAnswer> {
        let job = lock(&self.0);
        let job = job.as_ref().filter(|job| job.answer.id == id)?;
        let bytes = job.progress.load(Ordering::Relaxed);
        Some(BackupAnswer { bytes, ..job.answer.clone() })
    }

    fn begin(&self, id: &str) -> Result<Option<Arc<AtomicU64>>, Busy> {
        let mut job = lock(&self.0);
        if let Some(Job { answer, .. }) = job.as_ref() {
            if answer.id == id {
                return Ok(None);
            }
            if answer.state.is_under_way() {
                return Err(Busy);
            }
        }
        let progress = Arc::new(AtomicU64::new(0));
        let answer = BackupAnswer { id: id.to_owned(), ..BackupAnswer::default() };
        *job = Some(Job { answer, progress: Arc::clone(&progress) });
        Ok(Some(progress))
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut BackupAnswer)) {
        if let Some(job) = lock(&self.0).as_mut().filter(|job| job.answer.id == id) {
            change(&mut job.answer);
        }
    }
}

/// Begins a backup, unless it has begun.
pub(crate) fn begin(instance: &Arc<Instance>, request: BackupRequest) -> Result<BackupAnswer, Busy> {
    let id = request.id.clone();
    if let Some(progress) = instance.backups.begin(&id)? {
        tracing::info!(id, key = request.key, "backup begins");
        tokio::spawn(run(Arc::clone(instance), request, progress));
    }
    Ok(instance.backups.answer(&id).unwrap_or_default())
}

async fn run(instance: Arc<Instance>, request: BackupRequest, progress: Arc<AtomicU64>) {
    if request.existing {
        return verify_existing(&instance, &request).await;
    }
    let (id, backups) = (request.id.clone(), &instance.backups);
    let outcome = take(&instance, &request, progress).await;
    let (store, manifest) = match outcome {
        Ok(taken) => taken,
        Err(error) => {
            tracing::warn!(id, %error, "backup failed");
            let failure = BackupFailure::of(&error);
            backups.change(&id, |answer| {
                answer.state = BackupState::Failed;
                answer.failure = Some(failure);
            });
            return;
        }
    };
    tracing::info!(id, bytes = manifest.bytes, "backup stored");
    backups.change(&id, |answer| {
        answer.state = if request.verify { BackupState::Verifying } else { BackupState::Done };
        answer.manifest = Some(manifest.clone());
    });
    if request.verify {
        let verification = scratch::verify(&instance, &store, &request, &manifest).await;
        verified(&instance, &id, verification);
    }
}

/// Verifies what is stored. It takes no backup, whatever the store lacks.
async fn verify_existing(instance: &Instance, request: &BackupRequest) {
    instance.backups.change(&request.id, |answer| answer.state = BackupState::Verifying);
    let read = async {
        let store = open(request.credentials.as_ref(), &request.destination)?;
        let manifest = store.manifest(&request.key).await?;
        Ok((store, manifest))
    };
    let verification = match read.await {
        Ok((store, Some(manifest))) => {
            instance.backups.change(&request.id, |answer| answer.manifest = Some(manifest.clone()));
            scratch::verify(instance, &store, request, &manifest).await
        }
        Ok((_, None)) => {
            Verification::absent(format!("The store has no backup with the key {}.", request.key))
        }
        Err(error) => Verification::of(&error, false),
    };
    verified(instance, &request.id, verification);
}

fn verified(instance: &Instance, id: &str, verification: Verification) {
    tracing::info!(id, ?verification, "backup verified");
    instance.backups.change(id, |answer| {
        answer.state = BackupState::Done;
        answer.verification = Some(verification);
    });
}

async fn take(
    instance: &Instance,
    request: &BackupRequest,
    progress: Arc<AtomicU64>,
) -> Result<(Store, Manifest), BackupError> {
    let store = open(request.credentials.as_ref(), &request.destination)?;
    let mut origin = request.origin.clone();
    origin.instance.clone_from(&instance.settings.name);
    instance.prober.ask().await?.version().clone_into(&mut origin.server_version);
    let connection = instance.prober.connect().await?;
    let order = Order {
        key: request.key.clone(),
        attempt: request.attempt.clone(),
        origin,
        bytes_per_second: request.bytes_per_second,
        progress,
    };
    let manifest = valkeeper_backup::take(&store, connection, &order, crate::clock::wall).await?;
    Ok((store, manifest))
}

/// Opens a destination. Images of servers have no certificates of authorities; beside this program are those of the
/// operator's image.
pub(crate) fn open(
    credentials: Option<&Credentials>,
    destination: &valkeeper_backup::Destination,
) -> Result<Store, BackupError> {
    let mut credentials = credentials.cloned();
    if let Some(credentials) = credentials.as_mut().filter(|given| given.authorities.is_none()) {
        credentials.authorities = std::env::current_exe()
            .ok()
            .and_then(|program| std::fs::read_to_string(program.with_file_name(AUTHORITIES)).ok());
    }
    Store::open(destination, credentials.as_ref())
}

/// The file beside this program, copied by `valkeeper instance install`.
pub(crate) const AUTHORITIES: &str = "ca-certificates.crt";
