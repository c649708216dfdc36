//! How other parts of the operator schedule the reconciliation of a resource that they know by name.

use crate::controller::watch::cached::Cached;
use kube::runtime::reflector::Store;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use valkeeper_api::Custom;

/// Namespace and name of a resource.
pub(in crate::controller) type Place = (String, String);

/// Schedules a reconciliation of one resource.
pub(in crate::controller) type Waker = Arc<dyn Fn() + Send + Sync>;

/// The resources of one kind that were reconciled at least once. One that was not will be.
#[derive(Default)]
pub(in crate::controller) struct Wakers(Mutex<HashMap<Place, (Waker, Box<str>)>>);

impl Wakers {
    /// How a reconciliation of the resource with this identity is scheduled.
    pub(in crate::controller) fn wakes_by(&self, place: Place, waker: Waker, uid: &str) {
        self.lock().insert(place, (waker, uid.into()));
    }

    /// Something that a resource depends on has changed.
    pub(in crate::controller) fn wake(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        let waker = self.lock().get(&place).map(|(waker, _)| Arc::clone(waker));
        if let Some(waker) = waker {
            waker();
        }
    }

    /// The same for each resource of a namespace that these stores show, if it fits.
    pub(in crate::controller) fn wake_each<K: Custom>(
        &self,
        stores: &[Store<Cached<K>>],
        namespace: &str,
        fits: impl Fn(&K) -> bool,
    ) {
        for cached in stores.iter().flat_map(Store::state).filter(|cached| cached.is_in(namespace)) {
            if cached.open().is_ok_and(|object| fits(&object)) {
                self.wake(namespace, cached.name());
            }
        }
    }

    /// Forgets a resource that is gone.
    pub(in crate::controller) fn forget(&self, uid: &str) {
        self.lock().retain(|_, (_, owner)| **owner != *uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (Waker, Box<str>)>> {
        // What it holds is whole whatever happened to the thread that held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
