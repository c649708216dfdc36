//! Objects of any kind that belong to a self-hosted cluster: read, created, applied and deleted by name, always with the
//! identity that was seen where there was one.

use super::{ClusterError, bounded, managers};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Pod};
use kube::{
    Api, Client, Resource,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
    },
    core::GroupVersionKind,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Debug;
use valkeeper_engine::failure::Class;

/// A kind: its group and version, its name, and its plural.
pub type Names = (&'static str, &'static str, &'static str);

/// Objects of a kind with a static type in this program.
pub trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned
{
}

fn api(client: &Client, namespace: &str, (version, kind, plural): Names) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&kind, plural))
}

/// Reads an object; `None` when there is none.
pub async fn get(
    client: &Client,
    namespace: &str,
    names: Names,
    name: &str,
) -> Result<Option<DynamicObject>, ClusterError> {
    let doing = || format!("read {} {namespace}/{name}", names.1);
    bounded(doing, api(client, namespace, names).get_opt(name)).await
}

/// Applies the declared fields to an object, including fields that another manager owns.
pub async fn apply(
    client: &Client,
    namespace: &str,
    names: Names,
    name: &str,
    body: &Value,
) -> Result<(), ClusterError> {
    let parameters = PatchParams::apply(managers::OBJECTS).force();
    let doing = || format!("apply {} {namespace}/{name}", names.1);
    bounded(doing, api(client, namespace, names).patch(name, &parameters, &Patch::Apply(body)))
        .await
        .map(drop)
}

/// Creates an object; `None` when there is one of its name already.
pub async fn create<K: Namespaced + Serialize>(
    client: &Client,
    namespace: &str,
    object: &K,
) -> Result<Option<K>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let name = object.meta().name.clone().unwrap_or_default();
    let parameters =
        PostParams { field_manager: Some(managers::OBJECTS.to_owned()), ..PostParams::default() };
    let doing = || format!("create {} {namespace}/{name}", K::kind(&()));
    match bounded(doing, api.create(&parameters, object)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.class() == Class::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the API server would create an object, by a dry run.
pub async fn would_create<K: Namespaced + Serialize>(
    client: &Client,
    namespace: &str,
    object: &K,
) -> Result<(), ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let name = object.meta().name.clone().unwrap_or_default();
    let doing = || format!("dry-run {} {namespace}/{name}", K::kind(&()));
    bounded(doing, api.create(&parameters, object)).await.map(drop)
}

/// Deletes an object, if it is still the one with this identity.
pub async fn delete<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
    uid: Option<&str>,
) -> Result<(), ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let preconditions = uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
    let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
    let doing = || format!("delete {} {namespace}/{name}", K::kind(&()));
    match bounded(doing, api.delete(name, &parameters)).await {
        Err(error) if !error.is_not_found() && error.class() != Class::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Deletes an object of any kind, if it is still the one with this identity.
pub async fn remove(
    client: &Client,
    namespace: &str,
    names: Names,
    name: &str,
    uid: &str,
) -> Result<(), ClusterError> {
    let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
    let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
    let doing = || format!("delete {} {namespace}/{name}", names.1);
    match bounded(doing, api(client, namespace, names).delete(name, &parameters)).await {
        Err(error) if !error.is_not_found() && error.class() != Class::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Patches an object; the patch carries what it depends on.
pub async fn patch<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
    patch: Value,
) -> Result<K, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let parameters =
        PatchParams { field_manager: Some(managers::OBJECTS.to_owned()), ..PatchParams::default() };
    let doing = || format!("patch {} {namespace}/{name}", K::kind(&()));
    bounded(doing, api.patch(name, &parameters, &Patch::Merge(patch))).await
}

/// Patches the resources of a pod, which its kubelet then changes while it runs.
pub async fn resize(client: &Client, namespace: &str, name: &str, patch: Value) -> Result<Pod, ClusterError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters =
        PatchParams { field_manager: Some(managers::OBJECTS.to_owned()), ..PatchParams::default() };
    let doing = || format!("resize Pod {namespace}/{name}");
    bounded(doing, api.patch_subresource("resize", name, &parameters, &Patch::Strategic(patch))).await
}

/// The identity of the object with this name, from a list of all that have it. The answer to a read that there is none
/// may mean that there is no such kind.
pub async fn listed_uid<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<String>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let doing = || format!("list {} {namespace}/{name}", K::kind(&()));
    // Metadata alone: whether it decodes plays no part.
    let listed = bounded(doing, api.list_metadata(&named)).await?;
    Ok(listed.items.into_iter().next().and_then(|object| object.metadata.uid))
}

/// Lists the objects with these labels.
pub async fn list<K: Namespaced>(
    client: &Client,
    namespace: &str,
    labels: &str,
) -> Result<Vec<K>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(labels);
    let doing = || format!("list {} in {namespace}", K::kind(&()));
    bounded(doing, api.list(&parameters)).await.map(|list| list.items)
}
