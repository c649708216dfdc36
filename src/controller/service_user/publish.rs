//! Publishes the result for a `ServiceUser`: its status when it changes, and an event when it moves from one condition to
//! another.

use super::Reconciliation;
use crate::controller::error::ReconcileError;
use chrono::Utc;
use valkeeper_api::service_facts::Binding;
use valkeeper_engine::{Report, service_user};

impl Reconciliation {
    pub(super) async fn publish(&mut self, report: &Report) -> Result<(), ReconcileError> {
        if self.attempt.released {
            return Ok(());
        }
        self.attempt.announce(report);
        let desired = self.desired();
        let mut next = service_user::reported(self.status(), report, &desired, self.seen(), Utc::now());
        if let Some(record) = &self.secret_record {
            let binds = desired.secret.is_some_and(|target| target.binding.is_some());
            next.binding = binds.then(|| Binding { name: record.name.clone() });
            next.connection_secret = Some(record.clone());
        }
        self.attempt.write_status(&next).await
    }
}
