//! The vocabulary of decisions: at most one external change, or a reason to rest.

use super::{connection::SecretContent, report::Report};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};

/// The next thing to do, and what may be said about the resource before it is done.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// What is true now, for status and events.
    pub report: Report,
}

/// At most one external change.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read again what the decision needs: the service, and for irreversible steps the object too.
    Look,
    /// Put the finalizer on the custom resource.
    AddFinalizer,
    /// Keep the token Secret in place until the service is gone.
    HoldToken,
    /// Create the service. Irreversible: it costs money.
    Create(Box<CreateRequest>),
    /// Change some fields of the service.
    Update(Box<ServicePatch>),
    /// Replace the service's tags.
    ReplaceTags(BTreeMap<String, String>),
    /// Write the connection Secret.
    WriteSecret(Box<SecretContent>),
    /// Bring these annotations of the custom resource up to date; `None` removes one.
    Annotate(BTreeMap<&'static str, Option<String>>),
    /// Delete the service. Irreversible.
    Delete,
    /// Let Kubernetes remove the custom resource.
    ReleaseFinalizer,
    /// Nothing can be done now; look again after a while.
    Wait(Pace),
    /// Nothing can be done until somebody changes something.
    Refuse(Pace),
    /// Everything is as asked.
    Done,
}

impl Step {
    /// A stable name for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::AddFinalizer => "add finalizer",
            Self::HoldToken => "hold token",
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::ReplaceTags(_) => "replace tags",
            Self::WriteSecret(_) => "write secret",
            Self::Annotate(_) => "annotate",
            Self::Delete => "delete",
            Self::ReleaseFinalizer => "release finalizer",
            Self::Wait(_) => "wait",
            Self::Refuse(_) => "refuse",
            Self::Done => "done",
        }
    }

    /// Whether a service that was only read from a list is reason enough: nothing is sent to the provider,
    /// nothing is told that is not what the resource is on its way to, and the finalizer stays.
    pub fn suits_a_listing(&self) -> bool {
        match self {
            Self::Look
            | Self::HoldToken
            | Self::WriteSecret(_)
            | Self::Annotate(_)
            | Self::Wait(Pace::Building)
            | Self::Done => true,
            Self::AddFinalizer
            | Self::Create(_)
            | Self::Update(_)
            | Self::ReplaceTags(_)
            | Self::Delete
            | Self::ReleaseFinalizer
            | Self::Wait(_)
            | Self::Refuse(_) => false,
        }
    }

    /// Whether the pass ends here.
    pub fn ends_the_pass(&self) -> bool {
        matches!(self, Self::Wait(_) | Self::Refuse(_) | Self::Done)
    }
}

/// How soon to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The provider works on it: often at first, then less often.
    Building,
    /// Somebody has to act elsewhere: within a minute of it.
    Attentive,
    /// Only an edit of the resource itself helps, and that wakes us.
    Quiet,
}

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
