//! Access to connection ConfigMaps, always by name. The engine decides what one means and what to write.

use super::{ClusterError, bounded, managers};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::Value;
use valkeeper_engine::failure::Class;

/// Reads a ConfigMap; `None` when there is none.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<ConfigMap>, ClusterError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    bounded(|| format!("read ConfigMap {namespace}/{name}"), api.get_opt(name)).await
}

/// Creates a ConfigMap; `None` when there is one of its name already.
pub async fn create(
    client: &Client,
    namespace: &str,
    config_map: &ConfigMap,
) -> Result<Option<ConfigMap>, ClusterError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = config_map.metadata.name.as_deref().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(managers::SECRET.to_owned()), ..PostParams::default() };
    let doing = || format!("write ConfigMap {namespace}/{name}");
    match bounded(doing, api.create(&parameters, config_map)).await {
        Ok(config_map) => Ok(Some(config_map)),
        Err(error) if error.class() == Class::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Patches a ConfigMap. Fails with a conflict when it has changed since the patch was computed.
pub async fn patch(
    client: &Client,
    namespace: &str,
    name: &str,
    patch: Value,
) -> Result<ConfigMap, ClusterError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let parameters =
        PatchParams { field_manager: Some(managers::SECRET.to_owned()), ..PatchParams::default() };
    let doing = || format!("write ConfigMap {namespace}/{name}");
    bounded(doing, api.patch(name, &parameters, &Patch::Merge(patch))).await
}
