//! What the operator reports about a `ValkeyBackup`.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reported;
use crate::status::null_as_default;

/// The observed state of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Phase in one word: `Pending`, `Running`, `Verifying`, `Completed` or `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Key of the backup below the prefix of the destination. With it, a cluster can be restored without this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// UID of the cluster that its data is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// The server that sends its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// How often the backup was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
    /// Whether an instance has begun the last attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// When the server began to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// When all of it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
    /// Bytes of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// Bytes that are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<i64>,
    /// Number of keys; absent where the data has values of a type that the operator does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<i64>,
    /// Replication ID of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_id: Option<String>,
    /// Replication offset: every write up to it is in the backup, and none after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_offset: Option<i64>,
    /// SHA-256 of the data before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Version of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// What a second server found when the backup was last verified; absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<BackupVerification>,
    /// A verification that was asked for, or that has no room in an instance, until it has a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationUnderWay>,
    /// Conditions: `Ready` (the backup is stored, and verified if asked for), `Reconciling`, `Stalled`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The proof of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupVerification {
    /// Whether a server read everything, and has the keys that were counted in the stream.
    pub succeeded: bool,
    /// What it found.
    pub message: String,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The value of the annotation `valkeeper.io/verify` that it was the answer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A verification without a result so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationUnderWay {
    /// The value of the annotation `valkeeper.io/verify`; empty for the verification that `spec.verify` asks for.
    pub request: String,
    /// The instance that starts a second server, or the pod of its own that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: i32,
    /// Whether the instance, or the pod, has begun the attempt under way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// Since when the store lacks the backup. It may be there again at the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<DateTime<Utc>>,
    /// Memory of the pod of its own that verifies the backup, in bytes; absent if an instance does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_memory_bytes: Option<i64>,
    /// Why the last attempt had no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Reported for BackupStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}
