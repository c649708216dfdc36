//! Which resource has an identity, for messages that name another one.

use super::cached::Cached;
use kube::{ResourceExt as _, runtime::reflector::Store};
use std::sync::{Mutex, PoisonError};
use valkeeper_api::Custom;

type Search = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// All watched resources, by their identity. Nothing is cached: searches are rare, and a cache costs memory always.
#[derive(Default)]
pub(in crate::controller) struct Owners(Mutex<Vec<Search>>);

impl Owners {
    /// Adds the resources of a watch.
    pub(in crate::controller) fn add<K: Custom>(&self, store: Store<Cached<K>>) {
        let search = move |uid: &str| {
            let object = store.find(|object| object.uid() == uid)?.open().ok()?;
            let namespace = object.namespace().unwrap_or_default();
            Some(format!("{} {namespace}/{}", K::NAME, object.name_any()))
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(search));
    }

    /// Kind, namespace and name of the resource with this identity, if it is watched.
    pub(in crate::controller) fn find(&self, uid: &str) -> Option<String> {
        let searches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        searches.iter().find_map(|search| search(uid))
    }
}
