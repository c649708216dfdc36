//! Deletes what is stored of a backup: the operator itself where it has keys, an instance of the cluster where the store
//! knows only the pods of the cluster.
//!
//! Guarantees: the operator uses no identity of its own, which could reach what the owner of the resource cannot.

use super::{Reconciliation, Seen};
use crate::{cluster::events::Severity, controller::error::ReconcileError};
use std::time::Duration;
use valkeeper_backup::{BackupError, ErrorClass, Store};
use valkeeper_cluster::{backup::key, names::reason};
use valkeeper_instance::backups::EraseRequest;

/// Longest wait for a store to abort uploads.
const ABORTING: Duration = Duration::from_secs(20);

impl Reconciliation {
    /// Deletes what is stored, and what attempts have left; answers whether all is deleted.
    pub(super) async fn erase(&self, seen: &Seen) -> Result<bool, ReconcileError> {
        let Some(request) = self.request(seen, false) else { return Ok(false) };
        carry_out(&request, seen).await?;
        Ok(true)
    }

    /// Aborts the uploads that attempts have left, once. Whatever becomes of it blocks no deletion, which leaves data
    /// where it is.
    pub(super) async fn abort_uploads(&self, seen: &Seen) {
        // Where nothing can be opened, nothing was stored.
        let Some(request) = self.request(seen, true) else { return };
        let why = match tokio::time::timeout(ABORTING, carry_out(&request, seen)).await {
            Ok(Ok(()) | Err(BackupError::Destination { .. })) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        let note = format!("Failed to abort uploads below {}: {why}. Abort them in the bucket.", request.key);
        let recorder = &self.context.recorder;
        recorder.emit(&self.object, Severity::Warning, reason::UPLOADS_LEFT, "Reconcile", &note);
    }

    fn request(&self, seen: &Seen, uploads_only: bool) -> Option<EraseRequest> {
        let (destination, credentials) = seen.target.clone()?;
        let status = self.object.status.as_ref()?;
        let key = status.key.clone().unwrap_or_else(|| key(&self.object));
        Some(EraseRequest { key, destination, credentials, uploads_only })
    }
}

async fn carry_out(request: &EraseRequest, seen: &Seen) -> Result<(), BackupError> {
    if request.credentials.workload_identity {
        return ask(request, seen).await;
    }
    request.carry_out(&Store::open(&request.destination, Some(&request.credentials))?).await
}

/// Asks one instance after the other, until one has done it.
async fn ask(request: &EraseRequest, seen: &Seen) -> Result<(), BackupError> {
    let mut cause = "no instance of the cluster can be reached".to_owned();
    for instance in &seen.erasers {
        match instance.erase(request).await {
            Ok(()) => return Ok(()),
            Err(error) => cause = error.to_string(),
        }
    }
    Err(BackupError::Store { doing: format!("erase {}", request.key), class: ErrorClass::Transient, cause })
}
