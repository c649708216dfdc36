//! What this process remembers of each backup between reconciliations. After a restart it is empty, which makes it wait
//! longer and do nothing wrong.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::{Duration, Instant};

/// An instance that is silent for so long counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(5);

/// Of all backups.
#[derive(Default)]
pub(in crate::controller) struct Backups(Mutex<HashMap<Box<str>, Known>>);

/// Of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Since when its instance is silent.
    silent_since: Option<Instant>,
    /// When its last attempt ended.
    attempt_ended: Option<Instant>,
    /// What was stored is deleted.
    pub(super) erased: bool,
    /// Failures in a row.
    pub(super) failures: u32,
}

impl Backups {
    pub(super) fn recall(&self, uid: &str) -> Known {
        self.lock(|all| all.get(uid).copied().unwrap_or_default())
    }

    pub(super) fn keep(&self, uid: &str, known: Known) {
        self.lock(|all| all.insert(uid.into(), known));
    }

    /// Forgets a backup that is gone.
    pub(in crate::controller) fn forget(&self, uid: &str) {
        self.lock(|all| all.remove(uid));
    }

    fn lock<T>(&self, work: impl FnOnce(&mut HashMap<Box<str>, Known>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// Its instance answered.
    pub(super) fn heard(&mut self) {
        self.silent_since = None;
    }

    /// Its instance did not answer; whether it counts as gone.
    pub(super) fn silent(&mut self) -> bool {
        self.silent_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
    }

    /// An attempt has ended without success.
    pub(super) fn attempt_ended(&mut self) {
        self.attempt_ended = Some(Instant::now());
        self.silent_since = None;
    }

    /// Whether the next attempt waits.
    pub(super) fn backs_off(&self) -> bool {
        self.attempt_ended.is_some_and(|at| at.elapsed() < BETWEEN_ATTEMPTS)
    }
}
