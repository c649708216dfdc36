//! How often something has happened in a row to each resource, such as a failure.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How often, by the identity of the resource.
#[derive(Default)]
pub(super) struct Counts(Mutex<HashMap<Box<str>, u32>>);

impl Counts {
    /// Once more; answers how often in a row.
    pub(super) fn again(&self, uid: &str) -> u32 {
        let mut counts = self.lock();
        let count = counts.entry(uid.into()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// The row has ended, or the resource is gone.
    pub(super) fn reset(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, u32>> {
        // What it holds is whole whatever happened to the thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
