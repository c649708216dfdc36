//! Requests: the targets to read, and the bodies of requests that change a service.

use serde::Serialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service, at the provider.
    Service,
    /// The custom resource, from the API server and not from a cache.
    Object,
    /// The connection Secret.
    Secret,
    /// The connection ConfigMap.
    ConfigMap,
    /// The certificate of the project's authority.
    Authority,
    /// The `Redis` that the resource takes over.
    Predecessor,
    /// The `Valkey` that takes over the resource.
    Successor,
    /// The token Secrets of the resource, for whether they are kept from deletion.
    TokenSecrets,
    /// The service that this one is made from.
    Source,
    /// The `ProjectVPC` that the resource refers to.
    Vpc,
    /// The Secret with the password of the server to migrate from.
    MigrationPassword,
    /// How far the migration into the service has come.
    Migration,
}

impl Target {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Service => "observe service",
            Self::Object => "observe object",
            Self::Secret => "observe secret",
            Self::ConfigMap => "observe config map",
            Self::Authority => "observe authority",
            Self::Predecessor => "observe predecessor",
            Self::Successor => "observe successor",
            Self::TokenSecrets => "observe token secrets",
            Self::Source => "observe source",
            Self::Vpc => "observe vpc",
            Self::MigrationPassword => "observe migration password",
            Self::Migration => "observe migration",
        }
    }
}

/// Tags to set, or to remove where there is no value.
pub type TagPatch = BTreeMap<String, Option<String>>;

/// The body of a create request. Fields that are not declared are left to the provider.
#[derive(Clone, Serialize)]
pub struct CreateRequest {
    /// Name of the service: the name of the custom resource.
    pub service_name: String,
    /// `valkey` or `redis`.
    pub service_type: &'static str,
    /// Subscription plan.
    pub plan: String,
    /// Cloud and region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The VPC. Always sent: an absent key would let the provider choose one.
    pub project_vpc_id: Option<String>,
    /// Disk space in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_space_mb: Option<u64>,
    /// Maintenance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<MaintenanceBody>,
    /// Protection against deletion and power-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// Notification addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tech_emails: Option<Vec<EmailBody>>,
    /// Tags, with the tag that marks the owner.
    pub tags: BTreeMap<String, String>,
    /// Integrations that exist from the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_integrations: Vec<IntegrationBody>,
    /// Settings.
    pub user_config: Map<String, Value>,
}

/// The body of an update request: only what changes.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct ServicePatch {
    /// Subscription plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Cloud and region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The network to move to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_vpc_id: Option<Network>,
    /// Disk space in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_space_mb: Option<u64>,
    /// Maintenance window, only the part that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<MaintenanceBody>,
    /// Protection against deletion and power-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// Notification addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tech_emails: Option<Vec<EmailBody>>,
    /// Power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub powered: Option<bool>,
    /// Settings; each key replaces the whole previous value.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub user_config: Map<String, Value>,
}

impl ServicePatch {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of it `other` does not hold already, with the same values.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        fn differing<T: Clone + PartialEq>(own: Option<&T>, other: Option<&T>) -> Option<T> {
            own.filter(|_| own != other).cloned()
        }
        let mut user_config = self.user_config.clone();
        user_config.retain(|key, value| other.user_config.get(key) != Some(value));
        Self {
            plan: differing(self.plan.as_ref(), other.plan.as_ref()),
            cloud: differing(self.cloud.as_ref(), other.cloud.as_ref()),
            project_vpc_id: differing(self.project_vpc_id.as_ref(), other.project_vpc_id.as_ref()),
            disk_space_mb: differing(self.disk_space_mb.as_ref(), other.disk_space_mb.as_ref()),
            maintenance: differing(self.maintenance.as_ref(), other.maintenance.as_ref()),
            termination_protection: differing(
                self.termination_protection.as_ref(),
                other.termination_protection.as_ref(),
            ),
            tech_emails: differing(self.tech_emails.as_ref(), other.tech_emails.as_ref()),
            powered: differing(self.powered.as_ref(), other.powered.as_ref()),
            user_config,
        }
    }

    /// What of it `other` holds as well, with the same values.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Both; for a field in both, `later` wins.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        let mut user_config = self.user_config.clone();
        user_config.extend(later.user_config.clone());
        let (one, two) = (self.clone(), later.clone());
        Self {
            plan: two.plan.or(one.plan),
            cloud: two.cloud.or(one.cloud),
            project_vpc_id: two.project_vpc_id.or(one.project_vpc_id),
            disk_space_mb: two.disk_space_mb.or(one.disk_space_mb),
            maintenance: MaintenanceBody::both(one.maintenance, two.maintenance),
            termination_protection: two.termination_protection.or(one.termination_protection),
            tech_emails: two.tech_emails.or(one.tech_emails),
            powered: two.powered.or(one.powered),
            user_config,
        }
    }

    /// Whether the provider rebuilds the service for it.
    pub fn rebuilds(&self) -> bool {
        self.plan.is_some()
            || self.cloud.is_some()
            || self.project_vpc_id.is_some()
            || self.disk_space_mb.is_some()
            || self.powered.is_some()
            || self.user_config.keys().any(|key| key.ends_with("_version"))
    }

    /// The names of what changes, as they stand in the spec.
    pub fn changed_fields(&self) -> Vec<String> {
        let fields = [
            ("plan", self.plan.is_some()),
            ("cloudName", self.cloud.is_some()),
            ("projectVpcId", self.project_vpc_id.is_some()),
            ("disk_space", self.disk_space_mb.is_some()),
            ("maintenanceWindow", self.maintenance.is_some()),
            ("terminationProtection", self.termination_protection.is_some()),
            ("technicalEmails", self.tech_emails.is_some()),
            ("powered", self.powered.is_some()),
        ];
        let plain = fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| (*name).to_owned());
        plain.chain(self.user_config.keys().map(|key| format!("userConfig.{key}"))).collect()
    }
}

impl fmt::Debug for CreateRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings may hold the password of a server to migrate from.
        let settings: Vec<_> = self.user_config.keys().collect();
        formatter
            .debug_struct("CreateRequest")
            .field("service_name", &self.service_name)
            .field("service_type", &self.service_type)
            .field("plan", &self.plan)
            .field("user_config", &settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServicePatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ServicePatch").field(&self.changed_fields()).finish()
    }
}

/// A network in an update request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Network {
    /// The public network, which the wire format calls `null`.
    Public,
    /// This VPC.
    Vpc(String),
}

/// A maintenance window in a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MaintenanceBody {
    /// Day of the week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dow: Option<String>,
    /// Time of day in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

impl MaintenanceBody {
    fn both(one: Option<Self>, later: Option<Self>) -> Option<Self> {
        match (one, later) {
            (Some(one), Some(later)) => {
                Some(Self { dow: later.dow.or(one.dow), time: later.time.or(one.time) })
            }
            (one, later) => later.or(one),
        }
    }
}

/// A notification address in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EmailBody {
    /// The address.
    pub email: String,
}

/// An integration in a create request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntegrationBody {
    /// Such as `read_replica`.
    pub integration_type: String,
    /// The service on the other side.
    pub source_service: String,
}
