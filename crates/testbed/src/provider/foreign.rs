//! Services of a project without a resource: they only make lists longer. They have no servers and leave nothing
//! behind.

use super::catalogue::ServiceType;
use super::clock::Moment;
use super::disturbances::FOREIGN_SERVICES;
use super::lifecycle::Lifecycle;
use super::render::Rendered;
use super::schema::Schema;
use super::service::{Connection, Lag, MaintenanceWindow, Service};
use super::world::World;
use std::collections::BTreeMap;

impl World {
    /// Makes the number of foreign services in each project `count`.
    pub(super) fn set_foreign_services(&mut self, count: u32, now: Moment) {
        let projects: Vec<String> = self.projects.keys().cloned().collect();
        for project in projects {
            let known = self.projects.get(&project).map(|project| project.services.keys());
            let known: Vec<String> = known
                .into_iter()
                .flatten()
                .filter(|name| name.starts_with(FOREIGN_SERVICES))
                .cloned()
                .collect();
            let wanted: Vec<String> =
                (0..count).map(|number| format!("{FOREIGN_SERVICES}{number:04}")).collect();
            for name in known.iter().filter(|name| !wanted.contains(name)) {
                self.remove_service(&project, name, now);
            }
            for name in wanted.into_iter().filter(|name| !known.contains(name)) {
                if let Some(service) = self.foreign_service(&project, name, now) {
                    self.insert(service);
                }
            }
        }
    }

    fn foreign_service(&self, project: &str, name: String, now: Moment) -> Option<Service> {
        let service_type = ServiceType::Postgres;
        let plan = self.plan("startup-4").or_else(|| self.plans.first())?.clone();
        let cloud = self.cloud(&self.default_cloud)?.clone();
        Some(Service {
            project: project.to_owned(),
            service_type,
            disk_mb: plan.disk_mb,
            plan,
            cloud,
            vpc: None,
            maintenance: MaintenanceWindow { day: "sunday".to_owned(), time: "11:00:00".to_owned() },
            pending_updates: Vec::new(),
            termination_protection: false,
            tech_emails: Vec::new(),
            tags: BTreeMap::new(),
            user_config: Schema::of(service_type).defaults(),
            create_time: now,
            update_time: now,
            integrations: Vec::new(),
            backups: Vec::new(),
            next_backup: None,
            lifecycle: Lifecycle::Running { since: now },
            ever_ran: true,
            first_node: 1,
            data_mb: 64,
            migration_since: None,
            removal_announced: false,
            connection: Connection::new(project, &name, service_type, now),
            lag: Lag::default(),
            backing: None,
            rendered: Rendered::default(),
            name,
        })
    }
}
