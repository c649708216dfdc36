//! Values of Secrets, such as tokens.

use super::{ClusterError, data_objects};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Client;
use secrecy::SecretString;

/// The value under `key`, if it is text.
pub fn text(secret: &Secret, key: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.clone()).ok()
}

/// The value under `key` of Secret `name`; `Ok(None)` when there is no such Secret, `Ok(Some(None))`
/// when it has no such key or the value is not text.
pub async fn read_key(
    client: &Client,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Option<SecretString>>, ClusterError> {
    let Some(secret): Option<Secret> = data_objects::get(client, namespace, name).await? else {
        return Ok(None);
    };
    let value = secret.data.and_then(|mut data| data.remove(key));
    Ok(Some(value.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()).map(SecretString::from)))
}
