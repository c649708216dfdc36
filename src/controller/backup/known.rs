//! What this process remembers of each backup between reconciliations. After a restart it is empty, which makes it wait
//! longer and do nothing wrong.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::{Duration, Instant};

/// An instance that is silent for so long counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of all backups.
#[derive(Default)]
pub(in crate::controller) struct Backups(Mutex<HashMap<Box<str>, Known>>);

/// Of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Since when its instance is silent.
    silent_since: Option<Instant>,
    /// When the next attempt may begin.
    next_attempt: Option<Instant>,
    /// Its instance, or its pod, has begun the attempt under way.
    pub(super) begun: bool,
    /// Why the API server has refused the pod that was to verify the backup.
    pub(super) refused: Option<String>,
    /// What was stored is deleted.
    pub(super) erased: bool,
    /// Failures in a row.
    pub(super) failures: u32,
}

impl Backups {
    pub(super) fn recall(&self, uid: &str) -> Known {
        self.lock(|all| all.get(uid).cloned().unwrap_or_default())
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

    /// An attempt has ended without success; the next one waits for `delay`.
    pub(super) fn attempt_ended(&mut self, delay: Duration) {
        self.next_attempt = Some(Instant::now() + delay);
        self.silent_since = None;
        self.begun = false;
        self.refused = None;
    }

    /// How long the next attempt waits; none if it does not.
    pub(super) fn backs_off(&self) -> Option<Duration> {
        let left = self.next_attempt?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}
