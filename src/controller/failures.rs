//! How often reconciliations of a resource have failed in a row, for kinds that remember nothing else of one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Failures in a row, by the identity of the resource.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<Box<str>, u32>>);

impl Failures {
    /// A reconciliation failed; how many did in a row.
    pub(super) fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.lock();
        let count = failures.entry(uid.into()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A reconciliation succeeded, or the resource is gone.
    pub(super) fn went_well(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, u32>> {
        // What it holds is whole whatever happened to the thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
