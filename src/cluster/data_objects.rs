//! Access to Secrets and ConfigMaps, which hold data for applications, always by name. The engine decides what one means
//! and what to write.

use super::{ClusterError, bounded, managers, objects::Namespaced};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::Value;
use valkeeper_engine::failure::Class;

/// Reads an object; `None` when there is none.
pub async fn get<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    bounded(|| format!("read {} {namespace}/{name}", K::kind(&())), api.get_opt(name)).await
}

/// Creates an object; `None` when there is one of its name already.
pub async fn create<K: Namespaced + Serialize>(
    client: &Client,
    namespace: &str,
    object: &K,
) -> Result<Option<K>, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let name = object.meta().name.as_deref().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(managers::SECRET.to_owned()), ..PostParams::default() };
    let doing = || format!("write {} {namespace}/{name}", K::kind(&()));
    match bounded(doing, api.create(&parameters, object)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.class() == Class::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Patches an object. Fails with a conflict when it has changed since the patch was computed.
pub async fn patch<K: Namespaced>(
    client: &Client,
    namespace: &str,
    name: &str,
    patch: Value,
) -> Result<K, ClusterError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let parameters =
        PatchParams { field_manager: Some(managers::SECRET.to_owned()), ..PatchParams::default() };
    let doing = || format!("write {} {namespace}/{name}", K::kind(&()));
    bounded(doing, api.patch(name, &parameters, &Patch::Merge(patch))).await
}
