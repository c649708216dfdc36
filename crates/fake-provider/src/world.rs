//! All state of the fake: projects with their services, VPCs, integrations, and lagging reads.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::clock::{Countdown, Instant, seconds};
use crate::config::{Config, Delay};
use crate::integration::Integration;
use crate::render::{View, render};
use crate::reply::{Fail, Outcome};
use crate::service::Service;
use crate::token::Visibility;
use crate::vpc::Vpc;

/// State of a service before a write that reads do not see yet.
#[derive(Debug)]
struct Stale {
    before: Option<Service>,
    wait: Countdown,
}

/// A project.
#[derive(Debug, Default)]
pub(crate) struct Project {
    pub(crate) services: BTreeMap<String, Service>,
    stale: BTreeMap<String, Stale>,
    pub(crate) vpcs: Vec<Vpc>,
    /// VPCs that a deleted service still occupies.
    pub(crate) leaving: Vec<(String, Countdown)>,
    pub(crate) integrations: Vec<Integration>,
    pub(crate) tags: Map<String, Value>,
    pub(crate) events: Vec<Value>,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) offset: TimeDelta,
    counter: u16,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let projects = config.projects.iter().map(|name| (name.clone(), Project::default())).collect();
        Self { config, projects, offset: TimeDelta::zero(), counter: 0 }
    }

    pub(crate) fn now(&self) -> Instant {
        Utc::now() + self.offset
    }

    pub(crate) fn next_number(&mut self) -> u16 {
        self.counter = self.counter.wrapping_add(1) % 10_000;
        self.counter
    }

    pub(crate) fn project(&self, name: &str) -> Result<&Project, Fail> {
        self.projects.get(name).ok_or_else(|| Fail::no_project(name))
    }

    pub(crate) fn project_mut(&mut self, name: &str) -> Result<&mut Project, Fail> {
        self.projects.get_mut(name).ok_or_else(|| Fail::no_project(name))
    }

    /// Returns the present state of a service, whatever the read lag.
    pub(crate) fn present(&self, project: &str, name: &str) -> Result<&Service, Fail> {
        self.project(project)?.services.get(name).ok_or_else(|| Fail::no_service(name))
    }

    /// Reads a service as a client does: lags apply and the read counts.
    pub(crate) fn read(&mut self, project: &str, name: &str) -> Result<Service, Fail> {
        let (now, config) = (self.now(), self.config.clone());
        let project = self.project_mut(project)?;
        if let Some(stale) = project.stale.get_mut(name) {
            if !stale.wait.observe(now, true) {
                return stale.before.clone().ok_or_else(|| Fail::no_service(name));
            }
            project.stale.remove(name);
        }
        let service = project.services.get_mut(name).ok_or_else(|| Fail::no_service(name))?;
        service.tick(now, true, &config);
        let seen = service.clone();
        service.users.iter_mut().for_each(crate::service::User::count_read);
        Ok(seen)
    }

    /// Reads all services of a project.
    pub(crate) fn read_all(&mut self, project: &str) -> Result<Vec<Service>, Fail> {
        let known = self.project(project)?;
        let mut names: Vec<_> = known.services.keys().chain(known.stale.keys()).cloned().collect();
        names.sort();
        names.dedup();
        Ok(names.iter().filter_map(|name| self.read(project, name).ok()).collect())
    }

    /// Changes a service completely or not at all.
    pub(crate) fn edit<T>(
        &mut self,
        project: &str,
        name: &str,
        change: impl FnOnce(&mut Service, &Config, Instant) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        let (now, config) = (self.now(), self.config.clone());
        let mut service = self.present(project, name)?.clone();
        service.tick(now, false, &config);
        let before = service.clone();
        let result = change(&mut service, &config, now)?;
        service.updated = now;
        self.remember(project, name, Some(before))?;
        self.project_mut(project)?.services.insert(name.to_owned(), service);
        Ok(result)
    }

    /// Keeps the state that lagging reads return.
    pub(crate) fn remember(
        &mut self,
        project: &str,
        name: &str,
        before: Option<Service>,
    ) -> Result<(), Fail> {
        let now = self.now();
        if let Some(lag) = self.config.read_lag.filter(|lag| *lag != Delay::Reads(0)) {
            let stale = Stale { before, wait: Countdown::new(lag, now) };
            self.project_mut(project)?.stale.entry(name.to_owned()).or_insert(stale);
        }
        Ok(())
    }

    /// Renders a service.
    pub(crate) fn render(&self, project: &str, service: &Service, visibility: Visibility) -> Value {
        let view = View {
            config: &self.config,
            now: self.now(),
            visibility,
            integrations: self.integrations_of(project, &service.name),
        };
        render(service, &view)
    }

    /// Renders the answer to a write. Such answers never show secrets.
    pub(crate) fn write_answer(&self, project: &str, name: &str) -> Outcome {
        let service = self.present(project, name)?;
        Ok(json!({"service": self.render(project, service, Visibility::Redacted)}))
    }

    /// Lets the first requests of the method `POST` below a new service fail.
    pub(crate) fn gate_post(&mut self, project: &str, name: &str) -> Result<(), Fail> {
        let service = self.project_mut(project)?.services.get_mut(name);
        match service {
            Some(service) if service.post_lag > 0 => {
                service.post_lag -= 1;
                Err(Fail::no_service(name))
            }
            Some(_) => Ok(()),
            None => Err(Fail::no_service(name)),
        }
    }

    pub(crate) fn event(&mut self, project: &str, kind: &str, service: &str) {
        let (now, id) = (self.now(), self.next_number());
        if let Ok(project) = self.project_mut(project) {
            let mut event = json!({"actor": "user@example.com", "event_type": kind, "id": id.to_string(),
                "event_desc": format!("{kind} {service}"), "time": seconds(now)});
            if !service.is_empty() {
                event["service_name"] = service.into();
            }
            project.events.insert(0, event);
        }
    }
}
