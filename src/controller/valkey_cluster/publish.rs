//! What users see of a cluster: its status, when it says something new, and an event when it passes from one condition
//! into another.

use super::{Reconciliation, clock};
use crate::{
    cluster::{events::Severity, status},
    controller::error::ReconcileError,
};
use valkeeper_api::{
    ClusterStatus,
    service_facts::{Binding, WrittenSecret},
};
use valkeeper_cluster::{ClusterReport, Desired, Observed, next_status};
use valkeeper_engine::{Ready, conditions};

impl Reconciliation {
    /// Publishes what is true.
    pub(super) async fn publish(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        report: &ClusterReport,
    ) -> Result<(), ReconcileError> {
        let before = conditions::reason_of_ready(&desired.status.conditions);
        if before != Some(report.reason) && self.known.told != Some(report.reason) {
            let severity = if report.ready == Ready::Stuck { Severity::Warning } else { Severity::Normal };
            self.emit(severity, report.reason, &report.message);
            self.known.told = Some(report.reason);
        } else if before == Some(report.reason) {
            self.known.told = None;
        }
        let promotion = self.known.promotion.as_ref();
        let next = next_status(desired, observed, report, promotion, clock::now());
        if self.known.promotion.as_ref().is_some_and(|record| next.last_failover.as_ref() == Some(record)) {
            self.known.promotion = None;
        }
        self.write_status(next).await
    }

    async fn write_status(&mut self, next: ClusterStatus) -> Result<(), ReconcileError> {
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.adopt(object);
        }
        Ok(())
    }

    /// Remembers what the connection Secret was given.
    pub(super) async fn note_secret(
        &mut self,
        record: WrittenSecret,
        binds: bool,
    ) -> Result<(), ReconcileError> {
        let mut next = self.object.status.clone().unwrap_or_default();
        next.binding = binds.then(|| Binding { name: record.name.clone() });
        next.connection_secret = Some(record);
        self.write_status(next).await
    }

    /// A failure is told in the log and, unless it is a conflict that the next look solves, in an event.
    pub(super) async fn publish_failure(&mut self, error: &ReconcileError) {
        let failure = error.failure("");
        if self.known.failures > 3 && self.known.told != Some(failure.reason) {
            self.known.told = Some(failure.reason);
            self.emit(Severity::Warning, failure.reason, &failure.message);
        }
        // The next version of the object may be the reason.
        if let Ok(object) = self.api.get(&self.name()).await
            && object.metadata.uid == self.object.metadata.uid
        {
            self.adopt(object);
        }
    }

    pub(super) fn emit(&mut self, severity: Severity, reason: &'static str, note: &str) {
        tracing::info!(reason, note, "event");
        self.context.recorder.emit(&self.object, severity, reason, "Reconcile", note);
    }
}
