//! How a simulated provider is set up: projects, tokens, timing, catalogue, and a knob for every
//! behaviour that the provider's documentation leaves open. Guarantees defaults that suit a demo;
//! changing a knob later is [`super::ProviderHandle::set_unknowns`].

use super::catalogue::{self, Cloud, Plan};
use super::content::Content;
use crate::servers::Binaries;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The project that exists by default and that the examples use.
const DEFAULT_PROJECT: &str = "my-aiven-project";

/// From then on, reads redact secrets unless they request them.
const SECRETS_HIDDEN_FROM: &str = "2027-03-01T00:00:00Z";

/// Everything that can be chosen when the simulated provider starts.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Loopback port; 0 lets the system choose.
    pub port: u16,
    /// Project names.
    pub projects: Vec<String>,
    /// Cloud used when a create request names none.
    pub default_cloud: String,
    /// Tokens that are accepted.
    pub tokens: Vec<TokenSpec>,
    /// How long a service builds before it runs.
    pub build_time: Duration,
    /// How long a service keeps running after a power-off was accepted.
    pub power_off_time: Duration,
    /// How long after the build the first backup appears.
    pub backup_after: Duration,
    /// How long a VPC needs to become active or to disappear, and how long a deleted service keeps its VPC in use.
    pub vpc_time: Duration,
    /// Added to every request.
    pub latency: Duration,
    /// Plans on offer.
    pub plans: Vec<Plan>,
    /// Clouds on offer.
    pub clouds: Vec<Cloud>,
    /// Whether `redis` services may still be created, as they could until 2025-02-15.
    pub redis_creation_allowed: bool,
    /// When, counted from the start, Redis reaches its end of life: announced before, migrated to Valkey after.
    pub redis_end_of_life: Option<Duration>,
    /// Requests per token that are answered before `429`.
    pub rate_limit: Option<RateLimit>,
    /// Requests the log keeps; older ones are dropped, counters are not.
    pub log_capacity: usize,
    /// What is behind the services.
    pub engine: Engine,
    /// What an earlier provider held.
    pub content: Option<Content>,
    /// Behaviour that documentation does not settle.
    pub unknowns: Unknowns,
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self {
            port: 0,
            projects: vec![DEFAULT_PROJECT.to_owned(), "my-other-project".to_owned()],
            default_cloud: "google-europe-west1".to_owned(),
            tokens: vec![TokenSpec::full_access("default", "sandbox-token")],
            build_time: Duration::from_secs(3),
            power_off_time: Duration::from_secs(1),
            backup_after: Duration::from_secs(2),
            vpc_time: Duration::from_secs(2),
            latency: Duration::ZERO,
            plans: catalogue::default_plans(),
            clouds: catalogue::default_clouds(),
            redis_creation_allowed: false,
            redis_end_of_life: None,
            rate_limit: None,
            log_capacity: 50_000,
            engine: Engine::Simulated,
            content: None,
            unknowns: Unknowns::default(),
        }
    }
}

/// What is behind the services.
#[derive(Debug, Clone)]
pub enum Engine {
    /// Nothing: endpoints and credentials are made up.
    Simulated,
    /// A server process for every Valkey and Redis service.
    Process {
        /// The programs.
        binaries: Binaries,
        /// Where data stays when the provider ends; `None` is a temporary folder.
        data: Option<PathBuf>,
    },
}

/// A token, what it may see and what it may do.
#[derive(Clone)]
pub struct TokenSpec {
    /// Name under which the request log lists the token.
    pub name: String,
    /// What clients send.
    pub value: String,
    /// Projects the token belongs to; `None` is all of them.
    pub projects: Option<BTreeSet<String>>,
    /// Granted permissions such as `project:services:write`; `None` is all of them.
    pub permissions: Option<BTreeSet<String>>,
}

impl TokenSpec {
    /// A token that may do everything in every project.
    pub fn full_access(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), projects: None, permissions: None }
    }

    /// The same token limited to `projects`.
    #[must_use]
    pub fn in_projects<P: Into<String>>(mut self, projects: impl IntoIterator<Item = P>) -> Self {
        self.projects = Some(projects.into_iter().map(Into::into).collect());
        self
    }

    /// The same token limited to `permissions`.
    #[must_use]
    pub fn with_permissions<P: Into<String>>(mut self, permissions: impl IntoIterator<Item = P>) -> Self {
        self.permissions = Some(permissions.into_iter().map(Into::into).collect());
        self
    }
}

impl fmt::Debug for TokenSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSpec")
            .field("name", &self.name)
            .field("projects", &self.projects)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

/// At most `requests` per token in each window of length `per`.
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    /// Requests per window.
    pub requests: u32,
    /// Length of the window.
    pub per: Duration,
}

/// Behaviour of the real provider that documentation does not settle, each with the choice made here.
#[derive(Debug, Clone)]
pub struct Unknowns {
    /// Endpoints in the answer about a powered-off service.
    pub powered_off_connection: PoweredOffConnection,
    /// Whether a service may be powered off before it has a backup.
    pub power_off_without_backup: PowerOffWithoutBackup,
    /// Whether a powered-off service accepts changes.
    pub powered_off_updates: PoweredOffUpdates,
    /// Status of the refusal to power off a protected service (403, on some platforms 400).
    pub protected_power_off_status: u16,
    /// Status of operations on the data of a powered-off service (409 or 503).
    pub powered_off_data_status: u16,
    /// Status of the refusal to delete a VPC in use.
    pub vpc_delete_refusal_status: u16,
    /// Status of the refusal to create a VPC whose network overlaps with that of another one in its cloud.
    pub vpc_overlap_status: u16,
    /// `Retry-After` sent with 429 and 503.
    pub retry_after: Option<Duration>,
    /// Secrets when a read does not set `include_secrets`, until `secrets_hidden_from`.
    pub secrets_by_default: DefaultSecrets,
    /// From when on secrets are redacted unless a read requests them.
    pub secrets_hidden_from: DateTime<Utc>,
    /// Secrets when the request wants them and the token may not read them.
    pub secrets_without_permission: DeniedSecrets,
    /// How the name is written in `Service … does not exist`.
    pub name_quoting: NameQuoting,
    /// Format of the items of `connection_info`.
    pub connection_info_items: EndpointFormat,
    /// Create-only `user_config` keys in an update.
    pub create_only_on_update: CreateOnlyOnUpdate,
    /// Handling of undeclared top-level body keys.
    pub unknown_body_keys: UnknownKeys,
    /// Whether read replicas are limited to startup plans.
    pub replicas_need_startup_plan: bool,
    /// Reads that still answer `RUNNING` after an update that rebuilds the service.
    pub running_reads_after_rebuild: u32,
    /// Reads of a new service that answer 404.
    pub missing_reads_after_create: u32,
    /// POSTs below a new service that answer 404.
    pub missing_posts_after_create: u32,
    /// Reads of a new user that answer 404.
    pub missing_user_reads: u32,
    /// Reads of a user that show no password after a reset.
    pub blank_password_reads: u32,
    /// `user_config` keys whose value is echoed in another form than it was sent, by key.
    pub rewritten_user_config: BTreeMap<String, serde_json::Value>,
}

impl Default for Unknowns {
    fn default() -> Self {
        Self {
            powered_off_connection: PoweredOffConnection::Retained,
            power_off_without_backup: PowerOffWithoutBackup::Rejected { status: 400 },
            powered_off_updates: PoweredOffUpdates::Accepted,
            protected_power_off_status: 403,
            powered_off_data_status: 409,
            vpc_delete_refusal_status: 409,
            vpc_overlap_status: 409,
            retry_after: None,
            secrets_by_default: DefaultSecrets::Shown,
            secrets_hidden_from: SECRETS_HIDDEN_FROM.parse().unwrap_or_default(),
            secrets_without_permission: DeniedSecrets::Forbidden,
            name_quoting: NameQuoting::Bare,
            connection_info_items: EndpointFormat::Uri,
            create_only_on_update: CreateOnlyOnUpdate::Rejected,
            unknown_body_keys: UnknownKeys::Rejected,
            replicas_need_startup_plan: true,
            running_reads_after_rebuild: 0,
            missing_reads_after_create: 0,
            missing_posts_after_create: 0,
            missing_user_reads: 0,
            blank_password_reads: 0,
            rewritten_user_config: BTreeMap::new(),
        }
    }
}

/// Endpoints in the answer about a powered-off service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoweredOffConnection {
    /// The same as while it ran.
    Retained,
    /// `null` and empty.
    Null,
}

/// Whether a service may be powered off before it has a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerOffWithoutBackup {
    /// Accepted, with loss of data, unless the request forbids an unclean power-off.
    Accepted,
    /// Refused.
    Rejected {
        /// Status of the refusal.
        status: u16,
    },
}

/// Whether a powered-off service accepts changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoweredOffUpdates {
    /// Accepted, effective when the service is powered on.
    Accepted,
    /// Refused.
    Rejected {
        /// Status of the refusal.
        status: u16,
    },
}

/// Secrets when a read does not set `include_secrets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultSecrets {
    /// Shown.
    Shown,
    /// Those of the connection are shown, those inside `user_config` are replaced by `<redacted>`.
    ConnectionOnly,
    /// Replaced by `<redacted>`.
    Redacted,
    /// Empty strings.
    Empty,
}

/// Secrets when the request wants them and the token may not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedSecrets {
    /// Replaced by `<redacted>`, as for read-only users from before permissions were granular.
    Redacted,
    /// The request is refused with 403.
    Forbidden,
}

/// How the name is written in `Service … does not exist`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameQuoting {
    /// `Service cache does not exist`
    Bare,
    /// `Service 'cache' does not exist`
    Single,
    /// `Service "cache" does not exist`
    Double,
}

/// Format of the items of `connection_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointFormat {
    /// A complete URI with credentials.
    Uri,
    /// `host:port`
    HostAndPort,
}

/// Create-only `user_config` keys in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOnlyOnUpdate {
    /// Dropped silently.
    Ignored,
    /// Answered with 400.
    Rejected,
}

/// Handling of undeclared top-level body keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// Dropped silently.
    Ignored,
    /// Answered with 400.
    Rejected,
}
