//! Settings of the fake provider, all of which a test can change while the fake runs.

use std::time::Duration;

use crate::token::TokenSpec;

/// How long a change takes until the provider reports its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// The next `n` reads still return the earlier state.
    Reads(u32),
    /// A duration of the clock that [`crate::FakeProvider::advance`] moves.
    Time(Duration),
    /// Nothing happens until [`crate::FakeProvider::finish_builds`].
    Manual,
}

/// What a read without the query key `include_secrets` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretDefault {
    /// Connection secrets are present, secrets inside `user_config` are not (until 2027-03-01).
    Shown,
    /// All secrets are `<redacted>` (from 2027-03-01).
    Redacted,
}

/// Connection fields of a powered-off service. The reference leaves this open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOffShape {
    /// `service_uri` is null, parameters, components, and connection info are empty.
    Missing,
    /// `service_uri` is an empty string, optional connection fields are absent.
    EmptyStrings,
    /// All fields keep their values.
    Retained,
}

/// Answer to a power-off of a service without a backup. The reference leaves this open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UncleanPowerOff {
    /// Accepted with data loss unless the query has `allow_unclean_poweroff=false`.
    LosesData,
    /// Refused with 409 whatever the query.
    Refused,
}

/// Form of error bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `errors` is a list of objects and `message` repeats the first of them.
    Objects,
    /// `errors` is a string.
    Text,
    /// `errors` is absent.
    MessageOnly,
    /// As `Objects`, without `error_code` (codes are being rolled out progressively).
    WithoutCodes,
}

/// Odd but legal variations of service objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Fields that are null; see [`OPTIONAL_FIELDS`].
    pub null_fields: Vec<String>,
    /// Fields that are absent; see [`OPTIONAL_FIELDS`].
    pub absent_fields: Vec<String>,
    /// Integers are written as floats: `25600.0`.
    pub floats: bool,
    /// A `state` that is outside the documented enum.
    pub unknown_state: Option<String>,
    /// Unknown fields and list items appear on every level.
    pub extra_fields: bool,
}

/// Fields of a service object that the reference lists as optional.
pub const OPTIONAL_FIELDS: [&str; 21] = [
    "backups",
    "cloud_description",
    "components",
    "connection_info",
    "databases",
    "disk_space_mb",
    "features",
    "is_cluster_plan",
    "maintenance",
    "metadata",
    "node_count",
    "node_cpu_count",
    "node_memory_mb",
    "node_states",
    "server_group",
    "service_notifications",
    "service_type_description",
    "service_uri_params",
    "tags",
    "tech_emails",
    "users",
];

/// Settings of a [`crate::FakeProvider`]. The defaults follow the API reference; where it is open,
/// they take the variant that is harder for a client.
#[derive(Clone, Debug)]
pub struct Config {
    /// Access tokens.
    pub tokens: Vec<TokenSpec>,
    /// Projects that exist at the start.
    pub projects: Vec<String>,
    /// Cloud of a service that is created without one.
    pub default_cloud: String,
    /// Duration of `REBUILDING` and `REBALANCING`.
    pub build: Delay,
    /// Time between the answer to a change and the new state; reads keep the earlier state until then.
    pub change_start: Delay,
    /// Time between `RUNNING` and the first backup.
    pub first_backup: Delay,
    /// Time a VPC spends in `APPROVED` and in `DELETING`.
    pub vpc: Delay,
    /// Time a VPC stays in use after its last service is deleted.
    pub vpc_release: Delay,
    /// Duration of a data migration.
    pub migration: Delay,
    /// Reads that return `done` before a finished migration answers 404.
    pub migration_done_reads: u32,
    /// Time until reads see a write.
    pub read_lag: Option<Delay>,
    /// Number of `POST` requests below a new service that answer 404.
    pub post_lag: u32,
    /// Reads that miss a user after its creation.
    pub user_lag_reads: u32,
    /// Reads in which a reset password is null in `users` and old in `service_uri_params`.
    pub reset_lag_reads: u32,
    /// What reads without `include_secrets` return.
    pub secret_default: SecretDefault,
    /// Lists never show secrets.
    pub hide_secrets_in_lists: bool,
    /// No token has the permission `service:secrets:read`.
    pub hide_secrets_everywhere: bool,
    /// CIDR host bits are cleared, e-mail addresses become lower case, ACL lists are sorted.
    pub normalize: bool,
    /// The creation of Redis services is open (closed since 2025-02-15).
    pub redis_creation: bool,
    /// Connection fields of a powered-off service.
    pub power_off_shape: PowerOffShape,
    /// Power-off without a backup.
    pub unclean_power_off: UncleanPowerOff,
    /// Form of error bodies.
    pub error_style: ErrorStyle,
    /// Odd but legal service objects.
    pub shapes: Shapes,
}

/// Token that [`Config::default`] accepts in every project.
pub const DEFAULT_TOKEN: &str = "fake-token";

/// Project of [`Config::default`].
pub const DEFAULT_PROJECT: &str = "acme-prod";

impl Default for Config {
    fn default() -> Self {
        Self {
            tokens: vec![TokenSpec::full(DEFAULT_TOKEN)],
            projects: vec![DEFAULT_PROJECT.to_owned()],
            default_cloud: "google-europe-west1".to_owned(),
            build: Delay::Reads(2),
            change_start: Delay::Reads(1),
            first_backup: Delay::Time(Duration::from_mins(5)),
            vpc: Delay::Reads(2),
            vpc_release: Delay::Reads(1),
            migration: Delay::Reads(3),
            migration_done_reads: 1,
            read_lag: None,
            post_lag: 1,
            user_lag_reads: 1,
            reset_lag_reads: 1,
            secret_default: SecretDefault::Shown,
            hide_secrets_in_lists: false,
            hide_secrets_everywhere: false,
            normalize: false,
            redis_creation: false,
            power_off_shape: PowerOffShape::Missing,
            unclean_power_off: UncleanPowerOff::LosesData,
            error_style: ErrorStyle::Objects,
            shapes: Shapes::default(),
        }
    }
}
