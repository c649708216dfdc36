//! Finds the backup that a new cluster starts with, and tells the first instance.

use super::Reconciliation;
use crate::controller::{backup::target, error::ReconcileError};
use kube::Api;
use valkeeper_api::{Custom as _, ValkeyBackup};
use valkeeper_cluster::{Desired, Observed, RestoreSource};
use valkeeper_instance::restore::RestoreRequest;

impl Reconciliation {
    /// Tells an instance which backup its data comes from.
    pub(super) async fn restore(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        ordinal: u32,
    ) -> Result<bool, ReconcileError> {
        self.known.restoration.asked();
        let Ok(request) = self.restore_request(desired).await? else { return Ok(false) };
        let Some(instance) = self.instance(desired, observed, ordinal) else { return Ok(false) };
        let answer = instance.restore(&request).await;
        if let Err(error) = &answer {
            tracing::info!(%error, "no answer to a restoration");
        }
        Ok(answer.is_ok())
    }

    /// The backup that the data is to come from, if it still has to.
    pub(super) async fn restore_source(&self, desired: &Desired) -> Result<RestoreSource, ReconcileError> {
        if desired.spec.bootstrap.is_none() || desired.status.restored.is_some() {
            return Ok(RestoreSource::Unknown);
        }
        Ok(match self.restore_request(desired).await? {
            Ok(request) => RestoreSource::Found(request.key),
            Err(problem) => RestoreSource::Problem(problem),
        })
    }

    /// What the first instance is told; what is missing, and what to do, if there is no such backup.
    pub(super) async fn restore_request(
        &self,
        desired: &Desired,
    ) -> Result<Result<RestoreRequest, String>, ReconcileError> {
        let backup = desired.spec.bootstrap.as_ref().map(|bootstrap| &bootstrap.backup);
        let source = backup.and_then(|backup| backup.source.clone());
        let (destination, key) = match (source, backup.and_then(|backup| backup.name.as_ref())) {
            (Some(source), _) => (source.destination, source.key),
            (None, Some(name)) => {
                let api: Api<ValkeyBackup> = Api::namespaced(self.context.client.clone(), &self.namespace);
                let doing = || format!("read {} {name}", ValkeyBackup::NAME);
                let Some(found) = crate::cluster::bounded(doing, api.get_opt(name)).await? else {
                    return Ok(Err(format!(
                        "ValkeyBackup {name} does not exist. Create the cluster with spec.bootstrap.backup.source."
                    )));
                };
                let status = found.status.unwrap_or_default();
                match status.key.filter(|_| status.phase.as_deref() == Some("Completed")) {
                    Some(key) => (found.spec.destination, key),
                    None => {
                        return Ok(Err(format!(
                            "ValkeyBackup {name} is not completed. Wait, or name another one."
                        )));
                    }
                }
            }
            (None, None) => return Ok(Err("spec.bootstrap.backup names no backup.".to_owned())),
        };
        if let Some(unmounted) = target::unmounted(&destination, &self.object) {
            return Ok(Err(unmounted));
        }
        let target = target::read(&self.context.client, &self.namespace, &destination).await?;
        Ok(target.map(|(destination, credentials)| RestoreRequest {
            key,
            destination,
            credentials: Some(credentials),
            is_redis: desired.is_redis(),
            version: desired.spec.version.clone(),
        }))
    }
}
