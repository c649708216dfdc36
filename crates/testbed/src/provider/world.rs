//! The whole state of the simulated provider, behind one lock. The holder of the lock sees a state in which
//! everything due has happened. The cost depends on what is due and not on how many services exist. Readers take
//! cheap references out and render unlocked.

use super::catalogue::{Cloud, Plan};
use super::clock::{Moment, after, before};
use super::control::Control;
use super::disturbances::Disturbances;
use super::journal::Journal;
use super::lifecycle::{Occurrence, Timing};
use super::options::{NameQuoting, ProviderOptions, Unknowns};
use super::outcome::ApiError;
use super::project::{AUTOMATION, Project, Vpc, VpcState};
use super::service::Service;
use crate::servers::Servers;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// State of the whole account.
pub(super) struct World {
    pub(super) projects: BTreeMap<String, Project>,
    pub(super) plans: Vec<Arc<Plan>>,
    pub(super) clouds: Vec<Arc<Cloud>>,
    pub(super) default_cloud: String,
    pub(super) timing: Timing,
    pub(super) unknowns: Unknowns,
    pub(super) redis_creation_allowed: bool,
    pub(super) control: Control,
    pub(super) disturbances: Disturbances,
    /// Services and VPCs as they were, for readers that lag behind.
    past: Past,
    /// Real servers, unless services are simulated.
    pub(super) servers: Option<Arc<Servers>>,
    agenda: BTreeMap<Moment, Vec<Due>>,
}

/// How much longer than the lag of reads the past is stored, so that tests can check what readers saw.
const KEPT: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Past {
    /// The time by which reads lag.
    now: Moment,
    services: Journal<Arc<Service>>,
    vpcs: Journal<Vpc>,
}

/// Something with an appointment.
#[derive(Clone)]
enum Due {
    Service { project: String, name: String },
    Vpc { project: String, id: String },
}

impl World {
    pub(super) fn new(options: &ProviderOptions, servers: Option<Arc<Servers>>, now: Moment) -> Self {
        let timing = Timing {
            build_time: options.build_time,
            power_off_time: options.power_off_time,
            backup_after: options.backup_after,
            vpc_time: options.vpc_time,
            redis_end_of_life: options.redis_end_of_life.map(|wait| after(now, wait)),
        };
        Self {
            projects: options.projects.iter().map(|name| (name.clone(), Project::default())).collect(),
            plans: options.plans.iter().cloned().map(Arc::new).collect(),
            clouds: options.clouds.iter().cloned().map(Arc::new).collect(),
            default_cloud: options.default_cloud.clone(),
            timing,
            unknowns: options.unknowns.clone(),
            redis_creation_allowed: options.redis_creation_allowed,
            control: Control::new(options),
            disturbances: Disturbances::default(),
            past: Past::default(),
            servers,
            agenda: BTreeMap::new(),
        }
    }

    /// Lets everything happen that is due.
    pub(super) fn settle(&mut self, now: Moment) {
        while let Some(entry) = self.agenda.first_entry() {
            if *entry.key() > now {
                break;
            }
            for due in entry.remove() {
                match due {
                    Due::Service { project, name } => self.settle_service(&project, &name, now),
                    Due::Vpc { project, id } => self.settle_vpc(&project, &id, now),
                }
            }
        }
    }

    fn settle_service(&mut self, project_name: &str, name: &str, now: Moment) {
        let timing = self.timing;
        let due = |service: &Arc<Service>| service.next_event(&timing).is_some_and(|next| next <= now);
        if !self.find(project_name, name).is_some_and(due) {
            // The appointment was superseded by a later change, which made its own.
            return;
        }
        self.keep_service(project_name, name);
        let Some(project) = self.projects.get_mut(project_name) else { return };
        let Some(service) = project.services.get_mut(name) else { return };
        let service = Arc::make_mut(service);
        service.rendered.forget();
        let occurrences = service.settle(now, &timing);
        for occurrence in &occurrences {
            let (kind, text) = match occurrence {
                Occurrence::Built => ("service_master_promotion", "Service is running"),
                Occurrence::PoweredOff => ("service_poweroff", "Service was powered off"),
                Occurrence::Migrated => ("service_update", "Service was migrated to Valkey"),
                Occurrence::Removed => ("service_delete", "Service was removed after a long time off"),
            };
            project.record(now, AUTOMATION, kind, name, text.to_owned());
        }
        if occurrences.contains(&Occurrence::Removed) {
            self.remove_service(project_name, name, now);
        } else {
            self.schedule(project_name, name);
        }
    }

    /// Makes the next appointment of a service.
    pub(super) fn schedule(&mut self, project: &str, name: &str) {
        let Some(service) = self.find(project, name) else { return };
        if let Some(next) = service.next_event(&self.timing) {
            let due = Due::Service { project: project.to_owned(), name: name.to_owned() };
            self.agenda.entry(next).or_default().push(due);
        }
    }

    fn settle_vpc(&mut self, project: &str, id: &str, now: Moment) {
        self.keep_vpc(project, id);
        let Some(project) = self.projects.get_mut(project) else { return };
        let Some(vpc) = project.vpcs.get_mut(id).filter(|vpc| vpc.changes_at.is_some_and(|at| at <= now))
        else {
            return;
        };
        vpc.changes_at = None;
        match vpc.state {
            VpcState::Approved => vpc.state = VpcState::Active,
            VpcState::Deleting => {
                project.vpcs.remove(id);
            }
            VpcState::Active => {}
        }
    }

    /// Adds or replaces a VPC and makes its next appointment.
    pub(super) fn put_vpc(&mut self, project_name: &str, vpc: Vpc) {
        self.keep_vpc(project_name, &vpc.id);
        let Some(project) = self.projects.get_mut(project_name) else { return };
        if let Some(at) = vpc.changes_at {
            let due = Due::Vpc { project: project_name.to_owned(), id: vpc.id.clone() };
            self.agenda.entry(at).or_default().push(due);
        }
        project.vpcs.insert(vpc.id.clone(), vpc);
    }

    pub(super) fn find(&self, project: &str, name: &str) -> Option<&Arc<Service>> {
        self.projects.get(project)?.services.get(name)
    }

    pub(super) fn project(&self, name: &str) -> Result<&Project, ApiError> {
        self.projects.get(name).ok_or_else(|| missing_project(name))
    }

    pub(super) fn project_mut(&mut self, name: &str) -> Result<&mut Project, ApiError> {
        self.projects.get_mut(name).ok_or_else(|| missing_project(name))
    }

    pub(super) fn service(&self, project: &str, name: &str) -> Result<&Arc<Service>, ApiError> {
        self.project(project)?.services.get(name).ok_or_else(|| self.missing_service(name))
    }

    /// The time by which reads lag.
    pub(super) fn set_steady_time(&mut self, now: Moment) {
        self.past.now = now;
        let kept = before(now, self.disturbances.read_lag().saturating_add(KEPT));
        self.past.services.forget_before(kept);
        self.past.vpcs.forget_before(kept);
    }

    /// Keeps a service as it is for readers that lag behind, before it changes.
    fn keep_service(&mut self, project: &str, name: &str) {
        if !self.disturbances.read_lag().is_zero() {
            let present = self.find(project, name).cloned();
            self.past.services.note(self.past.now, project, name, present);
        }
    }

    fn keep_vpc(&mut self, project: &str, id: &str) {
        if !self.disturbances.read_lag().is_zero() {
            let present = self.projects.get(project).and_then(|project| project.vpcs.get(id)).cloned();
            self.past.vpcs.note(self.past.now, project, id, present);
        }
    }

    /// The moment as of which reads are answered.
    fn read_time(&self) -> Moment {
        before(self.past.now, self.disturbances.read_lag())
    }

    /// A service as readers see it.
    pub(super) fn seen_service(&self, project: &str, name: &str) -> Result<Arc<Service>, ApiError> {
        let present = self.project(project)?.services.get(name);
        let seen = self.past.services.as_of(self.read_time(), project, name, present);
        seen.ok_or_else(|| self.missing_service(name))
    }

    /// All services of a project as readers see them.
    pub(super) fn seen_services(&self, project: &str) -> Result<Vec<Arc<Service>>, ApiError> {
        let present = &self.project(project)?.services;
        Ok(self.past.services.all_as_of(self.read_time(), project, present))
    }

    /// What readers may have seen of a service a short while ago.
    pub(super) fn earlier_services(&self, project: &str, name: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.past.services.earlier(project, name)
    }

    /// A VPC as readers see it.
    pub(super) fn seen_vpc(&self, project: &str, id: &str) -> Result<Option<Vpc>, ApiError> {
        Ok(self.past.vpcs.as_of(self.read_time(), project, id, self.project(project)?.vpcs.get(id)))
    }

    /// All VPCs of a project as readers see them.
    pub(super) fn seen_vpcs(&self, project: &str) -> Result<Vec<Vpc>, ApiError> {
        Ok(self.past.vpcs.all_as_of(self.read_time(), project, &self.project(project)?.vpcs))
    }

    /// Puts the tags on all services that policies add.
    pub(super) fn tag_all(&mut self) {
        let disturbances = &self.disturbances;
        for service in self.projects.values_mut().flat_map(|project| project.services.values_mut()) {
            let service = Arc::make_mut(service);
            disturbances.tag(service);
            service.rendered.forget();
        }
    }

    pub(super) fn missing_service(&self, name: &str) -> ApiError {
        let shown = match self.unknowns.name_quoting {
            NameQuoting::Bare => name.to_owned(),
            NameQuoting::Single => format!("'{name}'"),
            NameQuoting::Double => format!("\"{name}\""),
        };
        ApiError::not_found(format!("Service {shown} does not exist")).code("service_does_not_exist")
    }

    /// Changes a service and makes its next appointment.
    pub(super) fn edit<T>(
        &mut self,
        project: &str,
        name: &str,
        change: impl FnOnce(&mut Service) -> T,
    ) -> Result<T, ApiError> {
        self.keep_service(project, name);
        let Some(service) = self.projects.get_mut(project).and_then(|project| project.services.get_mut(name))
        else {
            return Err(self.missing_service(name));
        };
        let service = Arc::make_mut(service);
        service.rendered.forget();
        let result = change(service);
        self.disturbances.tag(service);
        self.schedule(project, name);
        Ok(result)
    }

    pub(super) fn insert(&mut self, mut service: Service) {
        let (project_name, name) = (service.project.clone(), service.name.clone());
        self.keep_service(&project_name, &name);
        self.disturbances.tag(&mut service);
        if let Some(project) = self.projects.get_mut(&project_name) {
            project.services.insert(name.clone(), Arc::new(service));
        }
        self.schedule(&project_name, &name);
    }

    /// Removes a service with its integrations; its VPC stays in use for a while.
    pub(super) fn remove_service(&mut self, project_name: &str, name: &str, now: Moment) {
        self.keep_service(project_name, name);
        let Some(service) =
            self.projects.get_mut(project_name).and_then(|project| project.services.remove(name))
        else {
            return;
        };
        for integration in &service.integrations {
            self.remove_integration(&integration.id);
        }
        if let Some(id) = &service.vpc {
            self.leave_vpc(project_name, id, now);
        }
    }

    /// Notes that a service left a VPC.
    pub(super) fn leave_vpc(&mut self, project: &str, id: &str, now: Moment) {
        let until = after(now, self.timing.vpc_time);
        if let Some(vpc) = self.projects.get_mut(project).and_then(|project| project.vpcs.get_mut(id)) {
            vpc.in_use_until = Some(until);
        }
    }

    /// Removes an integration everywhere it is listed.
    pub(super) fn remove_integration(&mut self, id: &str) {
        let Some(integration) =
            self.projects.values_mut().find_map(|project| project.integrations.remove(id))
        else {
            return;
        };
        for side in [&integration.source, &integration.destination] {
            if let Some(service) = &side.service {
                let forget = |service: &mut Service| service.integrations.retain(|known| known.id != id);
                // The other side may be gone already.
                let _ = self.edit(&side.project, service, forget);
            }
        }
    }

    pub(super) fn plan(&self, name: &str) -> Option<&Arc<Plan>> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    pub(super) fn cloud(&self, name: &str) -> Option<&Arc<Cloud>> {
        self.clouds.iter().find(|cloud| cloud.name == name)
    }

    /// Drops every rendering, because a common dependency changed.
    pub(super) fn forget_renderings(&mut self) {
        let services = self.projects.values_mut().flat_map(|project| project.services.values_mut());
        services.for_each(|service| Arc::make_mut(service).rendered.forget());
    }

    /// Recomputes every service's next appointment, because timing changed.
    pub(super) fn schedule_all(&mut self) {
        let names = |(project, content): (&String, &Project)| {
            content.services.keys().map(|name| (project.clone(), name.clone())).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.projects.iter().flat_map(names).collect();
        for (project, name) in &all {
            self.schedule(project, name);
        }
    }
}

pub(super) fn missing_project(name: &str) -> ApiError {
    ApiError::not_found(format!("Project {name} does not exist")).code("project_does_not_exist")
}
