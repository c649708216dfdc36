//! The real server behind a service: the configuration that the service wants, and the state that the server reports.
//! A service runs, or is off, only once its server is. The keeper runs the server.

use super::clock::Moment;
use super::lifecycle::{Cause, Lifecycle};
use super::schema::Object;
use super::service::{Service, User, made_up_host};
use super::world::World;
use crate::servers::{self, AclUser, Course, Identity, Migration, Phase, Report, Seed, Settings, Wanted};
use serde_json::Value;

/// Recorded state of the server of a service.
#[derive(Clone, Default)]
pub(super) struct Backing {
    /// What its data starts from.
    pub(super) seed: Option<Seed>,
    /// The transition that its server has completed.
    completed: Option<Moment>,
    pub(super) version: Option<String>,
    /// The migration, until its settings change.
    pub(super) migration: Option<Course>,
}

impl Backing {
    /// Gives a new service a server.
    pub(super) fn attach(service: &mut Service, seed: Option<Seed>) {
        servers::HOST.clone_into(&mut service.connection.host);
        service.backing = Some(Self { seed, ..Self::default() });
    }

    /// Whether the keys of a migration were copied, which is done once.
    pub(super) fn has_copied(&self) -> bool {
        self.migration.as_ref().is_some_and(Course::has_copied)
    }

    /// Records that they were.
    pub(super) fn mark_copied(service: &mut Service) {
        if let Some(backing) = &mut service.backing {
            backing.migration = Some(Course::copied());
        }
    }
}

impl Service {
    /// Distinguishes this service from every other one, including an earlier one of its name.
    pub(super) fn identity(&self) -> Identity {
        Identity { project: self.project.clone(), service: self.name.clone(), created: self.create_time }
    }

    /// The transition in progress, identified by its end.
    fn transition(&self) -> Option<Moment> {
        match self.lifecycle {
            Lifecycle::Building { until, .. } | Lifecycle::PoweringOff { until } => Some(until),
            _ => None,
        }
    }

    /// Whether the server has not completed the transition in progress.
    pub(super) fn waits_for_server(&self) -> bool {
        self.backing.as_ref().is_some_and(|backing| backing.completed != self.transition())
    }

    /// Full version that runs.
    pub(super) fn full_version(&self) -> &str {
        let real = self.backing.as_ref().and_then(|backing| backing.version.as_deref());
        real.unwrap_or_else(|| self.service_type.full_version(self.version()))
    }

    fn phase(&self, now: Moment) -> Phase {
        match self.lifecycle {
            Lifecycle::Building { cause: Cause::Change, until, .. } | Lifecycle::PoweringOff { until }
                if until > now =>
            {
                Phase::Old
            }
            Lifecycle::Building { cause: Cause::Change, .. } => Phase::Replace,
            Lifecycle::PoweringOff { .. } => Phase::Stop,
            Lifecycle::PoweredOff { .. } => Phase::Off,
            _ => Phase::Up,
        }
    }

    /// What the server should be; `None` for a service that has none.
    pub(super) fn wanted(&self, world: &World, now: Moment) -> Option<Wanted> {
        let backing = self.backing.as_ref()?;
        let kind = self.service_type.name();
        let migration = self.user_config.get("migration").filter(|_| !backing.has_copied());
        Some(Wanted {
            host: made_up_host(&self.project, &self.name),
            phase: self.phase(now),
            transition: self.transition(),
            is_redis: kind == "redis",
            settings: Settings::read(kind, &self.user_config, self.plan.data_memory()),
            users: self.connection.users.iter().map(acl).collect(),
            persists: self.persists(),
            source: self.source(world),
            seed: backing.seed.clone(),
            snapshots: self.backups.iter().map(super::service::Backup::name).collect(),
            migration: migration.and_then(Migration::read),
            ports: (self.connection.port, self.connection.plain_port),
        })
    }

    /// The service that this one is a read replica of.
    fn source(&self, world: &World) -> Option<Identity> {
        let integration = self.integrations.iter().find(|integration| {
            integration.kind == "read_replica"
                && integration.destination.project == self.project
                && integration.destination.service.as_deref() == Some(&self.name)
        })?;
        let source = &integration.source;
        world.find(&source.project, source.service.as_deref()?).map(|service| service.identity())
    }

    /// Takes in what the server reports.
    pub(super) fn handle_report(&mut self, report: &Report) {
        if let Some((port, plain_port)) = report.ports {
            (self.connection.port, self.connection.plain_port) = (port, plain_port);
        }
        for backup in &mut self.backups {
            if let Some(bytes) = report.snapshots.get(&backup.name()) {
                backup.bytes = *bytes;
            }
        }
        let Some(backing) = &mut self.backing else { return };
        backing.completed = report.completed;
        backing.version.clone_from(&report.version);
        if report.migration.is_some() {
            backing.migration.clone_from(&report.migration);
        }
    }
}

/// Commands that are disabled at the provider, whatever the rules of a user.
const DISABLED: [&str; 14] = [
    "acl",
    "bgrewriteaof",
    "bgsave",
    "cluster",
    "config",
    "debug",
    "failover",
    "lastsave",
    "migrate",
    "monitor",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
];

/// A user in the notation of the server.
fn acl(user: &User) -> AclUser {
    let mut rules = Vec::new();
    let listed = |key: &str, sign: &str| prefixed(&user.access, key, sign);
    rules.extend(listed("keys", "~"));
    // Without a list, the server's own default for channels applies; where that is all of them, patterns add nothing.
    if user.access.contains_key("channels") {
        rules.push("resetchannels".to_owned());
    }
    rules.extend(listed("channels", "&"));
    rules.extend(listed("categories", ""));
    rules.extend(listed("commands", ""));
    if user.access.is_empty() {
        rules.extend(["~*".to_owned(), "+@all".to_owned()]);
    }
    rules.extend(DISABLED.map(|command| format!("-{command}")));
    AclUser { name: user.name.clone(), password: user.password.expose().to_owned(), rules }
}

fn prefixed(access: &Object, key: &str, sign: &str) -> Vec<String> {
    let items = access.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(|item| format!("{sign}{item}")).collect()
}
