//! Where backups are kept, as users write it.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::LazyLock;
use validator::Validate;

use crate::field_path::FieldPath;
use crate::rules::{PlacedRule, field};
use crate::validate::Violation;

/// Message about a destination without a store, or with several.
const STORE_RULE: &str = "must have exactly one of s3, gcs, azure and volume";
/// The fields that it counts.
const STORES: [&str; 4] = ["s3", "gcs", "azure", "volume"];
/// Those of a cloud.
const BUCKETS: [&str; 3] = ["s3", "gcs", "azure"];
/// Message about a bucket that is to be asked without keys and without an identity, or with both.
const CREDENTIALS_RULE: &str = "must have exactly one of credentialsSecretName and workloadIdentity";
/// The fields that it speaks of.
const SECRET: &str = "credentialsSecretName";
const IDENTITY: &str = "workloadIdentity";

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static BUCKET: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static PREFIX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static GOOGLE_BUCKET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static ACCOUNT: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-z0-9]{3,24}$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static CONTAINER: LazyLock<Regex> = LazyLock::new(|| Regex::new("^([a-z0-9]-?){2,62}[a-z0-9]$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static REGION: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[A-Za-z0-9-]+$").unwrap());
#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static ENDPOINT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^https?://[A-Za-z0-9.:\\[\\]-]+(/[A-Za-z0-9._-]+)*/?$").unwrap());

/// Where backups are kept: exactly one of `s3`, `gcs`, `azure` and `volume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct BackupDestination {
    /// A bucket of Amazon S3, or of a service that speaks its protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub s3: Option<S3Destination>,
    /// A bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub gcs: Option<GcsDestination>,
    /// A container of Azure Blob Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub azure: Option<AzureDestination>,
    /// A volume that the pods of the cluster mount, by `spec.backupVolume` of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub volume: Option<VolumeDestination>,
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

/// A bucket of S3.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub credentials_secret_name: Option<String>,
    /// Whether the pods of the cluster have an identity that the bucket knows, such as a role of IAM, instead of keys in a
    /// Secret.
    #[serde(default)]
    pub workload_identity: bool,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct GcsDestination {
    /// Name of the bucket, which must exist.
    #[validate(length(max = 222), regex(path = *GOOGLE_BUCKET))]
    pub bucket: String,
    /// What the names of all objects begin with, such as `team/backups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *PREFIX))]
    pub prefix: Option<String>,
    /// URL of a service other than Google's that speaks its XML API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *ENDPOINT))]
    pub endpoint: Option<String>,
    /// Secret in the same namespace with `key.json`, the key of a service account in JSON, and optionally `ca.crt` with the
    /// authority of the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub credentials_secret_name: Option<String>,
    /// Whether the pods of the cluster have an identity that the bucket knows, by Workload Identity Federation for GKE,
    /// instead of a key in a Secret.
    #[serde(default)]
    pub workload_identity: bool,
}

/// A container of Azure Blob Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct AzureDestination {
    /// Name of the storage account.
    #[validate(length(max = 24), regex(path = *ACCOUNT))]
    pub account: String,
    /// Name of the container, which must exist.
    #[validate(length(max = 63), regex(path = *CONTAINER))]
    pub container: String,
    /// What the names of all blobs begin with, such as `team/backups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *PREFIX))]
    pub prefix: Option<String>,
    /// URL of the blob service of the account, where it is not `https://<account>.blob.core.windows.net`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *ENDPOINT))]
    pub endpoint: Option<String>,
    /// Secret in the same namespace with `AZURE_STORAGE_KEY`, a key of the account, or `AZURE_STORAGE_SAS_TOKEN`, and
    /// optionally `ca.crt` with the authority of the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub credentials_secret_name: Option<String>,
    /// Whether the pods of the cluster have an identity that the container knows, by Microsoft Entra Workload ID, instead
    /// of a key in a Secret.
    #[serde(default)]
    pub workload_identity: bool,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct VolumeDestination {
    /// Name of the volume claim, in the same namespace. Several pods use it at the same time.
    #[validate(length(min = 1, max = 253))]
    pub claim_name: String,
    /// Folder in the volume, such as `team/backups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256), regex(path = *PREFIX))]
    pub prefix: Option<String>,
}

/// The CEL rules of the destination at this path.
pub(crate) fn rules(path: &[&'static str]) -> Vec<PlacedRule> {
    let counted = STORES.map(|store| format!("(has(self.{store}) ? 1 : 0)")).join(" + ");
    let mut rules = vec![field(path, &format!("{counted} == 1"), &format!("destination {STORE_RULE}."))];
    rules.extend(BUCKETS.map(|store| {
        let rule = format!("has(self.{SECRET}) != self.{IDENTITY}");
        field(&[path, &[store]].concat(), &rule, &format!("{store} {CREDENTIALS_RULE}."))
    }));
    rules
}

/// What is wrong with the destination at this path of a manifest, if there is one.
pub(crate) fn violations(manifest: &Value, path: &[&str]) -> Vec<Violation> {
    let destination = manifest.pointer(&format!("/{}", path.join("/"))).and_then(Value::as_object);
    let Some(destination) = destination else { return Vec::new() };
    let broken = |field, rule: &str| Violation { field, value: String::new(), rule: rule.to_owned() };
    let named = STORES.iter().filter(|store| destination.contains_key(**store)).count();
    let buckets = BUCKETS.iter().filter_map(|store| Some((*store, destination.get(*store)?)));
    let wrong = buckets.filter(|(_, store)| {
        let has_identity = store.get(IDENTITY).and_then(Value::as_bool).unwrap_or_default();
        store.is_object() && store.get(SECRET).is_some_and(|name| !name.is_null()) == has_identity
    });
    let mut violations: Vec<_> =
        wrong.map(|(store, _)| broken(FieldPath::of(&[path, &[store]].concat()), CREDENTIALS_RULE)).collect();
    if named != 1 {
        violations.push(broken(FieldPath::of(path), STORE_RULE));
    }
    violations
}
