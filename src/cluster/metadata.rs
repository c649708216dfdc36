//! Finalizers and annotations of custom resources. The list of finalizers is shared with others, so its
//! patches carry the resource version they were computed from; annotations are patched key by key and
//! carry the identity of the object, so that a namesake created later is never touched.

use super::{ClusterError, bounded, managers};
use crate::api::{Custom, names};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Puts the finalizer on `object`, and `annotations` with it; returns the object as it is afterwards.
pub async fn add_finalizer<K: Custom>(
    api: &Api<K>,
    object: &K,
    annotations: &BTreeMap<&'static str, String>,
) -> Result<K, ClusterError> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(names::FINALIZER.to_owned());
    let mut body = finalizers_patch(object, &finalizers);
    if !annotations.is_empty() {
        body["metadata"]["annotations"] = json!(annotations);
    }
    patch(api, object, body, "adding the finalizer to").await
}

/// Takes the finalizer off `object`; after that Kubernetes removes an object that is being deleted.
pub async fn release_finalizer<K: Custom>(api: &Api<K>, object: &K) -> Result<(), ClusterError> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != names::FINALIZER);
    let body = finalizers_patch(object, &finalizers);
    match patch(api, object, body, "releasing the finalizer of").await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Sets annotations, or removes those whose value is `None`; returns the object as it is afterwards.
pub async fn annotate<K: Custom>(
    api: &Api<K>,
    object: &K,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> Result<K, ClusterError> {
    let body = json!({"metadata": {"uid": object.meta().uid, "annotations": annotations}});
    patch(api, object, body, "annotating").await
}

fn finalizers_patch<K: Custom>(object: &K, finalizers: &[String]) -> Value {
    let meta = object.meta();
    json!({"metadata": {
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "finalizers": finalizers,
    }})
}

async fn patch<K: Custom>(api: &Api<K>, object: &K, body: Value, verb: &str) -> Result<K, ClusterError> {
    let name = object.name_any();
    let parameters =
        PatchParams { field_manager: Some(managers::METADATA.to_owned()), ..PatchParams::default() };
    let doing = || format!("{verb} {} {name}", K::NAME);
    bounded(doing, api.patch(&name, &parameters, &Patch::Merge(body))).await
}
