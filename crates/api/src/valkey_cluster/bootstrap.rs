//! Where the data of a `ValkeyCluster` comes from when it is created.

use crate::common::SecretKeyReference;
use crate::rules::{PlacedRule, field};
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

/// A running server, whose data is copied and kept up to date until the cluster takes over. It must be a primary without
/// cluster mode. If its format is later than that of this cluster, its data is copied after `cutOver` is set; a cluster
/// of Valkey also follows Redis up to 7.2.
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
    /// A user that may replicate, that is `PSYNC`, `REPLCONF`, `PING` and `INFO`; without it, the default user. It needs
    /// `passwordSecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 128))]
    pub username: Option<String>,
    /// The password; none for a server without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub password_secret_ref: Option<SecretKeyReference>,
    /// TLS; without it, the server is reached without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub tls: Option<BootstrapServerTls>,
    /// Whether the cluster takes over. Stop the clients of the server before: the cluster waits until there was no write for
    /// two seconds, and notices none that comes later.
    #[serde(default)]
    pub cut_over: bool,
}

/// How a running server with TLS is trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapServerTls {
    /// The authority of its certificate, in PEM.
    #[validate(nested)]
    pub ca_secret_ref: SecretKeyReference,
    /// A Secret of type `kubernetes.io/tls` with the certificate that the server asks clients for. Needed if its
    /// `tls-auth-clients` is `yes` or `optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253))]
    pub certificate_secret_name: Option<String>,
    /// The name that its certificate is for, if that is not `host`. Replication itself checks the authority alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(length(min = 1, max = 253), regex(path = *HOST))]
    pub server_name: Option<String>,
}

impl BootstrapServer {
    /// Host and port, for people.
    pub fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
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

/// Message about data that comes from nowhere, or from two places.
pub(super) const BOOTSTRAP_RULE: &str = "must have either backup or server";
/// Message about a user without a password.
pub(super) const USERNAME_RULE: &str = "needs passwordSecretRef";
/// Message about a backup with no source, or with two.
pub(super) const BACKUP_RULE: &str = "must have either name or source";

/// Where the data comes from is asked once, when the cluster is created. A wrong password can be corrected.
pub(super) fn rules() -> [PlacedRule; 6] {
    let same = |part: &str| format!("has(self.bootstrap.{part}) == has(oldSelf.bootstrap.{part})");
    let fixed = format!(
        "has(self.bootstrap) == has(oldSelf.bootstrap) && \
         (!has(self.bootstrap) || {} && {} && \
         (!has(self.bootstrap.backup) || self.bootstrap.backup == oldSelf.bootstrap.backup))",
        same("backup"),
        same("server")
    );
    let server = ["spec", "bootstrap", "server"];
    [
        field(&["spec"], &fixed, "bootstrap is immutable."),
        field(
            &["spec", "bootstrap"],
            "has(self.backup) != has(self.server)",
            &format!("bootstrap {BOOTSTRAP_RULE}."),
        ),
        field(
            &["spec", "bootstrap", "backup"],
            "has(self.name) != has(self.source)",
            &format!("bootstrap.backup {BACKUP_RULE}."),
        ),
        field(
            &server,
            "!has(self.username) || has(self.passwordSecretRef)",
            &format!("bootstrap.server.username {USERNAME_RULE}."),
        ),
        field(
            &server,
            "self.host == oldSelf.host && self.port == oldSelf.port",
            "bootstrap.server: host and port are immutable.",
        ),
        field(
            &server,
            "self.cutOver || !oldSelf.cutOver",
            "bootstrap.server: cutOver stays true once it is.",
        ),
    ]
}
