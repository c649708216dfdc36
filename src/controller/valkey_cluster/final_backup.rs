//! The backup that a deletion waits for: reads it, and creates it.

use super::Reconciliation;
use crate::{
    cluster::objects,
    controller::error::{ReconcileError, Result},
};
use kube::Api;
use std::time::Duration;
use tokio::time::Instant;
use valkeeper_api::{Custom as _, ValkeyBackup};
use valkeeper_cluster::{
    Desired,
    final_backup::{FinalBackupSeen, body, name, seen},
};

/// Between two attempts to create a backup that Kubernetes refuses.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(10);

impl Reconciliation {
    /// The backup that the deletion waits for, if it does.
    pub(super) async fn final_backup(&self, desired: &Desired) -> Result<FinalBackupSeen> {
        if !desired.awaits_final_backup {
            return Ok(FinalBackupSeen::Unknown);
        }
        let api: Api<ValkeyBackup> = Api::namespaced(self.context.client.clone(), &self.namespace);
        let name = name(&desired.name, &desired.uid);
        let doing = || format!("read {} {name}", ValkeyBackup::NAME);
        let found = crate::cluster::bounded(doing, api.get_opt(&name)).await?;
        let refused = self.known.final_backup.as_ref().filter(|(at, _)| at.elapsed() < BETWEEN_ATTEMPTS);
        Ok(match (seen(desired, found.as_ref()), refused) {
            (FinalBackupSeen::Missing, Some((_, why))) => FinalBackupSeen::Refused(why.clone()),
            (seen, _) => seen,
        })
    }

    /// Creates it. That Kubernetes refuses it is for a user to read, and stops nothing else.
    pub(super) async fn create_final_backup(&mut self, desired: &Desired) -> Result<bool> {
        let backup: ValkeyBackup = serde_json::from_value(body(desired))
            .map_err(|error| ReconcileError::Defect(format!("a backup is malformed: {error}")))?;
        match objects::create(&self.context.client, &self.namespace, &backup).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => {
                tracing::warn!(%error, "the final backup is refused");
                self.known.final_backup = Some((Instant::now(), error.words()));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
