//! One simulated service: its requested configuration, its current state, and its connection. Everything needed to
//! connect is in [`Connection`] and nowhere else. The lifecycle moves it over time, and the rendering makes the wire
//! format.

use super::backing::Backing;
use super::catalogue::{Cloud, Plan, ServiceType};
use super::clock::Moment;
use super::lifecycle::Lifecycle;
use super::render::Rendered;
use super::schema::{Object, Schema};
use super::secret::Secret;
use crate::servers;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

/// Days on which maintenance may happen.
pub(super) const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A service of a project.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "`service_type` is the word of the API")]
pub(super) struct Service {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) service_type: ServiceType,
    pub(super) plan: Arc<Plan>,
    pub(super) cloud: Arc<Cloud>,
    pub(super) vpc: Option<String>,
    pub(super) disk_mb: u64,
    pub(super) maintenance: MaintenanceWindow,
    /// Pending maintenance, in wire format.
    pub(super) pending_updates: Vec<Value>,
    pub(super) termination_protection: bool,
    pub(super) tech_emails: Vec<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) user_config: Object,
    pub(super) create_time: Moment,
    pub(super) update_time: Moment,
    pub(super) integrations: Vec<Arc<Integration>>,
    pub(super) backups: Vec<Backup>,
    pub(super) next_backup: Option<Moment>,
    pub(super) lifecycle: Lifecycle,
    /// Whether the service ran at least once: only then does it have endpoints and data.
    pub(super) ever_ran: bool,
    /// Number of the first of the current nodes; grows whenever nodes are replaced.
    pub(super) first_node: u32,
    /// Data held, which no smaller plan can take.
    pub(super) data_mb: u64,
    pub(super) migration_since: Option<Moment>,
    pub(super) removal_announced: bool,
    pub(super) connection: Connection,
    pub(super) lag: Lag,
    /// The real server behind the service; `None` when it is simulated.
    pub(super) backing: Option<Backing>,
    pub(super) rendered: Rendered,
}

/// Everything a client needs to reach the service.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) host: String,
    pub(super) port: u16,
    /// The extra port of a service that also talks without TLS.
    pub(super) plain_port: u16,
    /// Users with their passwords; the first is the main user.
    pub(super) users: Vec<User>,
}

impl Connection {
    pub(super) fn new(project: &str, service: &str, service_type: ServiceType, now: Moment) -> Self {
        let port = 10_000 + (stable_hash(&(project, service)) % 20_000) as u16;
        let access = json!({ "categories": ["+@all"], "keys": ["*"], "channels": ["*"] });
        let main = User {
            name: service_type.main_user().to_owned(),
            password: Secret::generate(),
            kind: "primary",
            access: access.as_object().cloned().unwrap_or_default(),
            password_time: now,
            missing_reads: 0,
            blank_reads: 0,
        };
        let host = made_up_host(project, service);
        Self { host, port, plain_port: port + 1, users: vec![main] }
    }

    pub(super) fn main_user(&self) -> Option<&User> {
        self.users.first()
    }

    /// The port for clients that may or must not use TLS.
    pub(super) fn port(&self, tls: bool) -> u16 {
        if tls { self.port } else { self.plain_port }
    }

    /// Host of the standby nodes; they exist only where the whole service is made up.
    pub(super) fn replica_host(&self) -> String {
        if self.host == servers::HOST { self.host.clone() } else { format!("replica-{}", self.host) }
    }
}

/// The host name of a service as the provider would choose it.
pub(super) fn made_up_host(project: &str, service: &str) -> String {
    format!("{service}-{project}.sandbox.localhost")
}

/// A user of a service.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: Secret,
    pub(super) kind: &'static str,
    /// Access lists by short name: `categories`, `commands`, `keys`, `channels`.
    pub(super) access: Object,
    pub(super) password_time: Moment,
    /// Reads that still answer 404.
    pub(super) missing_reads: u32,
    /// Reads that still show no password.
    pub(super) blank_reads: u32,
}

/// When maintenance may happen.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct MaintenanceWindow {
    pub(super) day: String,
    pub(super) time: String,
}

/// A backup of a service.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Backup {
    pub(super) time: Moment,
    pub(super) bytes: u64,
    pub(super) location: String,
}

impl Backup {
    pub(super) fn name(&self) -> String {
        self.time.format("backup-%Y%m%dt%H%M%S%6fz").to_string()
    }
}

/// A connection between two services, or a service and an endpoint; listed on both services.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Integration {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) source: Side,
    pub(super) destination: Side,
    pub(super) user_config: Value,
}

/// One end of an integration.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) project: String,
    pub(super) service: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) kind: String,
}

/// Reads and posts for which a recent change is not visible yet.
#[derive(Clone, Copy, Default)]
pub(super) struct Lag {
    pub(super) running_reads: u32,
    pub(super) missing_reads: u32,
    pub(super) missing_posts: u32,
}

impl Service {
    /// Whether some recent change is not visible to readers yet.
    pub(super) fn has_lagging_reads(&self) -> bool {
        self.lag.running_reads > 0
            || self.lag.missing_reads > 0
            || self.connection.users.iter().any(|user| user.blank_reads > 0)
    }

    /// Counts one read against everything that is not visible yet.
    pub(super) fn count_read(&mut self) {
        let visible = self.lag.missing_reads == 0;
        self.lag.missing_reads = self.lag.missing_reads.saturating_sub(1);
        if visible {
            self.lag.running_reads = self.lag.running_reads.saturating_sub(1);
            for user in &mut self.connection.users {
                user.blank_reads = user.blank_reads.saturating_sub(1);
            }
        }
    }

    /// Whether this is a read replica: those have no backups.
    pub(super) fn is_replica(&self) -> bool {
        self.integrations.iter().any(|integration| {
            integration.kind == "read_replica"
                && integration.destination.project == self.project
                && integration.destination.service.as_deref() == Some(&self.name)
        })
    }

    pub(super) fn replicas(&self) -> usize {
        let is_source = |integration: &&Arc<Integration>| {
            integration.kind == "read_replica"
                && integration.source.project == self.project
                && integration.source.service.as_deref() == Some(&self.name)
        };
        self.integrations.iter().filter(is_source).count()
    }

    /// Value of the `user_config` key that starts with the name of the service type.
    pub(super) fn engine_setting(&self, suffix: &str) -> Option<&Value> {
        self.user_config.get(&format!("{}_{suffix}", self.service_type.name()))
    }

    pub(super) fn persists(&self) -> bool {
        self.engine_setting("persistence").and_then(Value::as_str) != Some("off")
    }

    /// Whether the platform takes backups of this service.
    pub(super) fn takes_backups(&self) -> bool {
        self.persists() && !self.is_replica()
    }

    pub(super) fn uses_tls(&self) -> bool {
        self.engine_setting("ssl") != Some(&Value::Bool(false))
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.engine_setting("version").and_then(Value::as_str)
    }

    /// The platform's in-place replacement of Redis by Valkey: same name, hosts and credentials.
    pub(super) fn become_valkey(&mut self) {
        self.service_type = ServiceType::Valkey;
        let schema = Schema::of(ServiceType::Valkey);
        let mut config = schema.defaults();
        for (key, value) in std::mem::take(&mut self.user_config) {
            let key = key.replacen("redis_", "valkey_", 1);
            if schema.has(&key) && key != "valkey_version" {
                config.insert(key, value);
            }
        }
        self.user_config = config;
    }
}

/// A hash that is the same in every run, for numbers that only have to appear arbitrary.
pub(super) fn stable_hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
