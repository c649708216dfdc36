//! One reconciliation of a `ValkeyScheduledBackup`: its backups are listed, and at most a few steps are taken.

use super::super::{
    context::Context,
    error::ReconcileError,
    managed_service::{measure, outcome},
    reconcile::Reconciled,
    schedule::scheduler::{Next, Wake},
    valkey_cluster::now,
    work_item::WorkItem,
};
use crate::cluster::{events::Severity, metadata, objects, status};
use futures::FutureExt as _;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use valkeeper_api::{
    Custom as _, ScheduledBackupStatus, ValkeyBackup, ValkeyScheduledBackup,
    valkey_backup::{CLUSTER, EXPIRED, SCHEDULE},
};
use valkeeper_cluster::{
    names::reason,
    scheduled::{ScheduledReport, ScheduledStep, decide, name, next_status},
};
use valkeeper_engine::{Ready, conditions};

/// More steps than a reconciliation needs; what is left comes in the next one.
const MAX_STEPS: usize = 16;
/// A schedule is looked at at least this often: its backups may have ended.
const INTERVAL: Duration = Duration::from_secs(10);

impl Reconciled for ValkeyScheduledBackup {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, _: Wake<Self>) -> Next {
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let namespace = item.object.namespace().unwrap_or_default();
        let uid = item.object.uid().unwrap_or_default();
        let mut reconciliation = Scheduled {
            api: Api::namespaced(context.client.clone(), &namespace),
            context: context.clone(),
            namespace,
            object: item.object,
        };
        let run = reconciliation.run().boxed();
        let after = match outcome::of(&context, Self::NAME, &time, run, |_| None).await {
            Ok(after) => after,
            Err(error) => {
                let delay = context.settings.retry.delay(error.class(), 1, rand::random());
                outcome::failed(&context, &uid, &error, delay);
                delay
            }
        };
        measure::state(&context, &reconciliation.object);
        Next::After(after)
    }
}

struct Scheduled {
    context: Arc<Context>,
    api: Api<ValkeyScheduledBackup>,
    namespace: String,
    object: ValkeyScheduledBackup,
}

impl Scheduled {
    async fn run(&mut self) -> Result<Duration, ReconcileError> {
        let labels = format!("{SCHEDULE}={}", self.object.name_any());
        for _ in 0..MAX_STEPS {
            let backups: Vec<ValkeyBackup> =
                objects::list(&self.context.client, &self.namespace, &labels).await?;
            let now = now();
            let (step, report) = decide(&self.object, &backups, now);
            let next = next_status(&self.object, &backups, &step, &report, now);
            tracing::debug!(?step, "step");
            // Created first, then noted: a backup is never noted that was not created.
            self.perform(&step, &backups).await?;
            self.publish(next, &report).await?;
            if let ScheduledStep::Rest(until) = step {
                outcome::went_well(&self.context, &self.object.uid().unwrap_or_default());
                let until = until.and_then(|until| (until - now).to_std().ok());
                return Ok(until.map_or(INTERVAL, |until| until.min(INTERVAL)));
            }
        }
        Ok(INTERVAL)
    }

    async fn perform(
        &mut self,
        step: &ScheduledStep,
        backups: &[ValkeyBackup],
    ) -> Result<(), ReconcileError> {
        match step {
            ScheduledStep::Create(due) => {
                let backup = self.backup(&name(&self.object, *due))?;
                objects::create(&self.context.client, &self.namespace, &backup).await?;
            }
            ScheduledStep::Skip(due, why) => {
                let message = format!("Skipped the backup that was due at {}. {why}", due.to_rfc3339());
                self.emit(Severity::Warning, reason::BACKUP_MISSED, &message);
            }
            ScheduledStep::Expire(name) => {
                if let Some(backup) = backups.iter().find(|backup| backup.name_any() == *name) {
                    let api: Api<ValkeyBackup> =
                        Api::namespaced(self.context.client.clone(), &self.namespace);
                    let mark = BTreeMap::from([(EXPIRED, Some("true".to_owned()))]);
                    metadata::annotate(&api, backup, &mark).await?;
                }
            }
            ScheduledStep::Delete(name) => {
                if let Some(backup) = backups.iter().find(|backup| backup.name_any() == *name) {
                    let uid = backup.uid();
                    objects::delete::<ValkeyBackup>(
                        &self.context.client,
                        &self.namespace,
                        name,
                        uid.as_deref(),
                    )
                    .await?;
                    let message = format!("Deleting ValkeyBackup {name}, which no retention keeps.");
                    self.emit(Severity::Normal, reason::BACKUP_EXPIRED, &message);
                }
            }
            ScheduledStep::Rest(_) => {}
        }
        Ok(())
    }

    /// It belongs to nobody: backups outlive their schedule.
    fn backup(&self, name: &str) -> Result<ValkeyBackup, ReconcileError> {
        let spec = &self.object.spec;
        let body = json!({
            "apiVersion": "valkeeper.io/v1alpha1",
            "kind": ValkeyBackup::NAME,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {SCHEDULE: self.object.name_any(), CLUSTER: spec.cluster_name},
            },
            "spec": {
                "clusterName": spec.cluster_name,
                "destination": spec.destination,
                "verify": spec.verify,
            },
        });
        serde_json::from_value(body)
            .map_err(|error| ReconcileError::Defect(format!("a backup is malformed: {error}")))
    }

    async fn publish(
        &mut self,
        next: ScheduledBackupStatus,
        report: &ScheduledReport,
    ) -> Result<(), ReconcileError> {
        let before = self.object.status.as_ref().map(|status| status.conditions.as_slice());
        let is_news = conditions::reason_of_ready(before.unwrap_or_default()) != Some(report.reason);
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.object = object;
            if is_news {
                let severity =
                    if report.ready == Ready::Stuck { Severity::Warning } else { Severity::Normal };
                self.emit(severity, report.reason, &report.message);
            }
        }
        Ok(())
    }

    fn emit(&self, severity: Severity, reason: &str, note: &str) {
        self.context.recorder.emit(&self.object, severity, reason, "Reconcile", note);
    }
}
