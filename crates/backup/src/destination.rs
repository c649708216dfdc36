//! Where backups are kept: a bucket of S3 or of what speaks it, or a folder.
//!
//! Guarantees: credentials are in no `Debug`.
//!
//! Left to others: what makes a store of it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::path::PathBuf;

/// A bucket.
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

/// A place for backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// A bucket.
    S3(S3),
    /// A folder of this machine.
    Folder(PathBuf),
}

/// What a store asks for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Name of the key.
    #[serde(serialize_with = "exposed")]
    pub access_key_id: SecretString,
    /// The key.
    #[serde(serialize_with = "exposed")]
    pub secret_access_key: SecretString,
    /// Of a key that is valid for some time.
    #[serde(default, serialize_with = "exposed_if_any", skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretString>,
    /// Certificates of the authorities that the endpoint is trusted by, as PEM; those of the system if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The key that data is encrypted with before it is stored, as 64 hexadecimal digits.
    #[serde(default, serialize_with = "exposed_if_any", skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<SecretString>,
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn exposed_if_any<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}
