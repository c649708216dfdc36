//! A resource as the cache keeps it: what every event is compared with stays as it is, and the rest is kept
//! as text, which takes a third of the room. Bookkeeping of the API server and of kubectl is left out.

use crate::api::Custom;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt as _, runtime::reflector::ObjectRef};
use std::{borrow::Cow, marker::PhantomData};

/// Annotation that repeats the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A resource of kind `K`.
#[derive(Clone)]
pub(super) struct Cached<K> {
    metadata: ObjectMeta,
    rest: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Custom> Cached<K> {
    /// Puts a resource into this form.
    pub(super) fn of(mut object: K) -> Result<Self, serde_json::Error> {
        prune(&mut object);
        let metadata = std::mem::take(object.meta_mut());
        Ok(Self { metadata, rest: serde_json::to_vec(&object)?.into(), kind: PhantomData })
    }

    /// The resource.
    pub(super) fn open(&self) -> Result<K, serde_json::Error> {
        let mut object: K = serde_json::from_slice(&self.rest)?;
        object.meta_mut().clone_from(&self.metadata);
        Ok(object)
    }
}

impl<K: Custom> Resource for Cached<K> {
    type DynamicType = ();
    type Scope = K::Scope;

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

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Takes out what no decision needs.
pub(super) fn prune<K: Custom>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// Where the resource is in the cache, and nothing else about it.
pub(super) fn reference<K: Custom>(object: &impl Resource) -> ObjectRef<Cached<K>> {
    let reference = ObjectRef::new(&object.name_any());
    match object.namespace() {
        Some(namespace) => reference.within(&namespace),
        None => reference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Valkey;
    use serde_json::{Value, json};

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
            "status": {"state": "RUNNING", "declaredFields": ["plan"], "observedGeneration": 2},
        });
        let valkey: Valkey = serde_json::from_value(manifest).unwrap();
        let cached = Cached::of(valkey.clone()).unwrap();
        let value = |valkey: &Valkey| serde_json::to_value(valkey).unwrap();
        let mut expected = value(&valkey);
        expected["metadata"]["annotations"] = json!({"a": "b"});
        let _: Option<Value> = expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(value(&cached.open().unwrap()), expected);
        assert_eq!(cached.meta().generation, Some(2));
    }
}
