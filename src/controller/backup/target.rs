//! A destination as users write it, with the credentials of its Secret, as stores take it.

use crate::cluster::{ClusterError, data_objects};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Client;
use secrecy::SecretString;
use std::collections::BTreeMap;
use valkeeper_api::valkey_backup::BackupDestination;
use valkeeper_backup::{Credentials, Destination, EncryptionKey, S3};

/// Keys of the Secret.
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const AUTHORITIES: &str = "ca.crt";

/// A destination, and what its store asks for.
pub(in crate::controller) type Target = (Destination, Credentials);

/// The key of the Secret that data is encrypted with.
const ENCRYPTION_KEY: &str = "ENCRYPTION_KEY";

/// The texts of a Secret, or what is missing and what to do.
struct Texts {
    name: String,
    data: BTreeMap<String, ByteString>,
}

impl Texts {
    async fn read(
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<Result<Self, String>, ClusterError> {
        let Some(secret) = data_objects::get::<Secret>(client, namespace, name).await? else {
            return Ok(Err(format!("Secret {name} does not exist. Create it in namespace {namespace}.")));
        };
        Ok(Ok(Self { name: name.to_owned(), data: secret.data.unwrap_or_default() }))
    }

    fn text(&self, key: &str) -> Option<String> {
        let ByteString(bytes) = self.data.get(key)?;
        let text = String::from_utf8(bytes.clone()).ok()?;
        // An editor ends a file with a line end, which no key has.
        Some(text.trim_end_matches(['\n', '\r']).to_owned()).filter(|text| !text.is_empty())
    }

    fn required(&self, key: &str) -> Result<SecretString, String> {
        let missing = || format!("Secret {} has no text under the key {key}. Add it.", self.name);
        self.text(key).map(Into::into).ok_or_else(missing)
    }
}

/// Reads the Secrets; what is missing, and what to do, if they cannot be used.
pub(in crate::controller) async fn read(
    client: &Client,
    namespace: &str,
    destination: &BackupDestination,
) -> Result<Result<Target, String>, ClusterError> {
    let s3 = &destination.s3;
    let key = match &destination.encryption {
        Some(encryption) => match encryption_key(client, namespace, &encryption.secret_name).await? {
            Ok(key) => Some(key),
            Err(obstacle) => return Ok(Err(obstacle)),
        },
        None => None,
    };
    let texts = Texts::read(client, namespace, &s3.credentials_secret_name).await?;
    let bucket = S3 {
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone().unwrap_or_default(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
    };
    let credentials = texts.and_then(|texts| {
        Ok(Credentials {
            access_key_id: texts.required(ACCESS_KEY_ID)?,
            secret_access_key: texts.required(SECRET_ACCESS_KEY)?,
            session_token: texts.text(SESSION_TOKEN).map(Into::into),
            authorities: texts.text(AUTHORITIES),
            encryption_key: key,
        })
    });
    Ok(credentials.map(|credentials| (Destination::S3(bucket), credentials)))
}

/// A key that cannot be used is refused here, before an instance is asked.
async fn encryption_key(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Result<SecretString, String>, ClusterError> {
    let texts = Texts::read(client, namespace, name).await?;
    Ok(texts.and_then(|texts| {
        let key = texts.required(ENCRYPTION_KEY)?;
        let wrong = |error| format!("{error}. Correct {ENCRYPTION_KEY} in Secret {name}.");
        EncryptionKey::parse(&key).map_err(wrong).map(|_| key)
    }))
}
