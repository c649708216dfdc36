//! The provider's service object as it is on the wire, read leniently: unknown fields and states are
//! kept out of the way, missing ones are absent. Its `Debug` shows no credentials.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// A service, as create, update, get and list answer it.
#[derive(Clone, Deserialize)]
pub struct Service {
    /// Unique in its project.
    pub service_name: String,
    /// `valkey`, `redis`, or any other type that the provider offers.
    pub service_type: String,
    /// `RUNNING`, `REBUILDING`, `REBALANCING`, `POWEROFF`; others may appear.
    pub state: String,
    /// The subscription plan.
    pub plan: String,
    /// The cloud and region; requests call it `cloud`.
    #[serde(default)]
    pub cloud_name: Option<String>,
    /// The VPC of the service; none means the public network.
    #[serde(default)]
    pub project_vpc_id: Option<String>,
    /// Total disk space in MiB.
    #[serde(default)]
    pub disk_space_mb: Option<u64>,
    /// Number of nodes.
    #[serde(default)]
    pub node_count: Option<u64>,
    /// The maintenance window.
    #[serde(default)]
    pub maintenance: Option<MaintenanceWindow>,
    /// Who is told about maintenance and trouble.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tech_emails: Vec<TechnicalEmail>,
    /// Refuses deletion and power-off while true.
    #[serde(default)]
    pub termination_protection: bool,
    /// Free-form labels.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: BTreeMap<String, String>,
    /// Settings with the provider's defaults filled in.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user_config: Map<String, Value>,
    /// Integrations in which the service takes part, on either side.
    #[serde(default, deserialize_with = "null_is_default")]
    pub service_integrations: Vec<Integration>,
    /// Host, port, user, password and TLS mode; empty until the service is built.
    #[serde(default, deserialize_with = "null_is_default")]
    pub service_uri_params: BTreeMap<String, Value>,
    /// Backups that can be restored.
    #[serde(default, deserialize_with = "null_is_default")]
    pub backups: Vec<Backup>,
    /// What the provider wants the owner of the service to know.
    #[serde(default, deserialize_with = "null_is_default")]
    pub service_notifications: Vec<Notification>,
    /// Endpoints, one per purpose and route.
    #[serde(default, deserialize_with = "null_is_default")]
    pub components: Vec<Component>,
}

/// One endpoint of a service.
#[derive(Clone, Debug, Deserialize)]
pub struct Component {
    /// What listens there, such as `valkey` or `prometheus`.
    pub component: String,
    /// Host name.
    #[serde(default)]
    pub host: String,
    /// Port.
    #[serde(default)]
    pub port: u16,
    /// `dynamic`, `public`, `private` or `privatelink`.
    #[serde(default)]
    pub route: String,
    /// `primary` or `replica`.
    #[serde(default)]
    pub usage: String,
    /// Whether it takes TLS connections.
    #[serde(default)]
    pub ssl: Option<bool>,
}

/// When the provider may maintain a service.
#[derive(Clone, Debug, Deserialize)]
pub struct MaintenanceWindow {
    /// Day of the week, lower case, or `never`.
    #[serde(default)]
    pub dow: Option<String>,
    /// Time of day in UTC, `HH:MM:SS`.
    #[serde(default)]
    pub time: Option<String>,
    /// What waits for the window.
    #[serde(default, deserialize_with = "null_is_default")]
    pub updates: Vec<PendingUpdate>,
}

/// An update that waits for a maintenance window.
#[derive(Clone, Debug, Deserialize)]
pub struct PendingUpdate {
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// When it will start, in RFC 3339.
    #[serde(default)]
    pub start_at: Option<String>,
    /// When it may start, in RFC 3339.
    #[serde(default)]
    pub start_after: Option<String>,
    /// When it is applied in any case, in RFC 3339.
    #[serde(default)]
    pub deadline: Option<String>,
}

/// A note of the provider about a service.
#[derive(Clone, Debug, Deserialize)]
pub struct Notification {
    /// Such as `service_end_of_life`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The parts that depend on what the note is about.
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: NotificationMetadata,
}

/// The parts of a note that depend on what it is about.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NotificationMetadata {
    /// When the version that the service runs is no longer supported, in RFC 3339.
    #[serde(default)]
    pub service_end_of_life_time: Option<String>,
}

/// An address that receives notifications.
#[derive(Clone, Debug, Deserialize)]
pub struct TechnicalEmail {
    /// The address.
    pub email: String,
}

/// A connection between two services or to an endpoint.
#[derive(Clone, Debug, Deserialize)]
pub struct Integration {
    /// `read_replica`, `autoscaler`, `metrics`, …
    pub integration_type: String,
    /// The service that receives, if one does.
    #[serde(default)]
    pub dest_service: Option<String>,
}

/// How far data from another server has come.
#[derive(Clone, Debug, Deserialize)]
pub struct Migration {
    /// `waiting`, `running`, `syncing`, `done`, `failed`; others may appear.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
}

/// A backup that can be restored.
#[derive(Clone, Debug, Deserialize)]
pub struct Backup {
    /// The provider's name of the backup.
    pub backup_name: String,
    /// When it was taken, in RFC 3339.
    #[serde(default)]
    pub backup_time: Option<String>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Service")
            .field("service_name", &self.service_name)
            .field("service_type", &self.service_type)
            .field("state", &self.state)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
