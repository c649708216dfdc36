//! One reconciliation of a `ValkeyUser`: observe, decide, perform one step, again, until there is nothing to do now.
//!
//! It takes place when the resource or the connection of its cluster has changed, often while servers are waited for, and
//! once per resync interval. What servers have taken is asked of them each time.

mod entries;
mod entry_seen;
mod known;
mod observe;
mod secrets;

pub(super) use known::Users;

use super::{
    context::Context,
    error::ReconcileError,
    managed_service::{measure, outcome},
    reconcile::Reconciled,
    schedule::scheduler::{Next, Wake},
    valkey_cluster::now,
    watch::cached::Cached,
    work_item::WorkItem,
};
use crate::cluster::{events::Severity, metadata, status};
use futures::FutureExt as _;
use kube::{Api, ResourceExt as _, runtime::reflector::Store};
use observe::observe;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use valkeeper_api::{Custom as _, UserStatus, ValkeyUser};
use valkeeper_cluster::user::{UserReport, UserStep, decide, next_status, reported_status};
use valkeeper_engine::{Ready, conditions};

/// More steps than a reconciliation needs; what is left comes in the next one.
const MAX_STEPS: usize = 16;
/// How soon servers are asked again that have not taken a user; later after each time.
const SOON: Duration = Duration::from_secs(1);
/// The longest time until they are asked again, or until a correction is seen.
const LATER: Duration = Duration::from_secs(20);
/// After so many failures in a row, a condition says what fails.
const REPORTED_FAILURES: u32 = 3;

impl Reconciled for ValkeyUser {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, wake: Wake<Self>) -> Next {
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let uid = item.object.uid().unwrap_or_default();
        let namespace = item.object.namespace().unwrap_or_default();
        let place = (namespace.clone(), item.object.name_any());
        context.users.wakers.wakes_by(place, Arc::new(move || wake.wake()), &uid);
        let mut reconciliation = Reconciliation {
            api: Api::namespaced(context.client.clone(), &namespace),
            context: context.clone(),
            namespace,
            object: item.object,
            released: false,
        };
        let run = reconciliation.run().boxed();
        let after = match outcome::of(&context, Self::NAME, &time, run, |_| None).await {
            Ok(after) => after,
            Err(error) => reconciliation.fail(&error).await,
        };
        measure::state(&context, &reconciliation.object);
        if reconciliation.released {
            context.forget(&uid, &reconciliation.object.name_any());
            return Next::After(context.settings.external_wait_interval);
        }
        Next::After(after)
    }

    fn watched(context: &Context, store: Store<Cached<Self>>) {
        context.users.add(store);
    }
}

/// A reconciliation under way.
struct Reconciliation {
    context: Arc<Context>,
    api: Api<ValkeyUser>,
    namespace: String,
    object: ValkeyUser,
    released: bool,
}

impl Reconciliation {
    async fn run(&mut self) -> Result<Duration, ReconcileError> {
        for _ in 0..MAX_STEPS {
            let seen = Box::pin(observe(&self.context, &self.object)).await?;
            let (step, report) = decide(&self.object, &seen.user);
            tracing::debug!(?step, reason = report.reason, "step");
            if step != UserStep::ReleaseFinalizer && !self.knows_less(&seen) {
                self.publish(next_status(&self.object, &seen.user, &report), &report).await?;
            }
            if let UserStep::Rest { soon } = step {
                let uid = self.object.uid().unwrap_or_default();
                outcome::went_well(&self.context, &uid);
                self.context.users.failures.reset(&uid);
                if soon && report.ready == Ready::Progressing {
                    let times = self.context.users.waits.again(&uid);
                    return Ok(SOON.saturating_mul(1 << (times / 8).min(8)).min(LATER));
                }
                self.context.users.waits.reset(&uid);
                return Ok(if soon { LATER } else { self.context.settings.resync_interval });
            }
            self.perform(step, &seen).await?;
            if self.released {
                break;
            }
        }
        Ok(SOON)
    }

    /// Whether the status says what this process has not found out so far, as after a restart.
    fn knows_less(&self, seen: &observe::Seen) -> bool {
        let generation = self.object.status.as_ref().and_then(|status| status.observed_generation);
        let is_deleted = self.object.metadata.deletion_timestamp.is_some();
        seen.user.servers_are_unknown && !is_deleted && generation == self.object.metadata.generation
    }

    async fn fail(&mut self, error: &ReconcileError) -> Duration {
        let uid = self.object.uid().unwrap_or_default();
        let failures = self.context.users.failures.again(&uid);
        let delay = self.context.settings.retry.delay(error.class(), failures, rand::random());
        outcome::failed(&self.context, &uid, error, delay);
        if failures >= REPORTED_FAILURES {
            let failure = error.failure("");
            let report =
                UserReport { ready: Ready::Progressing, reason: failure.reason, message: failure.message };
            let next = reported_status(&self.object, &report, now());
            if let Err(error) = self.publish(next, &report).await {
                tracing::warn!(%error, "cannot write status");
            }
        }
        delay
    }

    async fn perform(&mut self, step: UserStep, seen: &observe::Seen) -> Result<(), ReconcileError> {
        match step {
            UserStep::AddFinalizer => {
                self.object = metadata::add_finalizer(&self.api, &self.object, &BTreeMap::new()).await?;
            }
            UserStep::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
            }
            UserStep::GeneratePassword => self.generate_password(seen).await?,
            UserStep::WriteEntry(entry) => self.write_entry(seen, Some(entry)).await?,
            UserStep::RemoveEntry => self.write_entry(seen, None).await?,
            UserStep::WriteSecret => self.write_secret(seen).await?,
            UserStep::Rest { .. } => {}
        }
        Ok(())
    }

    async fn publish(&mut self, next: UserStatus, report: &UserReport) -> Result<(), ReconcileError> {
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
