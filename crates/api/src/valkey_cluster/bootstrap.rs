//! Where the data of a `ValkeyCluster` comes from when it is created.

use crate::common::SecretKeyReference;
use crate::valkey_backup::BackupDestination;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use validator::Validate;

#[expect(clippy::unwrap_used, reason = "a pattern of this program, compiled by every test")]
static HOST: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[A-Za-z0-9][A-Za-z0-9:._-]*$").unwrap());

/// Where the data comes from when a cluster is created: from a backup or from a running server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct Bootstrap {
    /// A backup, which the first server starts with; the others follow it. The server must be able to read its format: of
    /// the version that wrote it, or a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub backup: Option<BootstrapBackup>,
    /// A running server, which the first server follows until `cutOver` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub server: Option<BootstrapServer>,
}

/// A running Valkey or Redis, whose data is copied and kept up to date until the cluster takes over. It must be a primary,
/// without TLS, not a part of Redis Cluster, and not later than the version of this cluster; for Valkey, Redis up to 7.2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapServer {
    /// Its name or address, as pods of the cluster reach it; such as the name of a Service that leads to the primary.
    #[validate(length(min = 1, max = 253), regex(path = *HOST))]
    pub host: String,
    /// Its port.
    #[serde(default = "server_port")]
    #[schemars(range(min = 1, max = 65535))]
    #[validate(range(min = 1, max = 65535))]
    pub port: i32,
    /// A user that may replicate, that is `PSYNC`, `REPLCONF`, `PING` and `INFO`; without it, the default user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 128))]
    pub username: Option<String>,
    /// The password; none for a server without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub password_secret_ref: Option<SecretKeyReference>,
    /// Whether the cluster takes over. Stop the clients of the server before: while it is written to, the cluster waits.
    #[serde(default)]
    pub cut_over: bool,
}

fn server_port() -> i32 {
    6379
}

/// A backup: the name of a resource, or where it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct BootstrapBackup {
    /// A `ValkeyBackup` in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Where it is stored, for a backup whose resource is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub source: Option<BackupSource>,
}

/// Where a backup is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
pub struct BackupSource {
    /// The bucket.
    #[validate(nested)]
    pub destination: BackupDestination,
    /// Key of the backup below the prefix: the folder that has its `manifest.json`.
    #[validate(length(min = 1, max = 512))]
    pub key: String,
}
