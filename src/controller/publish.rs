//! What users see after a pass: status, when it says something new, and an event when the resource
//! passes from one condition into another.

use super::{error::PassError, pass::Pass};
use crate::{
    api::{
        ManagedService, ServiceStatus,
        names::{self, condition, reason},
        status::Drift,
    },
    cluster::{events::Severity, status},
    engine::{self, Ready, Report, conditions, facts},
};
use chrono::{Timelike as _, Utc};
use kube::ResourceExt as _;

impl<K: ManagedService> Pass<K> {
    /// Publishes `report`; `all_sent` tells that nothing the spec asks for is left to send.
    pub(super) async fn publish(&mut self, report: &Report, all_sent: bool) -> Result<(), PassError> {
        if self.released {
            return Ok(());
        }
        self.tell_reported_drift(report);
        self.tell_transition(report);
        let next = self.next_status(report, all_sent);
        if let Some(object) = status::write(&self.api, &self.object, &next).await? {
            self.measure_readiness(&object);
            self.adopt(object);
        }
        Ok(())
    }

    pub(super) fn next_status(&self, report: &Report, all_sent: bool) -> ServiceStatus {
        let before = self.object.status().cloned().unwrap_or_default();
        let generation = self.desired.generation;
        ServiceStatus {
            conditions: conditions::next(&before.conditions, report, generation, Utc::now()),
            state: report.state_after(before.state),
            facts: facts::next(before.facts, &self.observed, &self.desired, self.secret_written.as_ref()),
            observed_generation: Some(generation),
            drift: self.drift(report),
            last_handled_reconcile_at: self.object.annotations().get(names::RECONCILE_AT).cloned(),
            // Nothing was sent for an object without a finalizer, so nothing would have to be reset.
            declared_fields: if self.desired.has_finalizer {
                self.declared_fields(all_sent)
            } else {
                Vec::new()
            },
        }
    }

    /// What the status should say of drift: what this pass found, else what an earlier one did, unless
    /// that was only reported and is over.
    fn drift(&self, report: &Report) -> Option<Drift> {
        let known = self.object.status().and_then(|status| status.drift.clone());
        let Some(seen) = self.drift_seen.as_ref().or(report.drift.as_ref()) else {
            let looked = report.state.is_some();
            return known.filter(|known| known.corrected || !looked);
        };
        let same = |known: &Drift| !known.corrected && !seen.corrected && known.fields == seen.fields;
        known.filter(same).or_else(|| {
            let found_at = Utc::now().with_nanosecond(0).unwrap_or_default();
            Some(Drift { found_at, corrected: seen.corrected, fields: seen.fields.clone() })
        })
    }

    /// Drift that is changed back is told by the step that does it.
    fn tell_reported_drift(&mut self, report: &Report) {
        let Some(seen) = report.drift.as_ref().filter(|seen| !seen.corrected) else { return };
        let known = self.object.status().and_then(|status| status.drift.as_ref());
        if known.is_none_or(|known| known.corrected || known.fields != seen.fields) {
            let note =
                format!("Changed at the provider, and left so: {}", engine::drift_summary(&seen.fields));
            self.tell(Severity::Warning, reason::DRIFT, "Reconcile", &note);
            self.measure_drift(seen);
        }
    }

    fn tell_transition(&mut self, report: &Report) {
        if report.ready == Ready::Unchanged {
            if self.memory.told.replace(report.reason) != Some(report.reason) {
                let severity = if report.paused { Severity::Normal } else { Severity::Warning };
                self.tell(severity, report.reason, "Reconcile", &report.message);
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
