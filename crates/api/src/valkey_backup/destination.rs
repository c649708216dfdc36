//! Where backups are kept, as users write it.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static BUCKET: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static REGION: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[A-Za-z0-9-]+$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static ENDPOINT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^https?://[A-Za-z0-9.:\\[\\]-]+(/[A-Za-z0-9._-]+)*/?$").unwrap());

/// Where backups are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct BackupDestination {
    /// A bucket of Amazon S3, or of a service that speaks its protocol.
    #[validate(nested)]
    pub s3: S3Destination,
    /// Encrypts the data before it leaves the instance. Without the key it cannot be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub encryption: Option<BackupEncryption>,
}

/// The key of backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct BackupEncryption {
    /// Secret in the same namespace with `ENCRYPTION_KEY`: 64 hexadecimal digits, for example of `openssl rand -hex 32`.
    #[validate(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct S3Destination {
    /// Name of the bucket, which must exist.
    #[validate(length(max = 63), regex(path = *BUCKET))]
    pub bucket: String,
    /// What the names of all objects begin with, such as `team/backups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *PREFIX))]
    pub prefix: Option<String>,
    /// Region of the bucket; `us-east-1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 64), regex(path = *REGION))]
    pub region: Option<String>,
    /// URL of a service other than Amazon's, such as `https://minio.storage:9000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *ENDPOINT))]
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path of URLs instead of the host name, as many other services need it.
    #[serde(default)]
    pub path_style: bool,
    /// Secret in the same namespace with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, optionally
    /// `AWS_SESSION_TOKEN`, and `ca.crt` with the authority of the endpoint.
    #[validate(length(min = 1, max = 253))]
    pub credentials_secret_name: String,
}
