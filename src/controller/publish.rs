//! What users see after a pass: status, when it says something new, and an event when the resource
//! passes from one condition into another.

use super::{error::PassError, pass::Pass};
use crate::{
    api::{ManagedService, ServiceStatus, names::condition},
    cluster::{events::Severity, status},
    engine::{Ready, Report, conditions, facts},
};
use chrono::Utc;

impl<K: ManagedService> Pass<K> {
    /// Publishes `report`; `all_sent` tells that nothing the spec asks for is left to send.
    pub(super) async fn publish(&mut self, report: &Report, all_sent: bool) -> Result<(), PassError> {
        if self.released {
            return Ok(());
        }
        self.tell_transition(report);
        let next = self.next_status(report, all_sent);
        if let Some(object) = status::write(&self.api, &self.object, &next).await? {
            self.adopt(object);
        }
        Ok(())
    }

    pub(super) fn next_status(&self, report: &Report, all_sent: bool) -> ServiceStatus {
        let before = self.object.status().cloned().unwrap_or_default();
        let generation = self.desired.generation;
        ServiceStatus {
            conditions: conditions::next(&before.conditions, report, generation, Utc::now()),
            state: report.state.clone().or(before.state),
            facts: facts::next(before.facts, &self.observed, &self.desired, self.secret_written.as_ref()),
            observed_generation: Some(generation),
            // Nothing was sent for an object without a finalizer, so nothing would have to be reset.
            declared_fields: if self.desired.has_finalizer {
                self.declared_fields(all_sent)
            } else {
                Vec::new()
            },
        }
    }

    fn tell_transition(&mut self, report: &Report) {
        if report.ready == Ready::Unchanged {
            if self.memory.told.replace(report.reason) != Some(report.reason) {
                self.tell(Severity::Warning, report.reason, "Reconcile", &report.message);
            }
            return;
        }
        self.memory.told = None;
        let conditions = self.object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let before = conditions
            .iter()
            .find(|entry| entry.type_ == condition::READY)
            .map(|entry| entry.reason.as_str());
        if before != Some(report.reason) && !self.told.contains(&report.reason) {
            let severity = if report.ready == Ready::Stuck { Severity::Warning } else { Severity::Normal };
            self.tell(severity, report.reason, "Reconcile", &report.message);
        }
    }
}
