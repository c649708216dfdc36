//! Access to Secrets, always by name: reads tokens, and reads, creates and patches connection Secrets. The engine
//! decides what a Secret means and what to write.

use super::{ClusterError, bounded, managers};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use secrecy::SecretString;
use serde_json::Value;
use valkeeper_engine::failure::Class;

/// The value under `key` of Secret `name`; `Ok(None)` when there is no such Secret, `Ok(Some(None))`
/// when it has no such key or the value is not text.
pub async fn read_key(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Option<SecretString>>, ClusterError> {
    let Some(secret) = get(client, namespace, name).await? else { return Ok(None) };
    let value = secret.data.and_then(|mut data| data.remove(key));
    Ok(Some(value.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()).map(SecretString::from)))
}

/// Reads a Secret; `None` when there is none.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    bounded(|| format!("read Secret {namespace}/{name}"), api.get_opt(name)).await
}

/// Creates a Secret; `None` when there is one of its name already.
pub async fn create(
    client: &Client,
    namespace: &str,
    secret: &Secret,
) -> Result<Option<Secret>, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let parameters = PostParams { field_manager: Some(managers::SECRET.to_owned()), ..PostParams::default() };
    let doing = || format!("write Secret {namespace}/{name}");
    match bounded(doing, api.create(&parameters, secret)).await {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.class() == Class::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

/// Patches a Secret. Fails with a conflict when it has changed since the patch was computed.
pub async fn patch(
    client: &Client,
    namespace: &str,
    name: &str,
    patch: Value,
) -> Result<Secret, ClusterError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let parameters =
        PatchParams { field_manager: Some(managers::SECRET.to_owned()), ..PatchParams::default() };
    let doing = || format!("write Secret {namespace}/{name}");
    bounded(doing, api.patch(name, &parameters, &Patch::Merge(patch))).await
}
