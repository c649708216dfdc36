//! The `userConfig` of `Redis`. Written by the generator from `schemas/redis.json`: change that file instead.

use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::pattern::compile;
use super::{FromText, PropertyFacts, objects_or_texts};
use crate::sensitive::SensitiveString;

/// What the provider's schema says about each property, sorted by name.
pub const FACTS: &[PropertyFacts] = &[
    PropertyFacts::of("additional_backup_regions").unset_to("[]"),
    PropertyFacts::of("backup_hour").nullable(),
    PropertyFacts::of("backup_minute").nullable(),
    PropertyFacts::of("ip_filter").defaults_to(r#"["0.0.0.0/0","::/0"]"#),
    PropertyFacts::of("migration").nullable(),
    PropertyFacts::of("private_access").unset_to(r#"{"prometheus":false,"redis":false}"#),
    PropertyFacts::of("privatelink_access").unset_to(r#"{"prometheus":false,"redis":false}"#),
    PropertyFacts::of("project_to_fork_from").create_only().nullable(),
    PropertyFacts::of("public_access").unset_to(r#"{"prometheus":false,"redis":false}"#),
    PropertyFacts::of("recovery_basebackup_name"),
    PropertyFacts::of("redis_acl_channels_default").unset_to(r#""allchannels""#),
    PropertyFacts::of("redis_io_threads").restarts().unset_to("1"),
    PropertyFacts::of("redis_lfu_decay_time").defaults_to("1"),
    PropertyFacts::of("redis_lfu_log_factor").defaults_to("10"),
    PropertyFacts::of("redis_maxmemory_policy").nullable().defaults_to(r#""noeviction""#),
    PropertyFacts::of("redis_notify_keyspace_events").defaults_to(r#""""#),
    PropertyFacts::of("redis_number_of_databases").restarts().unset_to("16"),
    PropertyFacts::of("redis_persistence").unset_to(r#""rdb""#),
    PropertyFacts::of("redis_pubsub_client_output_buffer_limit"),
    PropertyFacts::of("redis_ssl").defaults_to("true"),
    PropertyFacts::of("redis_timeout").defaults_to("300"),
    PropertyFacts::of("redis_version").nullable(),
    PropertyFacts::of("service_log").nullable(),
    PropertyFacts::of("service_to_fork_from").create_only().nullable(),
    PropertyFacts::of("static_ips").unset_to("false"),
];

/// Configuration of the Redis service itself. Only keys that are given are ever compared or sent; removing a
/// key resets it to Aiven's default, where it has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct RedisUserConfig {
    /// Cloud region that every backup is also copied to, besides the region of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 1))]
    #[schemars(inner(length(max = 256), regex(pattern = *ADDITIONAL_BACKUP_REGIONS_ITEM)))]
    pub additional_backup_regions: Option<Vec<String>>,
    /// Hour of the day, in UTC, at which the daily backup starts. A backup only starts once the previous one
    /// is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0, max = 23))]
    pub backup_hour: Option<i64>,
    /// Minute of the hour at which the daily backup starts. A backup only starts once the previous one is
    /// complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0, max = 59))]
    pub backup_minute: Option<i64>,
    /// Networks that may connect to the service. An empty list lets nobody in; without the field everybody
    /// may connect. Aiven's default is `["0.0.0.0/0","::/0"]`.
    #[serde(default, deserialize_with = "objects_or_texts", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 8000), nested)]
    pub ip_filter: Option<Vec<IpFilter>>,
    /// Bring in the data of another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub migration: Option<Migration>,
    /// Which ports of the service can be reached from private networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub private_access: Option<PrivateAccess>,
    /// Which components of the service can be reached through PrivateLink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub privatelink_access: Option<PrivatelinkAccess>,
    /// Project of the service to copy, when it is another project. Only counts when the service is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 63), regex(path = *PROJECT_TO_FORK_FROM))]
    pub project_to_fork_from: Option<String>,
    /// Which ports of a service inside a private network can also be reached from the public Internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub public_access: Option<PublicAccess>,
    /// Name of the backup that a forked service starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 128), regex(path = *RECOVERY_BASEBACKUP_NAME))]
    pub recovery_basebackup_name: Option<String>,
    /// Pub/sub channels that a new user without own ACL may use. Without the field every channel
    /// (`allchannels`). Does not change the server option `acl-pubsub-default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["allchannels", "resetchannels"]))]
    pub redis_acl_channels_default: Option<String>,
    /// Number of I/O threads. Changing it restarts the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 32))]
    pub redis_io_threads: Option<i64>,
    /// Minutes after which the access counter of the LFU eviction policies decays. Aiven's default is `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 120))]
    pub redis_lfu_decay_time: Option<i64>,
    /// Logarithm factor of the access counter of the LFU eviction policies. Aiven's default is `10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0, max = 100))]
    pub redis_lfu_log_factor: Option<i64>,
    /// What Redis does when its memory is full. Aiven's default is `noeviction`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["allkeys-lfu", "allkeys-lru", "allkeys-random", "noeviction", "volatile-lfu", "volatile-lru", "volatile-random", "volatile-ttl"]))]
    pub redis_maxmemory_policy: Option<String>,
    /// Which keyspace events are published, as the letters of the server option `notify-keyspace-events`.
    /// Empty turns them off. Aiven's default is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 32), regex(path = *REDIS_NOTIFY_KEYSPACE_EVENTS))]
    pub redis_notify_keyspace_events: Option<String>,
    /// Number of databases. Changing it restarts the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 128))]
    pub redis_number_of_databases: Option<i64>,
    /// With `rdb`, Redis saves its data every 10 minutes if it changed, and for every backup. With `off`
    /// nothing is saved or backed up: data is lost whenever the service restarts or is powered off, and it
    /// cannot be forked. Quote the word in YAML: `"off"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["off", "rdb"]))]
    pub redis_persistence: Option<String>,
    /// Output buffer limit of pub/sub clients in MB. This is the hard limit, the soft limit is a quarter of
    /// it. Mind the memory of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 32, max = 512))]
    pub redis_pubsub_client_output_buffer_limit: Option<i64>,
    /// Only let clients connect over TLS. Aiven's default is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_ssl: Option<bool>,
    /// Seconds after which an idle connection is closed. 0 keeps idle connections open. Aiven's default is
    /// `300`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 0, max = 2_073_600))]
    pub redis_timeout: Option<i64>,
    /// Major version of Redis. Changing it rebuilds the nodes; a service can be upgraded but not downgraded.
    /// Quote the number in YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["7.0"]))]
    pub redis_version: Option<String>,
    /// Keep the logs of the service, to be read through the API and the console of Aiven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_log: Option<bool>,
    /// Service whose backup the new service starts with. Only counts when the service is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 64), regex(path = *SERVICE_TO_FORK_FROM))]
    pub service_to_fork_from: Option<String>,
    /// Use static public IP addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_ips: Option<bool>,
}

/// A network, with an optional note about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct IpFilter {
    /// Note about the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 1024))]
    pub description: Option<String>,
    /// Network in CIDR notation, such as `10.20.0.0/16`.
    #[validate(length(max = 43))]
    pub network: String,
}

impl FromText for IpFilter {
    fn from_text(network: String) -> Self {
        Self { network, ..Self::default() }
    }
}

/// Bring in the data of another server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct Migration {
    /// Database used for the first connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 63))]
    pub dbname: Option<String>,
    /// Host name or IP address of the server to migrate from.
    #[validate(length(max = 255))]
    pub host: String,
    /// Databases to leave out, separated by commas. Only MySQL and PostgreSQL honour it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 2048))]
    pub ignore_dbs: Option<String>,
    /// Database roles to leave out, separated by commas. Only PostgreSQL honours it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 2048))]
    pub ignore_roles: Option<String>,
    /// How the data is moved: one copy (`dump`) or a copy that keeps following the source (`replication`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["dump", "replication"]))]
    pub method: Option<String>,
    /// Password for the server to migrate from. It is stored in the resource in plain text: use one that is
    /// only good for the migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    #[schemars(extend("format" = "password"))]
    pub password: Option<SensitiveString>,
    /// Port of the server to migrate from.
    #[validate(range(min = 1, max = 65_535))]
    pub port: i64,
    /// Whether the server to migrate from is reached over TLS. Aiven's default is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl: Option<bool>,
    /// User for the server to migrate from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 256))]
    pub username: Option<String>,
}

/// Which ports of the service can be reached from private networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct PrivateAccess {
    /// Give Prometheus a DNS name that always resolves to private addresses. Only in some network locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<bool>,
    /// Give clients a DNS name for Redis that always resolves to private addresses. Only in some network
    /// locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<bool>,
}

/// Which components of the service can be reached through PrivateLink.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct PrivatelinkAccess {
    /// Offer Prometheus through PrivateLink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<bool>,
    /// Offer Redis through PrivateLink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<bool>,
}

/// Which ports of a service inside a private network can also be reached from the public Internet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct PublicAccess {
    /// Let Prometheus be reached from the public Internet when the service is in a VPC or another private
    /// network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<bool>,
    /// Let Redis be reached from the public Internet when the service is in a VPC or another private network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<bool>,
}

static ADDITIONAL_BACKUP_REGIONS_ITEM: LazyLock<Regex> = LazyLock::new(|| compile("^[a-z0-9-]+$"));
static PROJECT_TO_FORK_FROM: LazyLock<Regex> = LazyLock::new(|| compile("^[a-z][-a-z0-9]{0,63}$|^$"));
static RECOVERY_BASEBACKUP_NAME: LazyLock<Regex> = LazyLock::new(|| compile("^[a-zA-Z0-9-_:.]+$"));
static REDIS_NOTIFY_KEYSPACE_EVENTS: LazyLock<Regex> = LazyLock::new(|| compile(r"^[KEg\$lshzxentdmA]*$"));
static SERVICE_TO_FORK_FROM: LazyLock<Regex> = LazyLock::new(|| compile("^[a-z][-a-z0-9]{0,63}$|^$"));
