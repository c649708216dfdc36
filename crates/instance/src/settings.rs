//! The settings of one instance, as a file in YAML or JSON that the operator writes.
//!
//! Guarantees: what is read is complete and consistent; directives that would take the decision about roles,
//! users or addresses out of the manager's hands are refused.

pub use crate::certificate::{ClientAuth, ServerTls};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use valkeeper_failover::protocol::Timing;

/// The variable that makes a server listen on the address of its pod only, where pods share a network.
const LISTEN_ON_POD_IP: &str = "LISTEN_ON_POD_IP";

/// Directives that only the manager sets.
pub const RESERVED_DIRECTIVES: [&str; 42] = [
    "acl-pubsub-default",
    "aclfile",
    "appenddirname",
    "appendfilename",
    "appendonly",
    "bind",
    "cluster-enabled",
    "daemonize",
    "dbfilename",
    "dir",
    "include",
    "masterauth",
    "masteruser",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "pidfile",
    "port",
    "primaryauth",
    "primaryuser",
    "rename-command",
    "replica-announce-ip",
    "replica-announce-port",
    "replica-read-only",
    "replicaof",
    "requirepass",
    "slave-read-only",
    "slaveof",
    "supervised",
    "tls-auth-clients",
    "tls-auto-reload-interval",
    "tls-ca-cert-dir",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-cluster",
    "tls-key-file",
    "tls-port",
    "tls-replication",
    "unixsocket",
    "unixsocketperm",
    "user",
];

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot use {path}: {reason}")]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where the data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Persistence {
    /// In memory only.
    #[default]
    None,
    /// In snapshots.
    Snapshot,
    /// In an append-only file.
    AppendOnly,
}

/// Certificate chain, private key and the authority of the other side, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authority that signs the certificates of the other side.
    pub authority: PathBuf,
}

/// The lease that the primary holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeaseSettings {
    /// A Lease of the Kubernetes API.
    Kubernetes {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A file, for instances on one machine.
    File(PathBuf),
    /// None: this is the only instance of its cluster.
    Alone,
}

/// How many replicas a write needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MinReplicas {
    /// How many; 0 for none.
    pub count: u32,
    /// How many seconds ago they must have answered.
    pub max_lag: u32,
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerSettings {
    /// The program.
    pub program: PathBuf,
    /// Addresses to listen on.
    #[serde(default)]
    pub bind: Vec<String>,
    /// Port for clients.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The name or address under which other instances and clients reach it.
    pub host: String,
    /// TLS between clients and servers, and among servers.
    #[serde(default)]
    pub tls: Option<ServerTls>,
    /// Who may log in, as a file that is read again when it changes; everybody may without one.
    #[serde(default)]
    pub access_file: Option<PathBuf>,
    /// Where the data is kept.
    #[serde(default)]
    pub persistence: Persistence,
    /// Bytes of data; 0 for no limit.
    #[serde(default)]
    pub max_memory: u64,
    /// How many replicas a write needs.
    #[serde(default)]
    pub min_replicas: MinReplicas,
    /// Other directives.
    #[serde(default)]
    pub directives: BTreeMap<String, String>,
}

/// Where verbs are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlSettings {
    /// Address and port.
    pub address: SocketAddr,
    /// Mutual TLS; without it, only a loopback address is accepted.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
}

/// Whether clients that ask like those of Sentinel need the password of the default user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SentinelPassword {
    /// They do.
    #[default]
    Required,
    /// They do not; one that is given has to be right.
    Optional,
}

/// Where the protocol of Sentinel is answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentinelSettings {
    /// Address and port; all instances have the same port.
    pub address: SocketAddr,
    /// The name of the cluster, as clients have it in their settings.
    pub name: String,
    /// How many instances there should be.
    pub instances: u32,
    /// Whether clients need the password.
    #[serde(default)]
    pub password: SentinelPassword,
}

/// Where the managers of other instances are, whose consent a primary needs to go on without its lease.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerSettings {
    /// A name that the certificates of all of them are for.
    pub host: String,
    /// The port for verbs of all of them.
    pub port: u16,
}

/// Intervals, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Intervals {
    /// How long the lease must be seen unchanged before another instance may take it.
    pub lease_duration: u64,
    /// When the server of a primary that cannot renew is killed.
    pub hard_deadline: u64,
    /// When such a primary begins to fence itself.
    pub soft_deadline: u64,
    /// How often the lease is renewed.
    pub renew_interval: u64,
    /// How long after a failure the lease is read again.
    pub retry_interval: u64,
    /// How long an answer of the API server is waited for.
    pub request_timeout: u64,
    /// How long the server may take to confirm that it is held.
    pub fence_timeout: u64,
    /// How long after the last renewal peers are asked for their consent, where the settings name them.
    pub consent_after: u64,
    /// How long the server of a primary may not answer.
    pub server_timeout: u64,
    /// How long the whole end may take, of which the last third is for the server.
    pub grace_period: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            lease_duration: 15_000,
            hard_deadline: 10_000,
            soft_deadline: 9_000,
            renew_interval: 2_000,
            retry_interval: 500,
            request_timeout: 2_000,
            fence_timeout: 1_000,
            consent_after: 4_000,
            server_timeout: 5_000,
            grace_period: 30_000,
        }
    }
}

impl Intervals {
    /// As the protocol takes them.
    pub fn timing(&self) -> Timing {
        Timing {
            lease_duration: Duration::from_millis(self.lease_duration),
            hard_deadline: Duration::from_millis(self.hard_deadline),
            soft_deadline: Duration::from_millis(self.soft_deadline),
            renew_interval: Duration::from_millis(self.renew_interval),
            retry_interval: Duration::from_millis(self.retry_interval),
            request_timeout: Duration::from_millis(self.request_timeout),
            fence_timeout: Duration::from_millis(self.fence_timeout),
            consent_after: Duration::from_millis(self.consent_after),
            ..Timing::default()
        }
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Name of the instance; the variable `POD_NAME` if it is not set.
    #[serde(default)]
    pub name: String,
    /// UID of its pod; the variable `POD_UID` if it is not set.
    #[serde(default)]
    pub pod: String,
    /// Folder of the data, and of what is remembered between starts.
    pub data_dir: PathBuf,
    /// Folder for the socket and the configuration of the server.
    pub runtime_dir: PathBuf,
    /// The server.
    pub server: ServerSettings,
    /// Where verbs are taken.
    pub control: ControlSettings,
    /// Where probes and metrics are answered.
    pub health: SocketAddr,
    /// Where the protocol of Sentinel is answered; nowhere by default.
    #[serde(default)]
    pub sentinel: Option<SentinelSettings>,
    /// The lease.
    #[serde(deserialize_with = "serde_yaml::with::singleton_map::deserialize")]
    pub lease: LeaseSettings,
    /// With them, a primary that cannot renew its lease goes on while they consent; it stops otherwise.
    #[serde(default)]
    pub peers: Option<PeerSettings>,
    /// Name of the instance whose data comes from a backup: before the first start of its server, one has to be named.
    #[serde(default)]
    pub restore: Option<String>,
    /// Intervals.
    #[serde(default)]
    pub intervals: Intervals,
    /// Which version of the settings this is, as the operator counts them; reported when they are in force.
    #[serde(default)]
    pub revision: String,
}

const fn default_port() -> u16 {
    6379
}

impl Settings {
    /// Reads a file; `variable` answers the environment, from which `$(NAME)` is replaced.
    pub fn read(path: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let text = expand(&read(path)?, &variable);
        let invalid = |reason: String| SettingsError::Invalid { path: path.to_owned(), reason };
        let mut settings: Self = serde_yaml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        for (field, name) in [(&mut settings.name, "POD_NAME"), (&mut settings.pod, "POD_UID")] {
            if field.is_empty() {
                *field = variable(name).unwrap_or_default();
            }
        }
        settings.server.tls = settings.server.tls.filter(ServerTls::is_mounted);
        if let Some(address) = variable(LISTEN_ON_POD_IP).and_then(|_| variable("POD_IP")) {
            settings.listen_on(&address).map_err(&invalid)?;
        }
        settings.check().map_err(invalid)?;
        Ok(settings)
    }

    /// Listens on this address alone, wherever the settings name none.
    fn listen_on(&mut self, address: &str) -> Result<(), String> {
        let parsed: IpAddr = address.parse().map_err(|_| format!("POD_IP is no address: {address:?}"))?;
        let sentinel = self.sentinel.as_mut().map(|sentinel| &mut sentinel.address);
        for socket in [&mut self.control.address, &mut self.health].into_iter().chain(sentinel) {
            if socket.ip().is_unspecified() {
                socket.set_ip(parsed);
            }
        }
        if self.server.bind.is_empty() {
            self.server.bind = vec![address.to_owned()];
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let is_part = |text: &str| !text.is_empty() && !text.contains('/');
        if !is_part(&self.name) || !is_part(&self.pod) {
            return Err("name and pod are required, in the file or as POD_NAME and POD_UID".to_owned());
        }
        if self.control.tls.is_none() && !self.control.address.ip().is_loopback() {
            return Err("control.tls is required: control.address is not a loopback address".to_owned());
        }
        if self.sentinel.as_ref().is_some_and(|sentinel| sentinel.name.is_empty()) {
            return Err("sentinel.name is required".to_owned());
        }
        for name in self.server.directives.keys() {
            if RESERVED_DIRECTIVES.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(format!("server.directives: {name} is set by the instance manager"));
            }
            if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
                return Err(format!("server.directives: {name:?} is not the name of a directive"));
            }
        }
        let Intervals { lease_duration, hard_deadline, soft_deadline, renew_interval, .. } = self.intervals;
        if !(renew_interval < soft_deadline
            && soft_deadline < hard_deadline
            && hard_deadline < lease_duration)
        {
            return Err("intervals: renewInterval < softDeadline < hardDeadline < leaseDuration is required"
                .to_owned());
        }
        if self.peers.is_some() && self.intervals.consent_after >= soft_deadline {
            return Err("intervals: consentAfter < softDeadline is required".to_owned());
        }
        Ok(())
    }
}

/// Replaces `$(NAME)` by the variable; what is not set stays as it is.
fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let (mut expanded, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("$(") {
        expanded.push_str(before);
        let value = after.split_once(')').and_then(|(name, after)| Some((variable(name)?, after)));
        if let Some((value, after)) = value {
            expanded.push_str(&value);
            rest = after;
        } else {
            expanded.push_str("$(");
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path)
        .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
