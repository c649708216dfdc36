//! The status of custom resources, written by server-side apply and only when it changes. Conditions of other
//! controllers stay unchanged and do not count as a change.

use super::{ClusterError, bounded, managers};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use valkeeper_api::{Custom, Reported as _, names::condition};

/// Writes `status` onto `object` unless it has it already; fails with a conflict when the object has changed since,
/// so that nothing is published that was computed from an older one.
pub async fn write_onto<K: Custom>(
    api: &Api<K>,
    object: &K,
    status: &K::Status,
) -> Result<Option<K>, ClusterError> {
    let mut metadata = json!({"uid": object.meta().uid, "resourceVersion": object.meta().resource_version});
    if has_legacy_error(object) {
        let cleared = remove_legacy_error(api, object).await?;
        metadata["resourceVersion"] = json!(cleared.meta().resource_version);
    } else if own(object).as_ref() == Some(status) {
        return Ok(None);
    }
    apply(api, object, metadata, status).await.map(Some)
}

/// Writes `status` unless `object` has it already; returns the object as it is afterwards.
pub async fn write<K: Custom>(
    api: &Api<K>,
    object: &K,
    status: &K::Status,
) -> Result<Option<K>, ClusterError> {
    if has_legacy_error(object) {
        remove_legacy_error(api, object).await?;
    } else if own(object).as_ref() == Some(status) {
        return Ok(None);
    }
    // The identity is a precondition: the status of one object never lands on its successor.
    apply(api, object, json!({"uid": object.meta().uid}), status).await.map(Some)
}

async fn apply<K: Custom>(
    api: &Api<K>,
    object: &K,
    mut metadata: Value,
    status: &K::Status,
) -> Result<K, ClusterError> {
    let name = object.name_any();
    metadata["name"] = json!(name);
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::NAME,
        "metadata": metadata,
        "status": status,
    });
    let parameters = PatchParams::apply(managers::STATUS).force();
    let doing = || format!("write the status of {} {name}", K::NAME);
    bounded(doing, api.patch_status(&name, &parameters, &Patch::Apply(body))).await
}

/// The status without the conditions of other controllers.
fn own<K: Custom>(object: &K) -> Option<K::Status> {
    let mut status = object.reported()?.clone();
    status.conditions_mut().retain(|entry| condition::OURS.contains(&entry.type_.as_str()));
    Some(status)
}

fn has_legacy_error<K: Custom>(object: &K) -> bool {
    object.conditions().iter().any(|entry| entry.type_ == condition::LEGACY_ERROR)
}

/// Server-side apply cannot remove what another manager owns, so the list is replaced, as it was seen.
async fn remove_legacy_error<K: Custom>(api: &Api<K>, object: &K) -> Result<K, ClusterError> {
    let name = object.name_any();
    let mut conditions = object.conditions().to_vec();
    conditions.retain(|entry| entry.type_ != condition::LEGACY_ERROR);
    let metadata = json!({"uid": object.meta().uid, "resourceVersion": object.meta().resource_version});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": {"conditions": conditions}}));
    let parameters =
        PatchParams { field_manager: Some(managers::STATUS.to_owned()), ..PatchParams::default() };
    let doing = || format!("clear the status of {} {name}", K::NAME);
    bounded(doing, api.patch_status(&name, &parameters, &patch)).await
}
