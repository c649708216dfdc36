//! The status of custom resources, written by server-side apply and only when it says something new.

use super::{ClusterError, bounded, managers};
use crate::api::{GROUP, ManagedService, ServiceStatus, VERSION};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// Writes `status` unless `object` has it already; returns the object as it is afterwards.
pub async fn write<K: ManagedService>(
    api: &Api<K>,
    object: &K,
    status: &ServiceStatus,
) -> Result<Option<K>, ClusterError> {
    if object.status() == Some(status) {
        return Ok(None);
    }
    let name = object.name_any();
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": K::KIND.name(),
        // The identity is a precondition: the status of one object never lands on its successor.
        "metadata": {"name": name, "uid": object.meta().uid},
        "status": status,
    });
    let parameters = PatchParams::apply(managers::STATUS).force();
    let doing = || format!("writing the status of {} {name}", K::KIND.name());
    bounded(doing, api.patch_status(&name, &parameters, &Patch::Apply(body))).await.map(Some)
}
