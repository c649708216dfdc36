//! Changes behind the client's back. Functions that name a service report whether it exists.

use serde_json::{Map, Value};

use crate::clock::Instant;
use crate::config::Config;
use crate::create::blank;
use crate::provider::FakeProvider;
use crate::service::{Service, State};
use crate::token::Visibility;
use crate::update;
use crate::vpc::{Vpc, VpcState};

impl FakeProvider {
    fn edit(&self, project: &str, name: &str, change: impl FnOnce(&mut Service, &Config, Instant)) -> bool {
        self.with(|inner| {
            let edited = inner.world.edit(project, name, |service, config, now| {
                change(service, config, now);
                Ok(())
            });
            edited.is_ok()
        })
    }

    /// Returns a service as a read with all secrets and without lags would; the read counts nothing.
    pub fn service(&self, project: &str, name: &str) -> Option<Value> {
        self.with(|inner| {
            let service = inner.world.present(project, name).ok()?;
            Some(inner.world.render(project, service, Visibility::Clear))
        })
    }

    /// Returns the names and states of the services of a project.
    pub fn states(&self, project: &str) -> Vec<(String, String)> {
        self.with(|inner| {
            let services = inner.world.projects.get(project).into_iter().flat_map(|found| &found.services);
            services.map(|(name, service)| (name.clone(), service.state.name().to_owned())).collect()
        })
    }

    /// Reports whether a power-off lost the data of a service.
    pub fn data_lost(&self, project: &str, name: &str) -> bool {
        self.with(|inner| inner.world.present(project, name).is_ok_and(|service| service.data_lost))
    }

    /// Adds a running service of any type, for example `valkey`, `redis`, or `pg`.
    pub fn add_service(&self, project: &str, name: &str, service_type: &str, plan: &str) -> bool {
        self.with(|inner| {
            let (now, config) = (inner.world.now(), inner.world.config.clone());
            let mut service = blank(&mut inner.world, project, name, service_type);
            plan.clone_into(&mut service.plan);
            if let Ok(plan) = crate::catalog::plan(service_type, plan) {
                service.disk_mb = plan.disk_mb;
            }
            service.post_lag = 0;
            service.finish(now, &config);
            match inner.world.project_mut(project) {
                Ok(owner) => owner.services.insert(name.to_owned(), service).is_none(),
                Err(_) => false,
            }
        })
    }

    /// Takes a backup.
    pub fn take_backup(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, _, now| service.take_backup(now))
    }

    /// Resets the password of a user.
    pub fn reset_password(&self, project: &str, name: &str, user: &str) -> bool {
        self.with(|inner| crate::users::reset_user(&mut inner.world, project, name, user, None).is_ok())
    }

    /// Makes the password of a user unknown to the API (null), as after a change inside the service.
    pub fn forget_password(&self, project: &str, name: &str, user: &str) -> bool {
        self.edit(project, name, |service, _, _| {
            let found = service.users.iter_mut().filter(|found| found.name == user);
            found.for_each(|found| found.password = None);
        })
    }

    /// Applies an update body as another client would, termination protection included.
    ///
    /// # Errors
    ///
    /// Returns the message of the provider if it refuses the update.
    pub fn update_service(&self, project: &str, name: &str, body: &Value) -> Result<(), String> {
        let empty = Map::new();
        let body = body.as_object().unwrap_or(&empty);
        self.with(|inner| update::apply(&mut inner.world, project, name, body, true))
            .map_err(|fail| fail.message().to_owned())
    }

    /// Changes the plan without a check; the service rebuilds.
    pub fn set_plan(&self, project: &str, name: &str, plan: &str) -> bool {
        self.edit(project, name, |service, config, now| {
            plan.clone_into(&mut service.plan);
            service.start(State::Rebuilding, now, config);
        })
    }

    /// Sets a key of `user_config` without a check; null removes it.
    pub fn set_user_config(&self, project: &str, name: &str, key: &str, value: Value) -> bool {
        self.edit(project, name, |service, _, _| {
            if value.is_null() {
                service.user_config.remove(key);
            } else {
                service.user_config.insert(key.to_owned(), value);
            }
        })
    }

    /// Replaces all tags.
    pub fn set_tags(&self, project: &str, name: &str, tags: &[(&str, &str)]) -> bool {
        self.edit(project, name, |service, _, _| {
            service.tags = tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        })
    }

    /// Sets the maintenance window; `never` is a legal day here.
    pub fn set_maintenance(&self, project: &str, name: &str, dow: &str, time: &str) -> bool {
        self.edit(project, name, |service, _, _| {
            dow.clone_into(&mut service.dow);
            time.clone_into(&mut service.time);
        })
    }

    /// Adds a pending maintenance update.
    pub fn add_maintenance_update(&self, project: &str, name: &str, update: Value) -> bool {
        self.edit(project, name, |service, _, _| service.maintenance_updates.push(update))
    }

    /// Adds a service notification.
    pub fn add_notification(&self, project: &str, name: &str, notification: Value) -> bool {
        self.edit(project, name, |service, _, _| service.notifications.push(notification))
    }

    /// Removes the migration and its settings.
    pub fn remove_migration(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, _, _| {
            service.migration = None;
            service.user_config.remove("migration");
        })
    }

    /// Lets the running migration fail; it stays failed.
    pub fn fail_migration(&self, project: &str, name: &str, text: &str) -> bool {
        self.edit(project, name, |service, _, _| {
            if let Some(migration) = &mut service.migration {
                migration.fail(text);
            }
        })
    }

    /// Replaces a Redis service by a Valkey service, as the provider does after the end of life.
    pub fn replace_redis(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, config, now| {
            update::become_valkey(service);
            service.start(State::Rebuilding, now, config);
        })
    }

    /// Powers a service off immediately, whatever its protection.
    pub fn power_off(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, config, now| {
            service.start(State::PowerOff, now, config);
            service.finish(now, config);
        })
    }

    /// Starts to power a service on.
    pub fn power_on(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, config, now| service.start(State::Rebuilding, now, config))
    }

    /// Starts a rebuild, as after a node failure.
    pub fn rebuild(&self, project: &str, name: &str) -> bool {
        self.edit(project, name, |service, config, now| service.start(State::Rebuilding, now, config))
    }

    /// Sets the termination protection.
    pub fn set_termination_protection(&self, project: &str, name: &str, protected: bool) -> bool {
        self.edit(project, name, |service, _, _| service.protected = protected)
    }

    /// Deletes a service, whatever its protection.
    pub fn delete_service(&self, project: &str, name: &str) -> bool {
        self.with(|inner| update::remove(&mut inner.world, project, name).is_ok())
    }

    /// Lays an RFC 7396 merge patch over all answers that contain the service; `None` removes it.
    pub fn overlay(&self, project: &str, name: &str, patch: Option<Value>) -> bool {
        self.edit(project, name, |service, _, _| service.overlay = patch)
    }

    /// Adds a VPC and returns its ID.
    pub fn add_vpc(&self, project: &str, cloud: &str, cidr: &str, state: VpcState) -> Option<String> {
        self.with(|inner| {
            let vpc = Vpc::new(cloud, cidr, state, inner.world.now(), &inner.world.config);
            let id = vpc.id.clone();
            inner.world.project_mut(project).ok()?.vpcs.push(vpc);
            Some(id)
        })
    }
}
