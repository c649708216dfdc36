//! The status of custom resources, written by server-side apply and only when it says something new.
//! Conditions of other controllers stay as they are, and do not count as news.

use super::{ClusterError, bounded, managers};
use crate::api::{Custom, GROUP, ManagedService, ServiceStatus, VERSION, names::condition};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

/// Writes the status of a service's resource; returns the object as it is afterwards.
pub async fn write_service<K: ManagedService>(
    api: &Api<K>,
    object: &K,
    status: &ServiceStatus,
) -> Result<Option<K>, ClusterError> {
    if has_legacy_error(object) {
        remove_legacy_error(api, object).await?;
        return write(api, object, None, status).await;
    }
    write(api, object, own(object).as_ref(), status).await
}

/// Writes `status` unless `object` has it already, as `before`; returns the object as it is afterwards.
pub async fn write<K: Custom, S: Serialize + PartialEq>(
    api: &Api<K>,
    object: &K,
    before: Option<&S>,
    status: &S,
) -> Result<Option<K>, ClusterError> {
    if before == Some(status) {
        return Ok(None);
    }
    let name = object.name_any();
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": K::NAME,
        // The identity is a precondition: the status of one object never lands on its successor.
        "metadata": {"name": name, "uid": object.meta().uid},
        "status": status,
    });
    let parameters = PatchParams::apply(managers::STATUS).force();
    let doing = || format!("writing the status of {} {name}", K::NAME);
    bounded(doing, api.patch_status(&name, &parameters, &Patch::Apply(body))).await.map(Some)
}

/// The status without the conditions of others.
fn own<K: ManagedService>(object: &K) -> Option<ServiceStatus> {
    let mut status = object.status()?.clone();
    status.conditions.retain(|entry| condition::OURS.contains(&entry.type_.as_str()));
    Some(status)
}

fn has_legacy_error<K: ManagedService>(object: &K) -> bool {
    object
        .status()
        .is_some_and(|status| status.conditions.iter().any(|entry| entry.type_ == condition::LEGACY_ERROR))
}

/// Server-side apply cannot remove what another manager owns, so the list is replaced, as it was seen.
async fn remove_legacy_error<K: ManagedService>(api: &Api<K>, object: &K) -> Result<(), ClusterError> {
    let name = object.name_any();
    let mut conditions = object.status().map(|status| status.conditions.clone()).unwrap_or_default();
    conditions.retain(|entry| entry.type_ != condition::LEGACY_ERROR);
    let metadata = json!({"uid": object.meta().uid, "resourceVersion": object.meta().resource_version});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": {"conditions": conditions}}));
    let parameters =
        PatchParams { field_manager: Some(managers::STATUS.to_owned()), ..PatchParams::default() };
    let doing = || format!("clearing the status of {} {name}", K::NAME);
    bounded(doing, api.patch_status(&name, &parameters, &patch)).await.map(drop)
}
