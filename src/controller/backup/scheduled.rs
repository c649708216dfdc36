//! One reconciliation of a `ValkeyScheduledBackup`: its backups are listed, and at most a few steps are taken.
//!
//! It takes place when something is due by the clock, when a backup of it has changed, which the reconciliation of the
//! backup says, and once per resync interval. Backups are read from the API server and not from a watch: what is deleted
//! depends on what else there is.

use super::super::{
    context::Context,
    error::ReconcileError,
    managed_service::{measure, outcome},
    reconcile::Reconciled,
    schedule::scheduler::{Next, Wake},
    valkey_cluster::now,
    watch::cached::Cached,
    work_item::WorkItem,
};
use crate::cluster::{events::Severity, metadata, objects, status};
use futures::FutureExt as _;
use kube::{Api, ResourceExt as _, runtime::reflector::Store};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use valkeeper_api::{
    Custom as _, ScheduledBackupStatus, ValkeyBackup, ValkeyCluster, ValkeyScheduledBackup,
    names::condition,
    valkey_backup::{CLUSTER, EXPIRED, SCHEDULE, VERIFY},
};
use valkeeper_cluster::{
    names::reason,
    scheduled::{
        Cause, ClusterSeen, ScheduledReport, ScheduledStep, decide, goes_with_cluster, name, next_status,
    },
};
use valkeeper_engine::{Ready, conditions};

/// More steps than a reconciliation needs; what is left comes in the next one.
const MAX_STEPS: usize = 16;
/// Shortest time between two looks at a schedule by the clock.
const SOONEST: Duration = Duration::from_secs(1);

impl Reconciled for ValkeyScheduledBackup {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, wake: Wake<Self>) -> Next {
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let namespace = item.object.namespace().unwrap_or_default();
        let uid = item.object.uid().unwrap_or_default();
        let place = (namespace.clone(), item.object.name_any());
        context.schedules.wakers.wakes_by(place, Arc::new(move || wake.wake()), &uid);
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
                let failures = context.schedules.failures.again(&uid);
                let delay = context.settings.retry.delay(error.class(), failures, rand::random());
                outcome::failed(&context, &uid, &error, delay);
                delay
            }
        };
        let Scheduled { object, namespace, .. } = &reconciliation;
        measure::state(&context, object);
        context.metrics.backups().scheduled(&uid, super::measured::schedule(object));
        // The store shows what led to this reconciliation.
        context.schedules.changed();
        context.clusters.wakers.wake(namespace, &object.spec.cluster_name);
        Next::After(after)
    }

    fn watched(context: &Context, store: Store<Cached<Self>>) {
        context.schedules.add(store);
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
            let cluster = self.cluster_seen().await?;
            let now = now();
            let (step, report) = decide(&self.object, &backups, &cluster, now);
            let next = next_status(&self.object, (&backups, &cluster), &step, &report, now);
            tracing::debug!(?step, "step");
            // Created first, then noted: a backup is never noted that was not created.
            self.perform(&step, &backups).await?;
            self.publish(next, &report).await?;
            if let ScheduledStep::Rest(until) = step {
                let uid = self.object.uid().unwrap_or_default();
                outcome::went_well(&self.context, &uid);
                self.context.schedules.failures.reset(&uid);
                let resync = self.context.settings.resync_interval;
                let until = until.and_then(|until| (until - now).to_std().ok());
                return Ok(until.map_or(resync, |until| until.clamp(SOONEST, resync)));
            }
        }
        Ok(SOONEST)
    }

    /// The cluster as the API server lists it, where its deletion matters. The answer that there is no such object may
    /// mean that there is no such kind; a list without it means what it says.
    async fn cluster_seen(&self) -> Result<ClusterSeen, ReconcileError> {
        if !goes_with_cluster(&self.object) {
            return Ok(ClusterSeen::Unknown);
        }
        let name = &self.object.spec.cluster_name;
        let uid = objects::listed_uid::<ValkeyCluster>(&self.context.client, &self.namespace, name).await?;
        Ok(uid.map_or(ClusterSeen::Absent, ClusterSeen::Present))
    }

    async fn perform(
        &mut self,
        step: &ScheduledStep,
        backups: &[ValkeyBackup],
    ) -> Result<(), ReconcileError> {
        let named = |name: &str| backups.iter().find(|backup| backup.name_any() == name);
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
                if let Some(backup) = named(name) {
                    self.annotate(backup, EXPIRED, Some("true")).await?;
                }
            }
            ScheduledStep::Delete(name, cause) => {
                if let Some(backup) = named(name) {
                    let uid = backup.uid();
                    objects::delete::<ValkeyBackup>(
                        &self.context.client,
                        &self.namespace,
                        name,
                        uid.as_deref(),
                    )
                    .await?;
                    let message = match cause {
                        Cause::Expired => format!("Deleting ValkeyBackup {name}, which no retention keeps."),
                        Cause::ClusterDeleted => format!(
                            "Deleting ValkeyBackup {name}: its cluster was deleted, and spec.whenClusterDeleted is Delete."
                        ),
                    };
                    self.emit(Severity::Normal, reason::BACKUP_EXPIRED, &message);
                }
            }
            ScheduledStep::Verify(name, request) => {
                if let Some(backup) = named(name) {
                    self.annotate(backup, VERIFY, Some(request)).await?;
                    let message = format!("Verifying ValkeyBackup {name} again.");
                    self.emit(Severity::Normal, reason::VERIFICATION_DUE, &message);
                }
            }
            ScheduledStep::Withdraw(name) => {
                if let Some(backup) = named(name) {
                    self.annotate(backup, VERIFY, None).await?;
                    let message = format!(
                        "Cannot verify ValkeyBackup {name}: no attempt had a result. A newer backup is verified instead."
                    );
                    self.emit(Severity::Warning, reason::VERIFICATION_POSTPONED, &message);
                }
            }
            ScheduledStep::Rest(_) => {}
        }
        Ok(())
    }

    async fn annotate(
        &self,
        backup: &ValkeyBackup,
        annotation: &'static str,
        value: Option<&str>,
    ) -> Result<(), ReconcileError> {
        let api: Api<ValkeyBackup> = Api::namespaced(self.context.client.clone(), &self.namespace);
        let annotations = BTreeMap::from([(annotation, value.map(str::to_owned))]);
        metadata::annotate(&api, backup, &annotations).await?;
        Ok(())
    }

    /// It belongs to nobody: backups outlive their schedule.
    fn backup(&self, name: &str) -> Result<ValkeyBackup, ReconcileError> {
        let spec = &self.object.spec;
        let mut body = json!({
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
        if let Some(limit) = &spec.max_bytes_per_second {
            body["spec"]["maxBytesPerSecond"] = json!(limit);
        }
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
        let was_overdue = is_overdue(&self.object).is_some();
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.object = object;
            if was_overdue != is_overdue(&self.object).is_some() {
                self.emit_freshness();
            }
            if is_news {
                let severity =
                    if report.ready == Ready::Stuck { Severity::Warning } else { Severity::Normal };
                self.emit(severity, report.reason, &report.message);
            }
        }
        Ok(())
    }

    fn emit_freshness(&self) {
        if let Some(message) = is_overdue(&self.object) {
            self.emit(Severity::Warning, reason::BACKUP_OVERDUE, message);
        } else {
            let message = "The backup that was last due is stored, or none is due.";
            self.emit(Severity::Normal, reason::BACKUP_COMPLETED, message);
        }
    }

    fn emit(&self, severity: Severity, reason: &str, note: &str) {
        self.context.recorder.emit(&self.object, severity, reason, "Reconcile", note);
    }
}

/// Why the backup that was last due is missing, if it is.
fn is_overdue(object: &ValkeyScheduledBackup) -> Option<&str> {
    let found = conditions::find(object.conditions(), condition::BACKUP_FRESH)?;
    (found.status == "False").then_some(&found.message)
}
