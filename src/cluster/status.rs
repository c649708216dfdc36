//! The status of custom resources, written by server-side apply and only when it says something new.

use super::{ClusterError, bounded, managers};
use crate::api::{Custom, GROUP, VERSION};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

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
