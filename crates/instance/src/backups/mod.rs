//! Backups of the data of this instance, one at a time: asked for by a verb, taken beside everything else, and reported
//! until many others have begun.
//!
//! Guarantees: the same request twice begins one backup; a backup takes no part in what decides about roles.

mod erase;
mod own_pod;
mod request;
mod scratch;

pub use erase::EraseRequest;
pub(crate) use erase::erase;
pub(crate) use own_pod::verify as verify_in_own_pod;
pub use own_pod::{MountedSecret, VerificationOrder};
pub use request::{BackupAnswer, BackupFailure, BackupRequest, BackupState, Verification};

use crate::instance::{Instance, lock};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use valkeeper_backup::{BackupError, Credentials, Manifest, Order, Store};

/// How many backups are remembered: who asked for one may ask how it ended after others have begun.
const REMEMBERED: usize = 16;

/// The latest backups, the newest last.
#[derive(Default)]
pub(crate) struct Backups(Mutex<VecDeque<Job>>);

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
        let jobs = lock(&self.0);
        let job = jobs.iter().find(|job| job.answer.id == id)?;
        let bytes = job.progress.load(Ordering::Relaxed);
        Some(BackupAnswer { bytes, ..job.answer.clone() })
    }

    fn begin(&self, id: &str) -> Result<Option<Arc<AtomicU64>>, Busy> {
        let mut jobs = lock(&self.0);
        if jobs.iter().any(|job| job.answer.id == id) {
            return Ok(None);
        }
        if jobs.iter().any(|job| job.answer.state.is_under_way()) {
            return Err(Busy);
        }
        let progress = Arc::new(AtomicU64::new(0));
        let answer = BackupAnswer { id: id.to_owned(), ..BackupAnswer::default() };
        if jobs.len() == REMEMBERED {
            jobs.pop_front();
        }
        jobs.push_back(Job { answer, progress: Arc::clone(&progress) });
        Ok(Some(progress))
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut BackupAnswer)) {
        if let Some(job) = lock(&self.0).iter_mut().find(|job| job.answer.id == id) {
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
        let verification = verify(&instance, &store, &request, &manifest).await;
        verified(&instance, &id, verification);
    }
}

/// Verifies it beside the server of the instance.
async fn verify(
    instance: &Instance,
    store: &Store,
    request: &BackupRequest,
    manifest: &Manifest,
) -> Verification {
    let used = match instance.prober.ask().await {
        Ok(info) => info.memory().used,
        Err(error) => return Verification::inconclusive(format!("Cannot verify the backup: {error}.")),
    };
    let settings = &instance.settings;
    let room = scratch::Room {
        name: &settings.name,
        program: &settings.server.program,
        data_dir: &settings.data_dir,
        runtime_dir: &settings.runtime_dir,
        silent_port: instance.silent_port,
        memory_limit: request.memory_limit,
        used,
    };
    scratch::verify(room, store, &request.key, manifest).await
}

/// Verifies what is stored. It takes no backup, whatever the store lacks.
async fn verify_existing(instance: &Instance, request: &BackupRequest) {
    instance.backups.change(&request.id, |answer| answer.state = BackupState::Verifying);
    let store = open(request.credentials.as_ref(), &request.destination);
    let verification = match stored(store, &request.key).await {
        Ok((store, manifest)) => {
            instance.backups.change(&request.id, |answer| answer.manifest = Some(manifest.clone()));
            verify(instance, &store, request, &manifest).await
        }
        Err(found) => found,
    };
    verified(instance, &request.id, verification);
}

/// The store and the manifest of what is stored in it.
async fn stored(store: Result<Store, BackupError>, key: &str) -> Result<(Store, Manifest), Verification> {
    let failed = |error: BackupError| Verification::of(&error, false);
    let store = store.map_err(failed)?;
    match store.manifest(key).await.map_err(failed)? {
        Some(manifest) => Ok((store, manifest)),
        None => Err(Verification::absent(format!("The store has no backup with the key {key}."))),
    }
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
    let info = instance.prober.ask().await?;
    info.version().clone_into(&mut origin.server_version);
    let connection = instance.prober.connect_as_replica().await?;
    let order = Order {
        key: request.key.clone(),
        attempt: request.attempt.clone(),
        origin,
        used_memory: info.memory().used,
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
    Store::open_in_pod(destination, credentials.as_ref(), &|name| std::env::var(name).ok())
}

/// The file beside this program, copied by `valkeeper instance install`.
pub(crate) const AUTHORITIES: &str = "ca-certificates.crt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backup_is_answered_for_after_others_have_begun() {
        let backups = Backups::default();
        let ended = |id: &str| backups.change(id, |answer| answer.state = BackupState::Done);
        assert!(backups.begin("0").unwrap().is_some());
        assert!(backups.begin("0").unwrap().is_none(), "it has begun");
        assert!(backups.begin("1").is_err(), "one at a time");
        ended("0");
        for number in 1..=REMEMBERED {
            let id = number.to_string();
            assert!(backups.begin(&id).unwrap().is_some());
            ended(&id);
        }
        assert!(backups.answer("0").is_none(), "memory is bounded");
        assert_eq!(backups.answer("1").unwrap().state, BackupState::Done);
        assert!(backups.begin("1").unwrap().is_none(), "it is not begun again");
    }
}
