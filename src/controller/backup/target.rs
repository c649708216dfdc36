//! A destination as users write it, with the credentials of its Secret, as stores take it.

use crate::cluster::{ClusterError, secrets};
use k8s_openapi::ByteString;
use kube::Client;
use valkeeper_api::valkey_backup::BackupDestination;
use valkeeper_backup::{Credentials, Destination, S3};

/// Keys of the Secret.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const AUTHORITIES: &str = "ca.crt";

/// A destination, and what its store asks for.
pub(in crate::controller) type Target = (Destination, Credentials);

/// Reads the Secret; what is missing, and what to do, if it cannot be used.
pub(in crate::controller) async fn read(
    client: &Client,
    namespace: &str,
    destination: &BackupDestination,
) -> Result<Result<Target, String>, ClusterError> {
    let s3 = &destination.s3;
    let name = &s3.credentials_secret_name;
    let Some(secret) = secrets::get(client, namespace, name).await? else {
        return Ok(Err(format!("Secret {name} does not exist. Create it in namespace {namespace}.")));
    };
    let data = secret.data.unwrap_or_default();
    let text = |key: &str| {
        let ByteString(bytes) = data.get(key)?;
        let text = String::from_utf8(bytes.clone()).ok()?;
        // An editor ends a file with a line end, which no key has.
        Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty())
    };
    let required = |key: &str| {
        text(key).ok_or_else(|| format!("Secret {name} has no text under the key {key}. Add it."))
    };
    let credentials = required(ACCESS_KEY_ID).and_then(|id| {
        Ok(Credentials {
            access_key_id: id.into(),
            secret_access_key: required(SECRET_ACCESS_KEY)?.into(),
            session_token: text(SESSION_TOKEN).map(Into::into),
            authorities: text(AUTHORITIES),
        })
    });
    let bucket = S3 {
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone().unwrap_or_default(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
    };
    Ok(credentials.map(|credentials| (Destination::S3(bucket), credentials)))
}
