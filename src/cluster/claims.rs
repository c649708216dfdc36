//! Which VPCs the resources of the cluster have noted as theirs.

use super::{ClusterError, bounded};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;
use std::collections::BTreeSet;
use valkeeper_api::ProjectVpc;

/// The identifiers in the status of every `ProjectVPC` of `namespaces`, `None` for all, except that with `uid`.
/// Read without types: one that cannot be decoded has its VPC all the same.
pub async fn vpc_ids(
    client: &Client,
    namespaces: &[Option<String>],
    uid: &str,
) -> Result<BTreeSet<String>, ClusterError> {
    let resource = ApiResource::erase::<ProjectVpc>(&());
    let mut ids = BTreeSet::new();
    for namespace in namespaces {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let doing = || format!("list {}", resource.plural);
        let parameters = ListParams::default();
        let objects = bounded(doing, api.list(&parameters)).await?;
        let others = objects.items.iter().filter(|object| object.metadata.uid.as_deref() != Some(uid));
        let noted = others.filter_map(|object| object.data.pointer("/status/id").and_then(Value::as_str));
        ids.extend(noted.filter(|id| !id.is_empty()).map(str::to_owned));
    }
    Ok(ids)
}
