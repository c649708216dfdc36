//! What was seen of the world: the provider's service and the connection Secret, reduced to the parts
//! that decisions depend on. Credentials are invisible in `Debug`.

use super::{
    refusal::{Failure, Refusal, Request},
    request::{ServicePatch, TagPatch},
    route::RoutedEndpoint,
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use valkeeper_api::{Kind, ServiceFacts};

/// One observation of everything that belongs to a custom resource.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The service at the provider.
    pub remote: Remote,
    /// The service was read from a list of its project, which may be older than what this process did since.
    pub listed: bool,
    /// The resource whose ownership tag the service carries, if it is another, existing one.
    pub owner: Option<String>,
    /// The connection Secret; unknown until it matters.
    pub secret: ConnectionSecret,
    /// The connection ConfigMap; unknown until it matters.
    pub config_map: ConnectionConfigMap,
    /// The `Redis` that the resource takes over; unknown until it matters.
    pub predecessor: Predecessor,
    /// The `Valkey` that takes over the resource; unknown until it matters.
    pub successor: Successor,
    /// The service that this one is made from; unknown until it matters.
    pub source: Source,
    /// Progress of a migration into the service; none when it was not read.
    pub migration: Option<MigrationState>,
    /// The token cannot disappear while the resource needs it.
    pub token_is_held: bool,
    /// Those of its token Secrets that are protected from deletion; none when they were not read.
    pub held_names: Option<BTreeSet<String>>,
    /// The VPC that the resource refers to.
    pub vpc: VpcReference,
    /// The custom resource itself was read from the API server, not from a cache, in this reconciliation.
    pub object_is_live: bool,
    /// A change that makes the provider rebuild was sent so recently that a reported `RUNNING` may
    /// still be the state from before (provider behaviour: readiness race).
    pub unsettled: bool,
    /// Maintenance was started in this reconciliation.
    pub maintenance_started: bool,
    /// What updates for this generation have requested, except for what later reads showed to have taken effect.
    pub sent: Option<ServicePatch>,
    /// The same for tags.
    pub sent_tags: Option<TagPatch>,
    /// Requests that were refused.
    pub refused: Vec<Refusal>,
    /// The password that a Secret holds for a migration was read.
    pub migration_password_is_known: bool,
    /// The deletion was requested recently; repeating it after every read would be noise.
    pub deletion_requested: bool,
    /// Answers have reported for a while that the service does not exist, or its deletion was accepted. A single
    /// answer is not enough to release what costs money: it may be late (provider behaviour: read-after-write lag),
    /// and so may a request to create the service.
    pub absence_is_certain: bool,
    /// A list hides credentials, and the Secret is compared with the next read: its content was correct before this
    /// process began.
    pub secret_may_wait: bool,
    /// At the time of the read, requests of this resource could still take effect: requests without an answer, and
    /// those of an earlier process, which are unknown.
    pub requests_may_take_effect: bool,
}

impl Observed {
    /// What became of this request, as long as it is not time to make it again.
    pub(super) fn refusal(&self, request: &Request) -> Option<&Failure> {
        let refusal = self.refused.iter().find(|refusal| refusal.holds && refusal.request == *request)?;
        Some(&refusal.failure)
    }

    /// Whether all of these tags were sent before.
    pub(super) fn tags_were_sent(&self, patch: &TagPatch) -> bool {
        let sent = self.sent_tags.as_ref();
        sent.is_some_and(|sent| patch.iter().all(|(key, value)| sent.get(key) == Some(value)))
    }

    /// Whether all of `patch` was sent before.
    pub(super) fn was_sent(&self, patch: &ServicePatch) -> bool {
        self.sent.as_ref().is_some_and(|sent| patch.without(sent).is_empty())
    }
}

/// Observed state of the service.
#[derive(Clone, Debug, Default)]
pub enum Remote {
    /// Not read yet.
    #[default]
    Unknown,
    /// A live read found no such service.
    Absent,
    /// A live read found it.
    Present(Box<ObservedService>),
}

/// A service at the provider.
#[derive(Clone)]
pub struct ObservedService {
    /// `valkey`, `redis` or a foreign type.
    pub service_type: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// The subscription plan.
    pub plan: String,
    /// Cloud and region.
    pub cloud: Option<String>,
    /// The VPC; none is the public network.
    pub project_vpc_id: Option<String>,
    /// Total disk space in MiB.
    pub disk_space_mb: Option<u64>,
    /// The maintenance window.
    pub maintenance: Maintenance,
    /// Addresses that receive notifications.
    pub technical_emails: Vec<String>,
    /// Whether the provider refuses deletion and power-off.
    pub termination_protection: bool,
    /// All tags, ours and foreign ones.
    pub tags: BTreeMap<String, String>,
    /// Settings with the provider's defaults filled in.
    pub user_config: Map<String, Value>,
    /// The answer did not contain the settings.
    pub user_config_is_unknown: bool,
    /// How to connect; none until the provider's answer is complete.
    pub connection: Option<Connection>,
    /// The token may not read credentials.
    pub credentials_are_withheld: bool,
    /// Number of backups that can be restored.
    pub backups: usize,
    /// The answer did not contain the backups.
    pub backups_are_unknown: bool,
    /// Further facts in the status.
    pub facts: ServiceFacts,
    /// An autoscaler integration decides on the disk space.
    pub disk_is_managed: bool,
    /// The service replicates another one.
    pub is_replica: bool,
}

impl ObservedService {
    /// Whether a backup will never appear (provider behaviour: none without persistence, none of replicas).
    pub fn never_has_backups(&self, kind: Kind) -> bool {
        let persistence = self.user_config.get(&format!("{}_persistence", kind.service_type()));
        self.is_replica || persistence.and_then(Value::as_str) == Some("off")
    }
}

/// Observed state of the service that another one is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Not read yet.
    #[default]
    Unknown,
    /// There is none of that name.
    Missing,
    /// It is something else.
    OtherType(String),
    /// It exists but is not up.
    NotServing(String),
    /// It has no backup, or not the requested one.
    WithoutBackup,
    /// It can be used.
    Ready,
}

/// How far a migration has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// Data is on its way; the provider's word for the stage.
    Running(String),
    /// All data has arrived.
    Done,
    /// It did not work; the provider's explanation.
    Failed(String),
    /// The provider shows none.
    Forgotten,
}

impl fmt::Debug for ObservedService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ObservedService")
            .field("service_type", &self.service_type)
            .field("state", &self.state)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// A maintenance window; parts that are not set are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Day of the week, lower case.
    pub day: Option<String>,
    /// Time of day in UTC, `HH:MM:SS`.
    pub time: Option<String>,
}

/// The life of a service as the provider reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Built and serving.
    Running,
    /// Being created, changed or powered on.
    Rebuilding,
    /// Moving nodes; serving all the while.
    Rebalancing,
    /// Powered off.
    PoweredOff,
    /// A state without a variant here, treated as not ready.
    Other(String),
}

/// Whether a service takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It does.
    Serving,
    /// It will, or may.
    Changing,
    /// It does not.
    Off,
}

impl ServiceState {
    /// Reads the provider's word.
    pub fn parse(text: &str) -> Self {
        match text {
            "RUNNING" => Self::Running,
            "REBUILDING" => Self::Rebuilding,
            "REBALANCING" => Self::Rebalancing,
            "POWEROFF" => Self::PoweredOff,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The provider's word, which is also what `status.state` shows.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "RUNNING",
            Self::Rebuilding => "REBUILDING",
            Self::Rebalancing => "REBALANCING",
            Self::PoweredOff => "POWEROFF",
            Self::Other(text) => text,
        }
    }

    /// Whether the service takes connections in this state.
    pub fn power(&self) -> Power {
        match self {
            Self::Running | Self::Rebalancing => Power::Serving,
            Self::PoweredOff => Power::Off,
            Self::Rebuilding | Self::Other(_) => Power::Changing,
        }
    }
}

/// The five facts that a client needs, all present and none of them a placeholder.
#[derive(Clone)]
pub struct Connection {
    /// Host name.
    pub host: String,
    /// Port, as text.
    pub port: String,
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// The provider's word for whether TLS is needed, such as `required`.
    pub ssl: String,
    /// Where reads can go as well.
    pub replica: Replica,
    /// Endpoints on other routes than the default.
    pub routes: Vec<RoutedEndpoint>,
    /// The certificate of the project's authority; none where it was not read.
    pub authority: Option<String>,
}

/// The second endpoint of a service whose plan has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Replica {
    /// The provider did not list endpoints this time.
    #[default]
    Unlisted,
    /// There is none.
    None,
    /// Here.
    At {
        /// Host name.
        host: String,
        /// Port, as text.
        port: String,
    },
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Connection({}:{})", self.host, self.port)
    }
}

/// The Kubernetes Secret that the connection belongs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConnectionSecret {
    /// Not read, because nothing depends on it now.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// It exists and was not read.
    Exists,
    /// It exists and is controlled by another object, or is not declared to be ours.
    Foreign {
        /// Who it belongs to, for the message.
        owner: String,
    },
    /// Ours.
    Ours {
        /// It holds exactly what it should.
        current: bool,
        /// Kubernetes refuses to change its data.
        immutable: bool,
    },
}

/// The `Redis` that a `Valkey` takes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Predecessor {
    /// Not read yet.
    #[default]
    Unknown,
    /// There is none: it was deleted, or its kind is not installed.
    Absent,
    /// It exists.
    Present {
        /// Its identity.
        uid: String,
        /// The project of its service.
        project: String,
        /// It manages the service: created or adopted it, and does not only observe it.
        manages: bool,
        /// Name and prefix of its Secret, if it has one.
        secret: Option<(String, String)>,
    },
}

/// The `Valkey` that takes over a `Redis`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Successor {
    /// Not read yet.
    #[default]
    Unknown,
    /// There is none that names the `Redis`.
    Absent,
    /// It exists and takes over.
    Present,
    /// It exists and would take over, but names another project, which is this.
    Elsewhere(String),
}

/// The ConfigMap that the connection parameters belong in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConnectionConfigMap {
    /// Not read, because nothing depends on it now.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// It exists and is not ours.
    Foreign {
        /// Who it belongs to, for the message.
        owner: String,
    },
    /// Ours.
    Ours {
        /// It holds exactly what it should.
        current: bool,
        /// Kubernetes refuses to change its data.
        immutable: bool,
    },
}

/// Result of resolving the `ProjectVPC` that a resource refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VpcReference {
    /// Not read yet.
    #[default]
    Unknown,
    /// It stands for this VPC, which can be used.
    Usable(String),
    /// It cannot be used yet; why, and what to do.
    NotReady(String),
    /// It may not be used from here; why, and what to do.
    Refused(String),
}
