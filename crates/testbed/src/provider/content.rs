//! The whole content of a provider, in a form that outlives it. A provider started with it has the same services with
//! the same credentials. History (events, requests) is not part of it, and neither are tokens and timing, which are
//! set up again.

use super::backing::Backing;
use super::catalogue::ServiceType;
use super::clock::{Clock, Moment};
use super::lifecycle::Lifecycle;
use super::project::{Project, Vpc};
use super::render::Rendered;
use super::schema::Object;
use super::secret::Secret;
use super::service::{Backup, Connection, Integration, Lag, MaintenanceWindow, Service, User, made_up_host};
use super::world::World;
use crate::servers::Seed;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The projects of a provider.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Content {
    /// How far the clock was moved.
    pub(super) offset_milliseconds: i64,
    projects: BTreeMap<String, StoredProject>,
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The services hold passwords.
        formatter.debug_struct("Content").field("projects", &self.projects.keys()).finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredProject {
    services: Vec<StoredService>,
    vpcs: Vec<Vpc>,
    integrations: Vec<Integration>,
    alerts: Vec<Value>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredService {
    name: String,
    service_type: String,
    plan: String,
    cloud: String,
    vpc: Option<String>,
    disk_mb: u64,
    maintenance: MaintenanceWindow,
    pending_updates: Vec<Value>,
    termination_protection: bool,
    tech_emails: Vec<String>,
    tags: BTreeMap<String, String>,
    user_config: Object,
    create_time: Moment,
    update_time: Moment,
    backups: Vec<Backup>,
    next_backup: Option<Moment>,
    lifecycle: Lifecycle,
    ever_ran: bool,
    first_node: u32,
    data_mb: u64,
    migration_since: Option<Moment>,
    migrated: bool,
    removal_announced: bool,
    ports: (u16, u16),
    users: Vec<StoredUser>,
    seed: Option<Seed>,
}

#[derive(Clone, Serialize, Deserialize)]
struct StoredUser {
    name: String,
    password: String,
    primary: bool,
    access: Object,
    password_time: Moment,
}

impl Content {
    pub(super) fn of(world: &World, clock: &Clock) -> Self {
        let project = |(name, project): (&String, &Project)| {
            let stored = StoredProject {
                services: project.services.values().map(|service| StoredService::of(service)).collect(),
                vpcs: project.vpcs.values().cloned().collect(),
                integrations: project.integrations.values().map(|each| Integration::clone(each)).collect(),
                alerts: project.alerts.clone(),
                tags: project.tags.clone(),
            };
            (name.clone(), stored)
        };
        Self {
            offset_milliseconds: clock.offset_milliseconds(),
            projects: world.projects.iter().map(project).collect(),
        }
    }

    pub(super) fn restore(self, world: &mut World) -> anyhow::Result<()> {
        for (name, stored) in self.projects {
            let project = world.projects.entry(name.clone()).or_default();
            (project.alerts, project.tags) = (stored.alerts, stored.tags);
            for service in stored.services {
                let service = service.restore(&name, world)?;
                world.insert(service);
            }
            for vpc in stored.vpcs {
                world.put_vpc(&name, vpc);
            }
            for integration in stored.integrations {
                super::routes::store_integration(world, &Arc::new(integration));
            }
        }
        Ok(())
    }
}

impl StoredService {
    fn of(service: &Service) -> Self {
        let backing = service.backing.as_ref();
        Self {
            name: service.name.clone(),
            service_type: service.service_type.name().to_owned(),
            plan: service.plan.name.clone(),
            cloud: service.cloud.name.clone(),
            vpc: service.vpc.clone(),
            disk_mb: service.disk_mb,
            maintenance: service.maintenance.clone(),
            pending_updates: service.pending_updates.clone(),
            termination_protection: service.termination_protection,
            tech_emails: service.tech_emails.clone(),
            tags: service.tags.clone(),
            user_config: service.user_config.clone(),
            create_time: service.create_time,
            update_time: service.update_time,
            backups: service.backups.clone(),
            next_backup: service.next_backup,
            lifecycle: service.lifecycle,
            ever_ran: service.ever_ran,
            first_node: service.first_node,
            data_mb: service.data_mb,
            migration_since: service.migration_since,
            migrated: backing.is_some_and(Backing::has_copied),
            removal_announced: service.removal_announced,
            ports: (service.connection.port, service.connection.plain_port),
            users: service.connection.users.iter().map(StoredUser::of).collect(),
            seed: backing.and_then(|backing| backing.seed.clone()),
        }
    }

    fn restore(self, project: &str, world: &World) -> anyhow::Result<Service> {
        let service_type = ServiceType::parse(&self.service_type).context("an unknown service type")?;
        let plan = world.plan(&self.plan).with_context(|| format!("there is no plan {}", self.plan))?;
        let cloud = world.cloud(&self.cloud).with_context(|| format!("there is no cloud {}", self.cloud))?;
        let connection = Connection {
            host: made_up_host(project, &self.name),
            port: self.ports.0,
            plain_port: self.ports.1,
            users: self.users.into_iter().map(StoredUser::restore).collect(),
        };
        let mut service = Service {
            project: project.to_owned(),
            name: self.name,
            service_type,
            plan: Arc::clone(plan),
            cloud: Arc::clone(cloud),
            vpc: self.vpc,
            disk_mb: self.disk_mb,
            maintenance: self.maintenance,
            pending_updates: self.pending_updates,
            termination_protection: self.termination_protection,
            tech_emails: self.tech_emails,
            tags: self.tags,
            user_config: self.user_config,
            create_time: self.create_time,
            update_time: self.update_time,
            // They arrive with the project's integrations.
            integrations: Vec::new(),
            backups: self.backups,
            next_backup: self.next_backup,
            lifecycle: self.lifecycle,
            ever_ran: self.ever_ran,
            first_node: self.first_node,
            data_mb: self.data_mb,
            migration_since: self.migration_since,
            removal_announced: self.removal_announced,
            connection,
            lag: Lag::default(),
            backing: None,
            rendered: Rendered::default(),
        };
        if world.servers.is_some() && service_type != ServiceType::Postgres {
            Backing::attach(&mut service, self.seed);
            if self.migrated {
                Backing::mark_copied(&mut service);
            }
        }
        Ok(service)
    }
}

impl StoredUser {
    fn of(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            password: user.password.expose().to_owned(),
            primary: user.kind == "primary",
            access: user.access.clone(),
            password_time: user.password_time,
        }
    }

    fn restore(self) -> User {
        User {
            name: self.name,
            password: Secret::new(self.password),
            kind: if self.primary { "primary" } else { "normal" },
            access: self.access,
            password_time: self.password_time,
            missing_reads: 0,
            blank_reads: 0,
        }
    }
}
