//! One reconciliation of a `ValkeyBackup`: observe, decide, perform one step, again, until there is nothing to do now. An
//! instance of the cluster takes the backup; the operator asks it how far it is, and deletes what is stored.

mod answer;
mod erase;
mod known;
mod measured;
mod observe;
mod own_pod;
mod pod_answer;
mod scheduled;
mod schedules;
pub(super) mod target;

pub(super) use known::Backups;
pub(super) use schedules::Schedules;

use super::{
    context::Context,
    error::ReconcileError,
    managed_service::{measure, outcome},
    reconcile::Reconciled,
    schedule::scheduler::{Next, Wake},
    valkey_cluster::now,
    work_item::WorkItem,
};
use crate::cluster::{events::Severity, metadata, status};
use futures::FutureExt as _;
use known::Known;
use kube::{Api, ResourceExt as _};
use observe::{Seen, observe};
use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc, time::Duration};
use valkeeper_api::{BackupStatus, Custom as _, ValkeyBackup, valkey_backup::SCHEDULE};
use valkeeper_backup::Origin;
use valkeeper_cluster::{
    Defaults, Desired,
    backup::{
        BackupReport, BackupStep, ObservedBackup, attempt_id, decide, key, next_status, own_pod as named_pod,
        pod_memory, verification_delay, verification_id,
    },
    bytes, max_memory,
    names::reason,
};
use valkeeper_engine::{Ready, backoff, conditions, failure::Class};
use valkeeper_instance::backups::BackupRequest;

/// More steps than any reconciliation needs.
const MAX_STEPS: usize = 8;
/// How often an instance is asked.
const SOON: Duration = Duration::from_secs(1);
/// How often a pod of its own that verifies a backup is looked at.
const OWN_POD: Duration = Duration::from_secs(5);

/// A reconciliation under way.
struct Reconciliation {
    context: Arc<Context>,
    api: Api<ValkeyBackup>,
    namespace: String,
    object: ValkeyBackup,
    known: Known,
    released: bool,
}

impl Reconciled for ValkeyBackup {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, _: Wake<Self>) -> Next {
        let uid = item.object.uid().unwrap_or_default();
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let namespace = item.object.namespace().unwrap_or_default();
        let mut reconciliation = Reconciliation {
            api: Api::namespaced(context.client.clone(), &namespace),
            known: context.backups.recall(&uid),
            context: context.clone(),
            namespace,
            object: item.object,
            released: false,
        };
        let run = reconciliation.run().boxed();
        let after = match outcome::of(&context, Self::NAME, &time, run, |_| None).await {
            Ok(after) => after,
            Err(error) => reconciliation.fail(&error),
        };
        measure::state(&context, &reconciliation.object);
        if reconciliation.released {
            reconciliation.wake_schedule();
            context.forget(&uid, &reconciliation.object.name_any());
            return Next::After(context.settings.external_wait_interval);
        }
        context.backups.keep(&uid, reconciliation.known);
        Next::After(after)
    }
}

impl Reconciliation {
    async fn run(&mut self) -> Result<Duration, ReconcileError> {
        for _ in 0..MAX_STEPS {
            let (client, clusters) = (&self.context.client, &self.context.clusters);
            let seen =
                observe(client, (clusters, &self.context.fence), &self.object, &mut self.known).await?;
            let observed = ObservedBackup {
                object: &self.object,
                cluster: seen.cluster.as_ref().and_then(|cluster| cluster.status.as_ref()),
                cluster_uid: seen.cluster.as_ref().and_then(|cluster| cluster.metadata.uid.clone()),
                obstacle: seen.obstacle.clone(),
                progress: seen.progress.clone(),
                begun: self.known.begun,
                backs_off: self.known.backs_off().is_some(),
                erased: self.known.erased,
                now: now(),
            };
            let (step, report) = decide(&observed);
            let next = next_status(&observed, &step, &report);
            tracing::debug!(?step, "step");
            let before = self.object.clone();
            self.publish(next, &report).await?;
            own_pod::remove_unless_named(&self.context.client, &before, &self.object).await?;
            if let BackupStep::Rest { soon } = step {
                self.known.failures = 0;
                outcome::went_well(&self.context, &self.uid());
                let later = self.context.settings.resync_interval;
                let in_own_pod = self.object.status.as_ref().and_then(named_pod).is_some();
                let soon_enough = if in_own_pod { OWN_POD } else { SOON };
                return Ok(if soon {
                    soon_enough
                } else {
                    self.known.backs_off().unwrap_or(later).min(later)
                });
            }
            // One that did not begin is asked again later.
            let began = matches!(step, BackupStep::Begin | BackupStep::BeginVerification);
            self.perform(step, seen).boxed().await?;
            if self.released || began {
                break;
            }
        }
        Ok(SOON)
    }

    async fn perform(&mut self, step: BackupStep, seen: Seen) -> Result<(), ReconcileError> {
        match step {
            BackupStep::AddFinalizer => {
                self.object = metadata::add_finalizer(&self.api, &self.object, &BTreeMap::new()).await?;
            }
            BackupStep::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
            }
            BackupStep::Begin => self.begin(&seen, attempt_id(&self.object), false).await,
            BackupStep::BeginVerification if pod_memory(&self.object).is_some() => {
                self.begin_in_own_pod(&seen).await?;
            }
            BackupStep::BeginVerification => self.begin(&seen, verification_id(&self.object), true).await,
            BackupStep::Erase => {
                self.known.erased = self.erase(&seen).await?;
            }
            BackupStep::AbortUploads => {
                self.abort_uploads(&seen).await;
                self.known.erased = true;
            }
            BackupStep::Unassign => {
                let attempts = self.object.status.as_ref().and_then(|status| status.attempts);
                let attempts = u32::try_from(attempts.unwrap_or_default()).unwrap_or_default();
                let retry = &self.context.settings.retry;
                self.known.attempt_ended(retry.delay(Class::Transient, attempts, rand::random()));
            }
            BackupStep::Postpone(_) => {
                let delay = verification_delay(&self.object).to_std().unwrap_or_default();
                self.known.attempt_ended(backoff::spread(delay, rand::random()));
            }
            // Noted in the status, which is written.
            BackupStep::Assign(_) | BackupStep::AssignVerification(_) => self.known.begun = false,
            BackupStep::Conclude(_) | BackupStep::Rest { .. } => {}
        }
        Ok(())
    }

    /// Asks the instance to begin a backup, or to verify the `existing` one. What came of it is seen by the next look.
    async fn begin(&mut self, seen: &Seen, id: String, existing: bool) {
        let (Some(client), Some((destination, credentials)), Some(cluster)) =
            (&seen.client, &seen.target, &seen.cluster)
        else {
            return;
        };
        let desired = Desired::of(cluster, Defaults::default());
        let status = self.object.status.clone().unwrap_or_default();
        let request = BackupRequest {
            id,
            key: status.key.unwrap_or_else(|| key(&self.object)),
            // A manager that was started again begins with the same number again.
            attempt: format!("{}-{:08x}", status.attempts.unwrap_or_default(), rand::random::<u32>()),
            destination: destination.clone(),
            credentials: Some(credentials.clone()),
            origin: Origin {
                namespace: self.namespace.clone(),
                cluster: self.object.spec.cluster_name.clone(),
                ..Origin::default()
            },
            verify: self.object.spec.verify,
            existing,
            bytes_per_second: self
                .object
                .spec
                .max_bytes_per_second
                .as_deref()
                .map(bytes)
                .and_then(NonZeroU64::new),
            memory_limit: max_memory(&desired).0,
        };
        match client.back_up(&request).await {
            Ok(_) => self.known.begun = true,
            Err(error) => tracing::info!(%error, "an instance did not begin a backup"),
        }
    }

    /// Creates the pod that verifies the backup.
    async fn begin_in_own_pod(&mut self, seen: &Seen) -> Result<(), ReconcileError> {
        let (client, image) = (&self.context.client, &self.context.settings.manager_image);
        let name = &self.object.spec.cluster_name;
        self.known.refused = match &seen.cluster {
            Some(cluster) => own_pod::create(client, (&self.object, cluster), image).await?,
            None => Some(format!("ValkeyCluster {name}, which verifies it, does not exist.")),
        };
        self.known.begun = self.known.refused.is_none();
        Ok(())
    }

    async fn publish(&mut self, next: BackupStatus, report: &BackupReport) -> Result<(), ReconcileError> {
        let before = self.object.status.clone();
        let said = before.as_ref().map(|status| status.conditions.as_slice());
        let is_news = conditions::reason_of_ready(said.unwrap_or_default()) != Some(report.reason);
        if let Some(object) = status::write_onto(&self.api, &self.object, &next).await? {
            self.object = object;
            measured::backup(&self.context.metrics, before.as_ref(), &next);
            self.wake_schedule();
            if measured::is_postponed(before.as_ref(), &next) {
                self.emit_postponed(before.as_ref(), &next);
            }
            if is_news {
                let bad = report.ready == Ready::Stuck
                    || [reason::BACKUP_RETRIED, reason::VERIFICATION_POSTPONED].contains(&report.reason);
                let severity = if bad { Severity::Warning } else { Severity::Normal };
                self.context.recorder.emit(
                    &self.object,
                    severity,
                    report.reason,
                    "Reconcile",
                    &report.message,
                );
            }
        }
        Ok(())
    }

    /// A schedule counts its backups, and waits for them.
    fn wake_schedule(&self) {
        if let Some(schedule) = self.object.labels().get(SCHEDULE) {
            self.context.schedules.wakers.wake(&self.namespace, schedule);
        }
    }

    /// A verification that was asked for had no result. The first attempt has an event, and no further one.
    fn emit_postponed(&self, before: Option<&BackupStatus>, next: &BackupStatus) {
        let Some(known) = next.verification.as_ref().filter(|known| !known.request.is_empty()) else {
            return;
        };
        let earlier = before.and_then(|before| before.verification.as_ref());
        let has_event =
            earlier.is_some_and(|earlier| earlier.request == known.request && earlier.message.is_some());
        let Some(why) = known.message.as_ref().filter(|_| !has_event) else { return };
        let note = format!("Cannot verify the backup now: {why} The operator retries automatically.");
        self.context.recorder.emit(
            &self.object,
            Severity::Warning,
            reason::VERIFICATION_POSTPONED,
            "Reconcile",
            &note,
        );
    }

    fn fail(&mut self, error: &ReconcileError) -> Duration {
        self.known.failures += 1;
        let delay = self.context.settings.retry.delay(error.class(), self.known.failures, rand::random());
        outcome::failed(&self.context, &self.uid(), error, delay);
        delay
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }
}
