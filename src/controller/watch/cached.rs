//! A resource as the cache keeps it: what every event is compared with, and all of it as compressed text,
//! which takes a fifth of the room that plain text does. Bookkeeping of the API server and of kubectl is left out.

use crate::{cluster::version, controller::edits};
use kube::{
    ResourceExt as _,
    runtime::reflector::{Lookup, ObjectRef},
};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use std::{borrow::Cow, marker::PhantomData};
use valkeeper_api::{Custom, names};

/// Annotation that repeats the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What nearly every resource repeats, for the compression to refer to. It can be changed at any time:
/// nothing that was compressed outlives the process.
const TYPICAL: &[u8] = include_bytes!("typical.json");

/// A resource of kind `K`.
#[derive(Clone)]
pub(in crate::controller) struct Cached<K> {
    name: Box<str>,
    namespace: Option<Box<str>>,
    uid: Box<str>,
    version: u64,
    edit: u64,
    has_finalizer: bool,
    text: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Custom> Cached<K> {
    /// Puts a resource into this form.
    pub(in crate::controller) fn of(mut object: K) -> Result<Self, serde_json::Error> {
        prune(&mut object);
        Ok(Self {
            name: object.name_any().into(),
            namespace: object.meta().namespace.as_deref().map(Into::into),
            uid: object.meta().uid.as_deref().unwrap_or_default().into(),
            version: version(&object),
            edit: edits::edit(&object),
            has_finalizer: names::has_finalizer(object.meta()),
            text: compress_prepend_size_with_dict(&serde_json::to_vec(&object)?, TYPICAL).into(),
            kind: PhantomData,
        })
    }

    /// The resource.
    pub(in crate::controller) fn open(&self) -> Result<K, serde_json::Error> {
        let text = decompress_size_prepended_with_dict(&self.text, TYPICAL);
        serde_json::from_slice(&text.map_err(serde::de::Error::custom)?)
    }

    pub(in crate::controller) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::controller) fn is_in(&self, namespace: &str) -> bool {
        self.namespace.as_deref() == Some(namespace)
    }

    /// Its identity.
    pub(in crate::controller) fn uid(&self) -> &str {
        &self.uid
    }

    /// See [`version`](crate::cluster::version).
    pub(in crate::controller) fn version(&self) -> u64 {
        self.version
    }

    /// See [`edits::edit`].
    pub(in crate::controller) fn edit(&self) -> u64 {
        self.edit
    }

    /// Whether it carries our finalizer.
    pub(in crate::controller) fn has_finalizer(&self) -> bool {
        self.has_finalizer
    }
}

impl<K: Custom> Lookup for Cached<K> {
    type DynamicType = ();

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&*self.name))
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.version.to_string()))
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&*self.uid))
    }

    fn to_object_ref(&self, (): ()) -> ObjectRef<Self> {
        let reference = ObjectRef::new(&self.name);
        match &self.namespace {
            Some(namespace) => reference.within(namespace),
            None => reference,
        }
    }
}

/// Takes out what no decision needs.
pub(in crate::controller) fn prune<K: Custom>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use valkeeper_api::Valkey;

    #[test]
    fn what_most_resources_repeat_takes_little_room() {
        let text = String::from_utf8(TYPICAL.to_vec()).unwrap();
        let other = text.replace("cache", "sessions").replace("2026-01-01", "2027-03-04");
        let valkey: Valkey = serde_json::from_str(&other).unwrap();
        let room = Cached::of(valkey).unwrap().text.len();
        assert!(room < text.len() / 4, "{room} bytes for {}", text.len());
    }

    #[test]
    fn a_resource_comes_out_of_the_cache_as_it_went_in() {
        let manifest = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
            "metadata": {
                "name": "cache", "namespace": "team", "uid": "u", "resourceVersion": "7", "generation": 2,
                "annotations": {"a": "b", LAST_APPLIED: "{}"}, "finalizers": ["f"],
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {
                "project": "p", "plan": "startup-4", "powered": false, "tags": {"team": "a"},
                "connInfoSecretTarget": {"name": "s", "prefix": "", "extraKeys": ["URI"]},
                "userConfig": {
                    "ip_filter": [{"network": "10.0.0.0/8"}],
                    "migration": {"host": "h", "port": 1, "password": "secret"},
                },
            },
            "status": {"state": "RUNNING", "declaredValues": {"plan": ""}, "observedGeneration": 2},
        });
        let valkey: Valkey = serde_json::from_value(manifest).unwrap();
        let cached = Cached::of(valkey.clone()).unwrap();
        let value = |valkey: &Valkey| serde_json::to_value(valkey).unwrap();
        let mut expected = value(&valkey);
        expected["metadata"]["annotations"] = json!({"a": "b"});
        let _: Option<Value> = expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(value(&cached.open().unwrap()), expected);
        assert_eq!((cached.uid(), cached.version(), cached.has_finalizer()), ("u", 7, false));
    }
}
