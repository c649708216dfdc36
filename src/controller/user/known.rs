//! The users that this process watches, for their clusters.

use super::super::{counts::Counts, schedule::wakers::Wakers, watch::cached::Cached};
use kube::runtime::reflector::Store;
use std::sync::{Mutex, MutexGuard, PoisonError};
use valkeeper_api::ValkeyUser;

/// All users.
#[derive(Default)]
pub(in crate::controller) struct Users {
    stores: Mutex<Vec<Store<Cached<ValkeyUser>>>>,
    pub(super) failures: Counts,
    /// How often in a row a reconciliation ended to wait for servers.
    pub(super) waits: Counts,
    pub(super) wakers: Wakers,
}

impl Users {
    /// Users are shown here as well.
    pub(super) fn add(&self, store: Store<Cached<ValkeyUser>>) {
        self.stores().push(store);
    }

    /// Clients reach a cluster in another way, or not at all: the Secrets of its users are due.
    pub(in crate::controller) fn cluster_changed(&self, namespace: &str, cluster: &str) {
        let stores = self.stores().clone();
        self.wakers.wake_each(&stores, namespace, |object| object.spec.cluster_name == cluster);
    }

    /// Forgets a user that is gone.
    pub(in crate::controller) fn forget(&self, uid: &str) {
        self.failures.reset(uid);
        self.waits.reset(uid);
        self.wakers.forget(uid);
    }

    fn stores(&self) -> MutexGuard<'_, Vec<Store<Cached<ValkeyUser>>>> {
        // What it holds is whole whatever happened to the thread that held the lock.
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
