//! Publishes the result for a `ProjectVPC`: its status when it changes, and an event when it moves from one condition
//! to another.

use super::Reconciliation;
use crate::{
    cluster::{events::Severity, status},
    controller::error::ReconcileError,
};
use chrono::Utc;
use kube::ResourceExt as _;
use std::fmt::Write as _;
use valkeeper_api::{ProjectVpcStatus, names};
use valkeeper_engine::{Ready, Report, vpc};

impl Reconciliation {
    /// Publishes `report` in a status that otherwise equals `before`.
    pub(super) async fn publish(
        &mut self,
        before: ProjectVpcStatus,
        report: &Report,
    ) -> Result<(), ReconcileError> {
        if self.released {
            return Ok(());
        }
        let Self { context, object, memory, .. } = self;
        self.announcements.emit_transition(context, object, memory, report);
        let generation = self.object.metadata.generation.unwrap_or_default();
        self.write_status(vpc::reported(before, report, generation, Utc::now())).await
    }

    pub(super) fn status(&self) -> ProjectVpcStatus {
        self.object.status.clone().unwrap_or_default()
    }

    pub(super) async fn write_status(&mut self, next: ProjectVpcStatus) -> Result<(), ReconcileError> {
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.adopt(object);
        }
        Ok(())
    }

    /// The report of a failed reconciliation.
    pub(super) fn failure(&self, error: &ReconcileError) -> Report {
        let mut failure = error.failure(&self.token_source());
        let deleting = self.object.metadata.deletion_timestamp.is_some();
        // A project that cannot be found anymore proves nothing about the VPC in it.
        failure.passing |= self.desired().id.is_some() && error.is_about_the_project();
        if deleting && !failure.passing {
            // A text takes everything.
            let _ = write!(
                failure.message,
                " To delete {} without its VPC, annotate it with {}={}.",
                self.object.name_any(),
                names::DELETION_POLICY,
                names::DELETION_POLICY_ORPHAN
            );
        }
        let ready = match (failure.passing, deleting) {
            (false, _) => Ready::Stuck,
            (true, true) => Ready::Progressing,
            (true, false) => Ready::Unchanged,
        };
        Report::new(ready, failure.reason, failure.message).of_a_failure(self.memory.failures)
    }

    /// Where the token came from, or should have come from, in words.
    pub(super) fn token_source(&self) -> String {
        self.token_use.source(&self.context, &self.object)
    }

    pub(super) fn emit(
        &mut self,
        severity: Severity,
        reason: &'static str,
        action: &'static str,
        note: &str,
    ) {
        self.announcements.emit(&self.context, &self.object, severity, [reason, action], note);
    }
}
