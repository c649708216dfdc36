//! Publishes the result of a reconciliation: the status when it changes, and an event when the resource moves from
//! one condition to another.

use super::Reconciliation;
use crate::{
    cluster::{events::Severity, status},
    controller::error::ReconcileError,
};
use chrono::{Timelike as _, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use valkeeper_api::{
    ManagedService, ServiceStatus,
    names::{self, condition, reason},
    status::Drift,
};
use valkeeper_engine::{self as engine, Ready, Report, conditions, facts};

impl<K: ManagedService> Reconciliation<K> {
    /// Publishes `report`.
    pub(in crate::controller) async fn publish(&mut self, report: &Report) -> Result<(), ReconcileError> {
        if self.released {
            return Ok(());
        }
        let report = &self.with_reverted_drift(report);
        self.emit_reported_drift(report);
        self.emit_end_of_drift(report);
        // That the service is gone is an event once it is certain.
        if report.ready != Ready::Unchanged || report.reason != reason::EXTERNAL_MISSING {
            let Self { context, object, memory, .. } = self;
            self.announcements.emit_transition(context, object, memory, report);
        }
        let next = self.next_status(report);
        let before = self.object.status().map(|status| &status.conditions);
        if report.ready == Ready::Unchanged && before == Some(&next.conditions) {
            // Written again, conditions from before would read like news.
            return Ok(());
        }
        if let Some(object) = status::write(&self.api, &self.object, &next).await? {
            self.measure_readiness(&object);
            self.adopt(object);
        }
        Ok(())
    }

    pub(super) fn next_status(&self, report: &Report) -> ServiceStatus {
        let before = self.object.status().cloned().unwrap_or_default();
        let generation = self.desired.generation;
        ServiceStatus {
            conditions: conditions::next(&before.conditions, report, generation, Utc::now()),
            state: report.state_after(before.state),
            facts: facts::next(before.facts, &self.observed, &self.desired, self.secret_written.as_ref()),
            observed_generation: Some(generation),
            power_schedule: self.desired.schedule.as_ref().map(|schedule| schedule.status.clone()),
            drift: self.drift(report),
            last_handled_apply_maintenance: match &self.desired.maintenance_request {
                Some(request) if self.observed.maintenance_started => Some(request.clone()),
                // It came with the resource.
                _ if self.object.status().is_none() => {
                    self.object.annotations().get(names::APPLY_MAINTENANCE).cloned()
                }
                _ => before.last_handled_apply_maintenance,
            },
            last_handled_reconcile_at: self.object.annotations().get(names::RECONCILE_AT).cloned(),
            declared_values: engine::remembered(&self.desired, &self.observed),
            declared_fields: Vec::new(),
            migration: engine::remembered_migration(&self.desired, &self.observed),
        }
    }

    /// The drift in the new status: drift found by this reconciliation, else that of an earlier one. Drift that was
    /// only reported and is over is removed.
    fn drift(&self, report: &Report) -> Option<Drift> {
        let known = self.object.status().and_then(|status| status.drift.clone());
        let Some(seen) = self.drift_seen.as_ref().or(report.drift.as_ref()) else {
            let was_read = report.state.is_some();
            return known.filter(|known| known.corrected || !was_read);
        };
        let same = |known: &Drift| !known.corrected && !seen.corrected && known.fields == seen.fields;
        known.filter(same).or_else(|| {
            let found_at = Utc::now().with_nanosecond(0).unwrap_or_default();
            Some(Drift { found_at, corrected: seen.corrected, fields: seen.fields.clone() })
        })
    }

    /// What this reconciliation changed back stays in the report until the resource is ready again.
    fn with_reverted_drift(&self, report: &Report) -> Report {
        let reverting = self.drift_seen.clone().filter(|_| report.ready != Ready::Yes);
        Report { drift: report.drift.clone().or(reverting), ..report.clone() }
    }

    fn emit_end_of_drift(&mut self, report: &Report) {
        let conditions = self.object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let was = |entry: &Condition| entry.type_ == condition::DRIFTED && entry.status == "True";
        let drifted = conditions.iter().any(was) || self.drift_seen.is_some();
        if drifted && report.ready == Ready::Yes && report.drift.is_none() {
            let note = format!("Service {} is as declared again.", self.desired.name);
            self.emit(Severity::Normal, reason::IN_SYNC, "Reconcile", &note);
        }
    }

    /// Emits an event for reported drift. The step that corrects drift emits its own event.
    fn emit_reported_drift(&mut self, report: &Report) {
        let Some(seen) = report.drift.as_ref().filter(|seen| !seen.corrected) else { return };
        let known = self.object.status().and_then(|status| status.drift.as_ref());
        if known.is_none_or(|known| known.corrected || known.fields != seen.fields) {
            let note = engine::sync::drift_message(seen);
            self.emit(Severity::Warning, reason::DRIFT, "Reconcile", &note);
            self.measure_drift(seen);
        }
    }
}
