//! The Leases of self-hosted clusters: read, created without a holder, annotated and deleted by their version. Their
//! holders write them otherwise.

use super::{ClusterError, bounded, managers};
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

/// Reads a Lease; `None` when there is none.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<Lease>, ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    bounded(|| format!("read Lease {namespace}/{name}"), api.get_opt(name)).await
}

/// Creates a Lease without a holder.
pub async fn create(
    client: &Client,
    namespace: &str,
    name: &str,
    term: u64,
    owner: &OwnerReference,
) -> Result<(), ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let doing = || format!("create Lease {namespace}/{name}");
    let lease = json!({
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"leaseTransitions": i32::try_from(term).unwrap_or(i32::MAX)},
    });
    let lease = serde_json::from_value(lease)
        .map_err(|error| ClusterError::Unreachable { doing: doing(), cause: error.to_string() })?;
    let parameters =
        PostParams { field_manager: Some(managers::OBJECTS.to_owned()), ..PostParams::default() };
    bounded(doing, api.create(&parameters, &lease)).await.map(drop)
}

/// Sets an annotation of a Lease if it still has this version.
pub async fn annotate(
    client: &Client,
    namespace: &str,
    name: &str,
    version: u64,
    (key, value): (&str, &str),
) -> Result<(), ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let metadata = json!({"resourceVersion": version.to_string(), "annotations": {key: value}});
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let parameters =
        PatchParams { field_manager: Some(managers::OBJECTS.to_owned()), ..PatchParams::default() };
    let doing = || format!("annotate Lease {namespace}/{name}");
    bounded(doing, api.patch(name, &parameters, &patch)).await.map(drop)
}

/// Deletes a Lease if it still has this version.
pub async fn delete(client: &Client, namespace: &str, name: &str, version: u64) -> Result<(), ClusterError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let preconditions = Preconditions { resource_version: Some(version.to_string()), uid: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let doing = || format!("delete Lease {namespace}/{name}");
    bounded(doing, api.delete(name, &parameters)).await.map(drop)
}
