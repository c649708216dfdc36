//! What pods have for backups: an identity at a cloud, and a volume.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use validator::Validate;

/// What gives pods an identity at a cloud, for backups with `workloadIdentity`. A change replaces the servers one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// Annotations of the `ServiceAccount` of the pods, such as `eks.amazonaws.com/role-arn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub service_account_annotations: Option<BTreeMap<String, String>>,
    /// Labels of the pods, such as `azure.workload.identity/use: "true"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub pod_labels: Option<BTreeMap<String, String>>,
}

/// A volume for backups. A change replaces the servers one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct BackupVolume {
    /// Name of the volume claim, which must exist. All pods mount it, so its access mode must be `ReadWriteMany` where they
    /// run on several nodes.
    #[validate(length(min = 1, max = 253))]
    pub claim_name: String,
}
