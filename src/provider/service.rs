//! The provider's service object, read leniently: unknown fields and states are kept out of the way, and a part
//! that cannot be read counts as unknown. Only what nothing can be decided without is required, and named when
//! it is missing. `Debug` shows no credentials.

use super::lenient;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// A service, as create, update, get and list answer it. What is `None` was not in the answer. The first four parts
/// are never empty in an answer that [`Service::complete`] accepted.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Unique in its project.
    #[serde(deserialize_with = "required")]
    pub service_name: String,
    /// `valkey`, `redis`, or any other type that the provider offers.
    #[serde(deserialize_with = "required")]
    pub service_type: String,
    /// `RUNNING`, `REBUILDING`, `REBALANCING`, `POWEROFF`; other values may appear.
    #[serde(deserialize_with = "required")]
    pub state: String,
    /// The subscription plan.
    #[serde(deserialize_with = "required")]
    pub plan: String,
    /// The token may not read credentials, so there are none here.
    #[serde(skip)]
    pub secrets_denied: bool,
    /// The cloud and region; requests call it `cloud`.
    #[serde(deserialize_with = "lenient::text")]
    pub cloud_name: Option<String>,
    /// The VPC of the service; none means the public network.
    #[serde(deserialize_with = "lenient::text")]
    pub project_vpc_id: Option<String>,
    /// Total disk space in MiB.
    #[serde(deserialize_with = "lenient::whole")]
    pub disk_space_mb: Option<u64>,
    /// Number of nodes.
    #[serde(deserialize_with = "lenient::whole")]
    pub node_count: Option<u64>,
    /// The maintenance window.
    #[serde(deserialize_with = "lenient::part")]
    pub maintenance: Option<MaintenanceWindow>,
    /// Addresses that receive notices of maintenance and trouble.
    #[serde(deserialize_with = "lenient::parts")]
    pub tech_emails: Option<Vec<TechnicalEmail>>,
    /// Refuses deletion and power-off while true.
    #[serde(deserialize_with = "lenient::switch")]
    pub termination_protection: Option<bool>,
    /// Free-form labels; a value that is not a text is `None`.
    #[serde(deserialize_with = "lenient::texts")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// Settings with the provider's defaults filled in.
    #[serde(deserialize_with = "lenient::object")]
    pub user_config: Option<Map<String, Value>>,
    /// Integrations in which the service takes part, on either side.
    #[serde(deserialize_with = "lenient::parts")]
    pub service_integrations: Option<Vec<Integration>>,
    /// Host, port, user, password and TLS mode; empty until the service is built.
    #[serde(deserialize_with = "lenient::texts")]
    pub service_uri_params: Option<BTreeMap<String, Option<String>>>,
    /// Backups that can be restored.
    #[serde(deserialize_with = "lenient::parts")]
    pub backups: Option<Vec<Backup>>,
    /// Notices of the provider about the service.
    #[serde(deserialize_with = "lenient::parts")]
    pub service_notifications: Option<Vec<Notification>>,
    /// Endpoints, one per purpose and route.
    #[serde(deserialize_with = "lenient::parts")]
    pub components: Option<Vec<Component>>,
}

/// One endpoint of a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Component {
    /// What listens there, such as `valkey` or `prometheus`.
    #[serde(deserialize_with = "lenient::text")]
    pub component: Option<String>,
    /// Host name.
    #[serde(deserialize_with = "lenient::text")]
    pub host: Option<String>,
    /// Port, as text.
    #[serde(deserialize_with = "lenient::text")]
    pub port: Option<String>,
    /// `dynamic`, `public`, `private` or `privatelink`.
    #[serde(deserialize_with = "lenient::text")]
    pub route: Option<String>,
    /// `primary` or `replica`.
    #[serde(deserialize_with = "lenient::text")]
    pub usage: Option<String>,
    /// Whether it takes TLS connections.
    #[serde(deserialize_with = "lenient::switch")]
    pub ssl: Option<bool>,
}

/// When the provider may maintain a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MaintenanceWindow {
    /// Day of the week, lower case, or `never`.
    #[serde(deserialize_with = "lenient::text")]
    pub dow: Option<String>,
    /// Time of day in UTC, `HH:MM:SS`.
    #[serde(deserialize_with = "lenient::text")]
    pub time: Option<String>,
    /// Updates that wait for the window.
    #[serde(deserialize_with = "lenient::parts")]
    pub updates: Option<Vec<PendingUpdate>>,
}

/// An update that waits for a maintenance window.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PendingUpdate {
    /// What it does.
    #[serde(deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// When it will start, in RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub start_at: Option<String>,
    /// When it may start, in RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub start_after: Option<String>,
    /// When it is applied in any case, in RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub deadline: Option<String>,
}

/// A notice of the provider about a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Notification {
    /// Such as `service_end_of_life`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The parts that depend on the kind.
    #[serde(deserialize_with = "lenient::part")]
    pub metadata: Option<NotificationMetadata>,
}

/// The parts of a notice that depend on its kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NotificationMetadata {
    /// When the version that the service runs is no longer supported, in RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub service_end_of_life_time: Option<String>,
}

/// An address that receives notifications.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TechnicalEmail {
    /// The address.
    #[serde(deserialize_with = "lenient::text")]
    pub email: Option<String>,
}

/// A connection between two services or to an endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Integration {
    /// `read_replica`, `autoscaler`, `metrics`, …
    #[serde(deserialize_with = "lenient::text")]
    pub integration_type: Option<String>,
    /// The service that receives, if one does.
    #[serde(deserialize_with = "lenient::text")]
    pub dest_service: Option<String>,
}

/// How far data from another server has come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Migration {
    /// `waiting`, `running`, `syncing`, `done`, `failed`; other values may appear.
    #[serde(deserialize_with = "lenient::text")]
    pub status: Option<String>,
    /// Why it failed.
    #[serde(deserialize_with = "lenient::text")]
    pub error: Option<String>,
}

/// A backup that can be restored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// The provider's name of the backup.
    #[serde(deserialize_with = "lenient::text")]
    pub backup_name: Option<String>,
    /// When it was taken, in RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub backup_time: Option<String>,
    /// Bytes of data.
    #[serde(deserialize_with = "lenient::whole")]
    pub data_size: Option<u64>,
}

/// A part of an answer that is needed and missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no usable {0}")]
pub(super) struct Lacking(pub(super) &'static str);

impl Service {
    /// The service, if the answer has everything that each decision needs; `asked` is its name where the answer
    /// can only be about one service.
    pub(super) fn complete(mut self, asked: Option<&str>) -> Result<Self, Lacking> {
        if let Some(name) = asked.filter(|_| self.service_name.is_empty()) {
            name.clone_into(&mut self.service_name);
        }
        let needed = [
            ("service_name", &self.service_name),
            ("service_type", &self.service_type),
            ("state", &self.state),
            ("plan", &self.plan),
        ];
        match needed.iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(Lacking(name)),
            None => Ok(self),
        }
    }

    /// The service as seen by a token without the permission to read credentials.
    pub(super) fn without_secrets(self) -> Self {
        Self { secrets_denied: true, ..self }
    }
}

/// A text that is needed; empty if it is not there.
fn required<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(lenient::text(input)?.unwrap_or_default())
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
