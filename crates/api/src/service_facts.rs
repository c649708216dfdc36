//! The facts about a service in the status, besides its conditions: its version and plan, its location, and pending
//! changes. No field holds a secret, and every one can be absent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Facts about a service, as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFacts {
    /// Where clients connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Subscription plan the service has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Cloud and region the service is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_name: Option<String>,
    /// Number of nodes of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_count: Option<i64>,
    /// VPC the service is in; absent in the public network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_vpc_id: Option<String>,
    /// Maintenance updates that are waiting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub maintenance_updates: Vec<MaintenanceUpdate>,
    /// When Aiven ends support for the version of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life_time: Option<String>,
    /// When the newest backup was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup_time: Option<String>,
    /// The newest backups, the newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub backups: Vec<ServiceBackup>,
    /// The connection Secret, as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<WrittenSecret>,
    /// The ConfigMap that holds host, port and TLS mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_config_map: Option<Binding>,
    /// The Secret to bind, in the form the Service Binding specification asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// A host and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// Host name.
    pub host: String,
    /// Port, as text.
    pub port: String,
}

/// A maintenance update that is waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceUpdate {
    /// What it does, in Aiven's words.
    pub description: String,
    /// When it starts, in the next maintenance window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it is done whatever the maintenance window says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// A backup of the service, at Aiven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceBackup {
    /// Aiven's name of the backup, for `userConfig.recovery_basebackup_name` of a fork.
    pub name: String,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Bytes of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
}

/// What the operator has put into a Secret, by name; what is not asked for any more is removed from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrittenSecret {
    /// Name of the Secret, in the namespace of the resource.
    pub name: String,
    /// Keys of its data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub keys: Vec<String>,
    /// Keys of its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub labels: Vec<String>,
    /// Keys of its annotations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub annotations: Vec<String>,
}

/// A reference to a Secret or ConfigMap, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// Its name.
    pub name: String,
}
