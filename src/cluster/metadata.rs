//! Finalizers and annotations of custom resources. Other controllers write to the list of finalizers, so patches of
//! it carry the resource version they were computed from. Annotations are patched key by key. These patches carry the
//! identity of the object, so that they never change a namesake created later.

use super::{ClusterError, bounded, managers};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use valkeeper_api::{Custom, names};

/// Whether the object with this identity controls another one.
pub fn is_controlled_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// Reads `object` itself, which for irreversible steps must not come from a cache; one of its name that was created
/// later is an error.
pub async fn read_live<K: Custom>(api: &Api<K>, object: &K) -> Result<K, ClusterError> {
    let name = object.name_any();
    let live = bounded(|| format!("read {} {name}", K::NAME), api.get(&name)).await?;
    if live.meta().uid == object.meta().uid { Ok(live) } else { Err(ClusterError::replaced(K::NAME, &name)) }
}

/// Puts the finalizer on `object`, and `annotations` with it; returns the object as it is afterwards.
pub async fn add_finalizer<K: Custom>(
    api: &Api<K>,
    object: &K,
    annotations: &BTreeMap<&'static str, String>,
) -> Result<K, ClusterError> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(K::FINALIZER.to_owned());
    let mut body = finalizers_patch(object, &finalizers);
    if !annotations.is_empty() {
        body["metadata"]["annotations"] = json!(annotations);
    }
    patch(api, object, body, "add the finalizer to").await
}

/// Takes the finalizer off `object`; after that Kubernetes removes an object that is being deleted.
pub async fn release_finalizer<K: Custom>(api: &Api<K>, object: &K) -> Result<(), ClusterError> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != K::FINALIZER);
    let body = finalizers_patch(object, &finalizers);
    match patch(api, object, body, "remove the finalizer of").await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Sets annotations, or removes those whose value is `None`; returns the object as it is afterwards. Which token Secrets
/// an object uses is noted only of the version it was computed from: should a user have changed that meanwhile, the
/// former note may be the only thing that reminds of a Secret that is held. A request that is over is removed only as it
/// was seen: the user may just have made another one.
pub async fn annotate<K: Custom>(
    api: &Api<K>,
    object: &K,
    annotations: &BTreeMap<&'static str, Option<String>>,
) -> Result<K, ClusterError> {
    let mut body = json!({"metadata": {"uid": object.meta().uid, "annotations": annotations}});
    if annotations.contains_key(names::TOKEN_SECRET) || annotations.contains_key(names::POWER) {
        body["metadata"]["resourceVersion"] = json!(object.meta().resource_version);
    }
    patch(api, object, body, "annotate").await
}

/// Notes on `object` that nothing is left at the provider that it needs its token for.
pub async fn note_settled<K: Custom>(api: &Api<K>, object: &K) -> Result<K, ClusterError> {
    let note = BTreeMap::from([(names::SERVICE_SETTLED, object.uid())]);
    annotate(api, object, &note).await
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
