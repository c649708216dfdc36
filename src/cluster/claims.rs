//! Which VPCs and users the resources of the cluster have noted as theirs.

use super::{ClusterError, bounded};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;
use std::collections::BTreeSet;
use valkeeper_api::{ProjectVpc, ServiceUser, names};
use valkeeper_engine::service_user::Claim;

/// The identifiers in the status of every `ProjectVPC` of `namespaces`, `None` for all, except that with `uid`.
/// Read without types: one that cannot be decoded has its VPC all the same.
pub async fn vpc_ids(
    client: &Client,
    namespaces: &[Option<String>],
    uid: &str,
) -> Result<BTreeSet<String>, ClusterError> {
    let resource = ApiResource::erase::<ProjectVpc>(&());
    let objects = all(client, namespaces, &resource).await?;
    let others = objects.iter().filter(|object| object.metadata.uid.as_deref() != Some(uid));
    let noted = others.filter_map(|object| object.data.pointer("/status/id").and_then(Value::as_str));
    Ok(noted.filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

/// Every object of a kind in these namespaces.
async fn all(
    client: &Client,
    namespaces: &[Option<String>],
    resource: &ApiResource,
) -> Result<Vec<DynamicObject>, ClusterError> {
    let mut all = Vec::new();
    for namespace in namespaces {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
            None => Api::all_with(client.clone(), resource),
        };
        let parameters = ListParams::default();
        let listed = bounded(|| format!("list {}", resource.plural), api.list(&parameters)).await?;
        all.extend(listed.items);
    }
    Ok(all)
}

/// The other `ServiceUser` of `namespaces`, `None` for all, that manages the user of `object` at the provider, or has
/// requested it. One that is being deleted does not count. Of two alike, the one with the lower identity comes first.
pub async fn service_user(
    client: &Client,
    namespaces: &[Option<String>],
    object: &ServiceUser,
) -> Result<Option<Claim>, ClusterError> {
    let resource = ApiResource::erase::<ServiceUser>(&());
    let mine = object.uid();
    let manages_it = manages(object, object.status.as_ref().is_some_and(|status| status.created));
    let mut found = None;
    let objects = all(client, namespaces, &resource).await?;
    for other in objects.iter().filter(|other| other.uid() != mine && stands_for(other, object)) {
        let is_manager = manages(other, is_true(other, "/status/created"));
        if !is_manager && (manages_it || !is_true(other, "/status/creationRequested")) {
            continue;
        }
        let (namespace, name) = (other.namespace().unwrap_or_default(), other.name_any());
        let comes_first = (is_manager && !manages_it) || other.uid() < mine;
        let claim = Claim { resource: format!("{} {namespace}/{name}", resource.kind), comes_first };
        if comes_first {
            return Ok(Some(claim));
        }
        found = Some(claim);
    }
    Ok(found)
}

/// Whether both stand for the same user at the provider.
fn stands_for(other: &DynamicObject, object: &ServiceUser) -> bool {
    let text = |pointer: &str| other.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (spec, own, name) = (&object.spec, object.name_any(), other.name_any());
    let username = Some(text("/spec/username")).filter(|username| !username.is_empty()).unwrap_or(&name);
    text("/spec/project") == spec.project
        && text("/spec/serviceName") == spec.service_name
        && username == spec.username(&own)
        && other.metadata.deletion_timestamp.is_none()
}

/// Whether a resource says that its user is its own; aiven-operator says so in an annotation.
fn manages(object: &impl kube::ResourceExt, created: bool) -> bool {
    created || object.annotations().contains_key(names::INSTANCE_RUNNING)
}

fn is_true(object: &DynamicObject, pointer: &str) -> bool {
    object.data.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}
