//! Where backups are kept: a bucket of S3 or of what speaks it, a bucket of Google Cloud Storage, a container of Azure, a
//! volume of the pods of the cluster, or a folder.
//!
//! Guarantees: credentials are in no `Debug`.
//!
//! Left to others: what makes a store of it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;

/// A bucket of S3, or of what speaks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// What the names of all objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// Its region.
    #[serde(default)]
    pub region: Option<String>,
    /// URL of a service that speaks S3, instead of that of the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket is the first part of the path, not of the host name.
    #[serde(default)]
    pub path_style: bool,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gcs {
    /// Its name.
    pub bucket: String,
    /// What the names of all objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// URL of a service other than Google's.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Azure {
    /// The storage account.
    pub account: String,
    /// The container in it.
    pub container: String,
    /// What the names of all objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// URL of the blob service of the account, where it is not at the usual place.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// A volume that the pods of the cluster mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// The folder in it.
    #[serde(default)]
    pub prefix: String,
}

/// A place for backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// A bucket of S3.
    S3(S3),
    /// A bucket of Google Cloud Storage.
    Gcs(Gcs),
    /// A container of Azure.
    Azure(Azure),
    /// A volume.
    Volume(Volume),
    /// A folder of this machine.
    Folder(PathBuf),
}

/// What a store asks for: the keys of its kind, or the identity of the pod that asks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Of S3: name of the key.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<SecretString>,
    /// Of S3: the key.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<SecretString>,
    /// Of S3: of a key that is valid for some time.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretString>,
    /// Of Google Cloud Storage: the key of a service account, as JSON.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub service_account_key: Option<SecretString>,
    /// Of Azure: a key of the storage account.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub account_key: Option<SecretString>,
    /// Of Azure, instead of that: a shared access signature.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub sas_token: Option<SecretString>,
    /// The store knows the pod that asks, or is a volume of it, so that there are no keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub workload_identity: bool,
    /// Certificates of the authorities that the endpoint is trusted by, as PEM; those of the system if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The key that data is encrypted with before it is stored, as 64 hexadecimal digits.
    #[serde(default, serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<SecretString>,
}

impl Credentials {
    /// A key of S3.
    pub fn of_s3(id: &str, key: &str) -> Self {
        let secret = |text: &str| Some(text.to_owned().into());
        Self { access_key_id: secret(id), secret_access_key: secret(key), ..Self::default() }
    }

    /// The identity of the pod that asks.
    pub fn of_the_pod() -> Self {
        Self { workload_identity: true, ..Self::default() }
    }
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn exposed<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}
