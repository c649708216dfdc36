//! The `ValkeyBackup` kind: one backup of a self-hosted cluster.
//!
//! Types, names and rules only. Stored objects decode leniently; [`violations`] judges a spec by what its schema says.

pub(crate) mod destination;
mod rules;
mod status;
mod violations;

pub use destination::{
    AzureDestination, BackupDestination, BackupEncryption, GcsDestination, S3Destination, VolumeDestination,
};
pub use rules::rules;
pub use status::{BackupStatus, BackupVerification, VerificationUnderWay};
pub use violations::{manifest_violations, violations};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{Custom, names, valkey_cluster::AMOUNT};

/// Name of the kind.
pub const NAME: &str = "ValkeyBackup";
/// Label: the `ValkeyScheduledBackup` that a backup was created by.
pub const SCHEDULE: &str = "valkeeper.io/scheduled-backup";
/// Label: the cluster that a backup is of.
pub const CLUSTER: &str = "valkeeper.io/cluster";
/// Annotation: what is stored goes with the resource, whatever its `deletionPolicy` says. Set by retention.
pub const EXPIRED: &str = "valkeeper.io/expired";
/// Annotation set by users and schedules: any new value verifies a completed backup again.
pub const VERIFY: &str = "valkeeper.io/verify";

/// A backup to take.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, JsonSchema, Validate,
)]
#[kube(
    group = "valkeeper.io",
    version = "v1alpha1",
    kind = "ValkeyBackup",
    doc = "A backup of a ValkeyCluster: a full synchronization, compressed, in a bucket. Alpha.",
    plural = "valkeybackups",
    namespaced,
    status = "BackupStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ValkeyBackupSpec {
    /// The `ValkeyCluster` in the same namespace whose data is backed up.
    #[validate(length(min = 1, max = 40))]
    pub cluster_name: String,
    /// Where the backup is kept.
    #[validate(nested)]
    pub destination: BackupDestination,
    /// Whether a second server is started from the backup and its keys are counted. It needs the memory for the data a
    /// second time in the container of one instance; where that is not free, it is started in a pod of its own.
    #[serde(default)]
    pub verify: bool,
    /// Most bytes of data per second that the server sends, such as `50Mi`; as fast as it goes when absent. A server keeps
    /// the writes of that time in its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 8), regex(path = *AMOUNT))]
    pub max_bytes_per_second: Option<String>,
    /// What happens to what is stored when this resource is deleted.
    #[serde(default = "retain")]
    #[schemars(extend("enum" = ["Retain", "Delete"]))]
    pub deletion_policy: String,
}

fn retain() -> String {
    "Retain".to_owned()
}

impl Custom for ValkeyBackup {
    const NAME: &'static str = NAME;
    const FINALIZER: &'static str = names::BACKUP_FINALIZER;

    type Status = BackupStatus;

    fn reported(&self) -> Option<&BackupStatus> {
        self.status.as_ref()
    }
}
