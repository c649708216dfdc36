//! What the operator reports about a `ValkeyCluster`.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reported;
use crate::service_facts::{Binding, WrittenSecret};
use crate::status::null_as_default;

/// The observed state of a self-hosted cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// State in one word: `Creating`, `Running`, `Degraded`, `FailingOver`, `Updating`, `PoweredOff` or `Unavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The `metadata.generation` this status was computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The server that accepts writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_primary: Option<String>,
    /// Number of the last promotion. It never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    /// How many servers accept connections: the primary, and replicas that follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_instances: Option<i32>,
    /// What is promised of writes with `spec.durability: Quorum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<DurabilityStatus>,
    /// The servers.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub instances: Vec<InstanceStatus>,
    /// The last change of the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failover: Option<FailoverRecord>,
    /// The backup or the server that the data of this cluster comes from, when the first server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<RestoredStatus>,
    /// The backup that the deletion waited for, when it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_backup: Option<FinalBackupStatus>,
    /// How many instances there were when the servers last had a primary. As many are started before another is elected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i32>,
    /// How the memory of a server is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryStatus>,
    /// Stands for what the pods are made of; pods of another revision are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Directives of `spec.config` that get their value when a server is started again.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub restart_needed: Vec<String>,
    /// The certificate that all servers present, as their managers have seen in a handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// The passwords that servers accept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessStatus>,
    /// The connection Secret, as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<WrittenSecret>,
    /// The Secret to bind, in the form the Service Binding specification asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Conditions: `Ready`, `Reconciling`, `Stalled`, `Available` (accepts writes), `Protected` (a replica has caught
    /// up), `BackupFresh` (the backups of all schedules that were last due are stored), `CertificateValid` (the
    /// certificate that clients see is valid, and so is the one that comes next), `PasswordRotating` (servers accept two
    /// passwords, or are about to).
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The passwords that servers accept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// Stands for the passwords that servers should accept now; `instances[].access` is what each has taken.
    pub revision: String,
    /// When the connection Secret got the present password, if that has followed another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<DateTime<Utc>>,
    /// A change of the password that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
}

/// A change of the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// When the operator began to give the new password to the servers.
    pub started_at: DateTime<Utc>,
    /// When the connection Secret had the new password, after all servers accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
}

/// What is promised of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DurabilityStatus {
    /// How many replicas have to confirm a write so that it survives every failover: the number to give to `WAIT`.
    pub acknowledgments: i32,
    /// Number of the instances that the promise is made for.
    pub members: i32,
}

/// The backup that a cluster is deleted after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FinalBackupStatus {
    /// Name of the `ValkeyBackup`.
    pub name: String,
    /// Its key below the prefix of the destination.
    pub key: String,
    /// When all of it was stored.
    pub at: DateTime<Utc>,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Name of its pod.
    pub name: String,
    /// Role: `Primary`, `Replica`, `Held` or `Starting`.
    pub role: String,
    /// Node that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Zone of that node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether a replica has caught up with its primary.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synced: bool,
    /// Revision of the passwords that it accepts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub access: String,
    /// Replication offset when something else in this status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// How many bytes it was behind the primary at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<i64>,
}

/// A change of the primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverRecord {
    /// The earlier primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The new one.
    pub to: String,
    /// When the operator saw it.
    pub at: DateTime<Utc>,
    /// Why: `Planned` or `Unplanned`.
    pub reason: String,
    /// How the operator knew that the earlier one had stopped: `Confirmed` by it or by the end of its container, or
    /// `TermElapsed`.
    pub waited: String,
}

/// What the data of a cluster comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestoredStatus {
    /// Key of the backup, or host and port of the server. Where the first server had data of an earlier cluster of this name,
    /// that is kept, and this is the claim of its volume.
    pub key: String,
    /// When the operator saw it.
    pub at: DateTime<Utc>,
}

/// The certificate that servers present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Stands for the certificate and the authorities that are trusted beside it.
    pub revision: String,
    /// When it expires.
    pub not_after: DateTime<Utc>,
}

/// How the memory of a server is divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatus {
    /// `spec.resources.memory` in bytes.
    pub limit_bytes: i64,
    /// The part of it that data may take, in percent.
    pub percent: i32,
    /// That part in bytes, the `maxmemory` of the servers.
    pub max_memory_bytes: i64,
}

impl Reported for ClusterStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}
