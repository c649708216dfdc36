//! The schedules that this process watches, for their clusters, and what is remembered of each.

use super::super::{counts::Counts, schedule::wakers::Wakers, watch::cached::Cached};
use futures::FutureExt as _;
use kube::runtime::reflector::Store;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use valkeeper_api::ValkeyScheduledBackup;
use valkeeper_cluster::{BackupsSeen, scheduled};

/// All schedules.
#[derive(Default)]
pub(in crate::controller) struct Schedules {
    stores: Mutex<Vec<Store<Cached<ValkeyScheduledBackup>>>>,
    /// By which clusters see that something has changed.
    changes: AtomicU64,
    pub(super) failures: Counts,
    pub(super) wakers: Wakers,
}

impl Schedules {
    /// Schedules are shown here as well.
    pub(super) fn add(&self, store: Store<Cached<ValkeyScheduledBackup>>) {
        lock(&self.stores).push(store);
    }

    /// A schedule has changed, as the store shows it.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How often a schedule has changed.
    pub(in crate::controller) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// What the schedules of a cluster say.
    pub(in crate::controller) fn of_cluster(&self, namespace: &str, cluster: &str) -> BackupsSeen {
        let stores = lock(&self.stores).clone();
        let is_complete = |store: &Store<_>| matches!(store.wait_until_ready().now_or_never(), Some(Ok(())));
        if stores.is_empty() || !stores.iter().all(is_complete) {
            return BackupsSeen::Unknown;
        }
        let mut found = Vec::new();
        for cached in stores.iter().flat_map(Store::state).filter(|cached| cached.is_in(namespace)) {
            let Ok(object) = cached.open() else { return BackupsSeen::Unknown };
            found.push(object);
        }
        found.retain(|object| {
            object.spec.cluster_name == cluster && object.metadata.deletion_timestamp.is_none()
        });
        found.sort_by_key(kube::ResourceExt::name_any);
        BackupsSeen::Schedules(scheduled::of_cluster(&found))
    }

    /// A cluster is gone: what its schedules do then is due.
    pub(in crate::controller) fn cluster_is_gone(&self, namespace: &str, cluster: &str) {
        let stores = lock(&self.stores).clone();
        self.wakers.wake_each(&stores, namespace, |object| object.spec.cluster_name == cluster);
    }

    /// Forgets a schedule that is gone.
    pub(in crate::controller) fn forget(&self, uid: &str) {
        self.failures.reset(uid);
        self.wakers.forget(uid);
        self.changed();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What it holds is whole whatever happened to the thread that held the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
