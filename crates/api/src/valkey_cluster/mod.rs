//! The `ValkeyCluster` kind: servers that this operator runs itself, in the user's own Kubernetes cluster.
//!
//! Types, names and rules only. Stored objects decode leniently, as those of the other kinds do; [`violations`]
//! judges a spec by the rules that the schema cannot express.

mod bootstrap;
mod clients;
mod parts;
mod remarks;
mod rules;
mod status;
mod stores;
mod tls;
mod violations;

pub use bootstrap::{BackupSource, Bootstrap, BootstrapBackup, BootstrapServer, BootstrapServerTls};
pub use clients::{Clients, ParametersTarget};
pub(crate) use parts::AMOUNT;
pub use parts::{
    Access, ClusterMemory, EngineName, Failover, FinalBackup, PasswordRotation, Persistence, Placement,
    PullSecret, Resources, Update, UpdateWindow,
};
pub use remarks::{mebibytes, remarks};
pub use rules::{NAME_RULE, RESERVED_DIRECTIVES, rules};
pub use status::{
    AccessStatus, CertificateStatus, ClusterStatus, DurabilityStatus, FailoverRecord, FinalBackupStatus,
    InstanceStatus, MemoryStatus, RestoredStatus, RotationStatus,
};
pub use stores::{BackupVolume, WorkloadIdentity};
pub use tls::ClusterTls;
pub use violations::{manifest_violations, violations};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use validator::Validate;

use super::common::ConnectionSecretTarget;
use super::{Custom, names};

/// API group of the kinds that this operator runs itself.
pub const GROUP: &str = "valkeeper.io";
/// Name of the kind.
pub const NAME: &str = "ValkeyCluster";
/// Name of the kind in URLs.
pub const PLURAL: &str = "valkeyclusters";

/// Desired state of a self-hosted cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema, Validate)]
#[kube(
    group = "valkeeper.io",
    version = "v1alpha1",
    kind = "ValkeyCluster",
    doc = "Valkey or Redis servers that the operator runs in this Kubernetes cluster: one, or a primary with replicas and automatic failover. Alpha.",
    plural = "valkeyclusters",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ValkeyClusterSpec {
    /// Server to run. Changing `Redis` to `Valkey` replaces the servers one by one and keeps the data; the way back is
    /// refused.
    #[serde(default)]
    pub engine: EngineName,
    /// Version of the server, which is also the tag of its official image: 8.0 or later for Valkey, 7.2 for Redis.
    #[validate(length(max = 32))]
    pub version: String,
    /// Image to run instead of the official one of that version; a digest is recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// When the image is pulled; by default as Kubernetes decides by its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "IfNotPresent", "Never"]))]
    pub image_pull_policy: Option<String>,
    /// Secrets with credentials for the registry of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 8), nested)]
    pub image_pull_secrets: Option<Vec<PullSecret>>,
    /// Number of servers. 1 is a standalone server, which needs no Kubernetes API to accept writes; more are a primary and
    /// replicas.
    #[serde(default = "three")]
    #[validate(range(min = 1, max = 9))]
    pub instances: i32,
    /// `Quorum` promises that a write survives every failover which `status.durability.acknowledgments` replicas have
    /// confirmed to the client, by the command `WAIT`. A primary with fewer replicas refuses writes, and without the
    /// instances that may have such writes no primary is elected. It needs at least 3 instances.
    #[serde(default = "best_effort")]
    #[schemars(extend("enum" = ["BestEffort", "Quorum"]))]
    pub durability: String,
    /// Memory and CPU of each server.
    #[validate(nested)]
    pub resources: Resources,
    /// How the memory is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub memory: Option<ClusterMemory>,
    /// Where the data is kept; in memory only when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub persistence: Option<Persistence>,
    /// Directives of the server, by name. Those that a running server accepts are changed live; `status.restartNeeded`
    /// lists the others, for which the servers are replaced one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 64))]
    pub config: Option<BTreeMap<String, String>>,
    /// Who may connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub access: Option<Access>,
    /// TLS between clients and servers, and among servers. It can be added to a cluster that exists with
    /// `plaintext: true`, and not removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub tls: Option<ClusterTls>,
    /// How clients find the servers, and which of them may connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub clients: Option<Clients>,
    /// When another server becomes primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub failover: Option<Failover>,
    /// How servers are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub update: Option<Update>,
    /// On which nodes servers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub placement: Option<Placement>,
    /// Who the servers are to a cloud, so that backups need no keys in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub workload_identity: Option<WorkloadIdentity>,
    /// A volume that all pods mount, for backups with `volume` as their destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub backup_volume: Option<BackupVolume>,
    /// Where the data comes from when the cluster is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub bootstrap: Option<Bootstrap>,
    /// A backup that the deletion of the cluster waits for. It is taken after the deletion was requested, and stays. To
    /// delete without it, set the annotation `valkeeper.io/skip-final-backup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub final_backup: Option<FinalBackup>,
    /// The Secret that connection details are written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_secret_target: Option<ConnectionSecretTarget>,
    /// When true, no connection Secret is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_info_secret_target_disabled: Option<bool>,
    /// A ConfigMap that the parameters of a connection are written to as well, without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub conn_info_config_map_target: Option<ParametersTarget>,
    /// Whether servers run, which is the default. False ends them; what is on volumes is kept, what is only in memory is
    /// lost.
    #[serde(default = "powered_by_default", skip_serializing_if = "Option::is_none")]
    pub powered: Option<bool>,
}

const fn three() -> i32 {
    3
}

fn best_effort() -> String {
    "BestEffort".to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn powered_by_default() -> Option<bool> {
    Some(true)
}

impl Custom for ValkeyCluster {
    const NAME: &'static str = NAME;
    const FINALIZER: &'static str = names::CLUSTER_FINALIZER;

    type Status = ClusterStatus;

    fn reported(&self) -> Option<&ClusterStatus> {
        self.status.as_ref()
    }
}
