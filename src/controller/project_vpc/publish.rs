//! Publishes the result for a `ProjectVPC`: its status when it changes, and an event when it moves from one condition
//! to another.

use super::Reconciliation;
use crate::controller::error::ReconcileError;
use chrono::Utc;
use valkeeper_api::ProjectVpcStatus;
use valkeeper_engine::{Report, vpc};

impl Reconciliation {
    /// Publishes `report` in a status that otherwise equals `before`.
    pub(super) async fn publish(
        &mut self,
        before: ProjectVpcStatus,
        report: &Report,
    ) -> Result<(), ReconcileError> {
        if self.attempt.released {
            return Ok(());
        }
        self.attempt.announce(report);
        let generation = self.attempt.object.metadata.generation.unwrap_or_default();
        let next = vpc::reported(before, report, generation, Utc::now());
        self.attempt.write_status(&next).await
    }

    pub(super) fn status(&self) -> ProjectVpcStatus {
        self.attempt.object.status.clone().unwrap_or_default()
    }
}
