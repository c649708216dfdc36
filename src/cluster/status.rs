//! The status of custom resources, written by server-side apply and only when it says something new.
//! Conditions of other controllers stay as they are, and do not count as news.

use super::{ClusterError, bounded, managers};
use crate::api::{Custom, GROUP, Reported as _, VERSION, names::condition};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

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
fn own<K: Custom>(object: &K) -> Option<K::Status> {
    let mut status = object.reported()?.clone();
    status.conditions_mut().retain(|entry| condition::OURS.contains(&entry.type_.as_str()));
    Some(status)
}

fn has_legacy_error<K: Custom>(object: &K) -> bool {
    object.conditions().iter().any(|entry| entry.type_ == condition::LEGACY_ERROR)
}

/// Server-side apply cannot remove what another manager owns, so the list is replaced, as it was seen.
async fn remove_legacy_error<K: Custom>(api: &Api<K>, object: &K) -> Result<(), ClusterError> {
    let name = object.name_any();
    let mut conditions = object.conditions().to_vec();
    conditions.retain(|entry| entry.type_ != condition::LEGACY_ERROR);
    let metadata = json!({"uid": object.meta().uid, "resourceVersion": object.meta().resource_version});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": {"conditions": conditions}}));
    let parameters =
        PatchParams { field_manager: Some(managers::STATUS.to_owned()), ..PatchParams::default() };
    let doing = || format!("clearing the status of {} {name}", K::NAME);
    bounded(doing, api.patch_status(&name, &parameters, &patch)).await.map(drop)
}
