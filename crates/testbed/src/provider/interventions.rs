//! External changes to services: those of a colleague in the provider's console, or of the platform. They follow the
//! same lifecycle as changes that arrive over HTTP, and none of them shows up in the request log.

use super::ProviderHandle;
use super::clock::{after, seconds};
use super::lifecycle::{Cause, Lifecycle};
use super::schema::Object;
use super::secret::Secret;
use super::service::Service;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Changes behind the operator's back. All return whether the service exists.
impl ProviderHandle {
    fn edit(&self, project: &str, name: &str, change: impl FnOnce(&mut Service)) -> bool {
        let now = self.shared.clock.now();
        let edited = |service: &mut Service| {
            change(service);
            service.update_time = now;
        };
        self.shared.world().edit(project, name, edited).is_ok()
    }

    /// Changes the plan and rebuilds; `false` also when there is no such plan.
    pub fn set_plan(&self, project: &str, name: &str, plan: &str) -> bool {
        let (now, mut world) = (self.shared.clock.now(), self.shared.world());
        let Some(plan) = world.plan(plan).cloned() else { return false };
        let timing = world.timing;
        let change = |service: &mut Service| {
            service.disk_mb = plan.disk_mb;
            service.plan = plan;
            if !service.is_powered_off() {
                service.build(Cause::Change, now, &timing);
            }
        };
        world.edit(project, name, change).is_ok()
    }

    /// Replaces all tags.
    pub fn set_tags(&self, project: &str, name: &str, tags: BTreeMap<String, String>) -> bool {
        self.edit(project, name, |service| service.tags = tags)
    }

    /// Sets `user_config` keys without validation; `null` removes a key.
    pub fn set_user_config(&self, project: &str, name: &str, config: &Object) -> bool {
        self.edit(project, name, |service| {
            for (key, value) in config {
                if value.is_null() {
                    service.user_config.remove(key);
                } else {
                    service.user_config.insert(key.clone(), value.clone());
                }
            }
        })
    }

    /// Powers a service on or off, whatever its protection and backups.
    pub fn set_powered(&self, project: &str, name: &str, powered: bool) -> bool {
        let (now, mut world) = (self.shared.clock.now(), self.shared.world());
        let timing = world.timing;
        let change = |service: &mut Service| match (powered, service.is_powered_off()) {
            (true, true) => service.build(Cause::PowerOn, now, &timing),
            (false, false) => service.power_off(now, &timing),
            _ => {}
        };
        world.edit(project, name, change).is_ok()
    }

    /// Sets or removes termination protection.
    pub fn set_termination_protection(&self, project: &str, name: &str, protected: bool) -> bool {
        self.edit(project, name, |service| service.termination_protection = protected)
    }

    /// Sets the day and time of maintenance.
    pub fn set_maintenance_window(&self, project: &str, name: &str, day: &str, time: &str) -> bool {
        self.edit(project, name, |service| {
            day.clone_into(&mut service.maintenance.day);
            time.clone_into(&mut service.maintenance.time);
        })
    }

    /// Announces a maintenance update that starts after `start_after` and is mandatory at `deadline`.
    pub fn announce_maintenance(
        &self,
        project: &str,
        name: &str,
        description: &str,
        start_after: Duration,
        deadline: Option<Duration>,
    ) -> bool {
        let now = self.shared.clock.now();
        let start = seconds(after(now, start_after));
        let mut update = json!({ "description": description, "start_after": start, "start_at": start });
        if let Some(deadline) = deadline {
            update["deadline"] = seconds(after(now, deadline)).into();
        }
        self.edit(project, name, |service| service.pending_updates.push(update))
    }

    /// Gives the main user a new password.
    pub fn reset_password(&self, project: &str, name: &str) -> bool {
        let now = self.shared.clock.now();
        self.edit(project, name, |service| {
            if let Some(user) = service.connection.users.first_mut() {
                user.password = Secret::generate();
                user.password_time = now;
            }
        })
    }

    /// Moves a service to another port.
    pub fn set_port(&self, project: &str, name: &str, port: u16) -> bool {
        self.edit(project, name, |service| service.connection.port = port)
    }

    /// Sets how much data a service holds.
    pub fn set_data_size(&self, project: &str, name: &str, megabytes: u64) -> bool {
        self.edit(project, name, |service| service.data_mb = megabytes)
    }

    /// Takes a backup now.
    pub fn take_backup(&self, project: &str, name: &str) -> bool {
        let now = self.shared.clock.now();
        self.edit(project, name, |service| service.take_backup(now))
    }

    /// Lets a build, rebalancing or power-off end now.
    pub fn finish_transition(&self, project: &str, name: &str) -> bool {
        let now = self.shared.clock.now();
        let found = self.edit(project, name, |service| match &mut service.lifecycle {
            Lifecycle::Building { until, .. }
            | Lifecycle::Rebalancing { until }
            | Lifecycle::PoweringOff { until } => *until = now,
            Lifecycle::Running { .. } | Lifecycle::PoweredOff { .. } => {}
        });
        drop(self.shared.world());
        found
    }

    /// Replaces a Redis service by Valkey in place, as the platform does after the end of life.
    pub fn migrate_to_valkey(&self, project: &str, name: &str) -> bool {
        let (now, mut world) = (self.shared.clock.now(), self.shared.world());
        let timing = world.timing;
        let change = |service: &mut Service| {
            service.become_valkey();
            service.build(Cause::Change, now, &timing);
        };
        world.edit(project, name, change).is_ok()
    }

    /// Deletes a service, protected or not.
    pub fn delete_service(&self, project: &str, name: &str) -> bool {
        let (now, mut world) = (self.shared.clock.now(), self.shared.world());
        let found = world.find(project, name).is_some();
        world.remove_service(project, name, now);
        found
    }

    /// Adds an alert to a project.
    pub fn add_alert(&self, project: &str, alert: Value) -> bool {
        self.shared.world().project_mut(project).map(|project| project.alerts.push(alert)).is_ok()
    }
}
