//! The active disturbances, in terms of what they change. A provider without any behaves as its options state.

use super::handle::ProviderHandle;
use super::schema::Object;
use super::service::Service;
use crate::faults::{Disturbance, FaultPlan};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What the names of all services begin with that [`Disturbance::ForeignServices`] adds.
pub const FOREIGN_SERVICES: &str = "foreign-";

/// The tag that [`Disturbance::ForeignTag`] adds.
pub const FOREIGN_TAG: (&str, &str) = ("cost-center", "added-by-a-policy");

/// Fields of a service that every answer has, by the API's own schema.
const GUARANTEED: [&str; 13] = [
    "cloud_name",
    "create_time",
    "group_list",
    "plan",
    "project_vpc_id",
    "service_integrations",
    "service_name",
    "service_type",
    "service_uri",
    "state",
    "termination_protection",
    "update_time",
    "user_config",
];

/// The disturbances that hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Disturbances(Vec<Disturbance>);

impl Disturbances {
    fn find<T>(&self, read: impl Fn(&Disturbance) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(read)
    }

    fn hold(&self, disturbance: &Disturbance) -> bool {
        self.0.contains(disturbance)
    }

    /// How far reads lag behind writes.
    pub(super) fn read_lag(&self) -> Duration {
        let lag = |each: &Disturbance| match each {
            Disturbance::ReadLag(lag) => Some(*lag),
            _ => None,
        };
        self.find(lag).unwrap_or_default()
    }

    pub(super) fn redact_lists(&self) -> bool {
        self.hold(&Disturbance::RedactedLists)
    }

    pub(super) fn normalize_values(&self) -> bool {
        self.hold(&Disturbance::NormalizedValues)
    }

    pub(super) fn forget_failed_migrations(&self) -> bool {
        self.hold(&Disturbance::ForgottenMigrations)
    }

    /// Status of the refusal to change the disk size during a rebuild.
    pub(super) fn disk_refusal_status(&self) -> u16 {
        let status = |each: &Disturbance| match each {
            Disturbance::DiskRefusal(status) => Some(*status),
            _ => None,
        };
        self.find(status).unwrap_or(409)
    }

    /// Puts the tags on a service that policies add.
    pub(super) fn tag(&self, service: &mut Service) {
        if self.hold(&Disturbance::ForeignTag) {
            let (key, value) = FOREIGN_TAG;
            service.tags.insert(key.to_owned(), value.to_owned());
        }
    }

    fn breaks(&self, name: &str) -> bool {
        self.0.iter().any(|each| matches!(each, Disturbance::BrokenListEntry(broken) if broken == name))
    }

    /// A service as lists show it; `text` is how a read of it alone does.
    pub(super) fn list_entry(&self, name: &str, text: Arc<str>) -> Arc<str> {
        if self.breaks(name) {
            let broken = json!({
                "service_name": name, "service_type": 7, "state": { "code": 3 }, "plan": null, "users": "none",
                "tags": [], "components": 12, "user_config": false,
            });
            return broken.to_string().into();
        }
        if !self.hold(&Disturbance::BareLists) {
            return text;
        }
        let whole: Object = serde_json::from_str(&text).unwrap_or_default();
        let bare = whole.into_iter().filter(|(key, _)| GUARANTEED.contains(&key.as_str()));
        Value::Object(bare.collect()).to_string().into()
    }
}

/// What lasts until it is ended.
impl ProviderHandle {
    /// Adds a disturbance to those that hold.
    pub fn disturb(&self, disturbance: Disturbance) {
        let mut all = self.disturbances();
        all.push(disturbance);
        self.set_disturbances(all);
    }

    /// The disturbances that hold.
    pub fn disturbances(&self) -> Vec<Disturbance> {
        self.shared.world().disturbances.0.clone()
    }

    /// Replaces the disturbances that hold.
    pub fn set_disturbances(&self, disturbances: Vec<Disturbance>) {
        let mut world = self.shared.world();
        let foreign = disturbances.iter().map(|each| match each {
            Disturbance::ForeignServices(count) => *count,
            _ => 0,
        });
        let foreign = foreign.max().unwrap_or_default();
        world.disturbances = Disturbances(disturbances);
        world.set_foreign_services(foreign, self.shared.clock.now());
        world.tag_all();
    }

    /// Lets `plan` number every request, decide on its fault, and define the active disturbances.
    pub fn follow(&self, plan: FaultPlan) {
        let handle = Arc::downgrade(&self.shared);
        plan.set_disturbed(Arc::new(move |disturbances| {
            if let Some(shared) = handle.upgrade() {
                Self::new(shared).set_disturbances(disturbances.to_vec());
            }
        }));
        *self.shared.plan() = Some(plan);
    }
}
