//! One reconciliation of a `ValkeyCluster`: observe, decide, perform one step, again, until there is nothing to do now.
//!
//! ```text
//!   pods (watched) ─┐
//!   Lease, then     ├─▶ Observed ──▶ decide ──▶ step ──▶ perform: one object, or one verb
//!   statuses ───────┤      ▲                      │
//!   objects, when ──┘      └──────────────────────┘
//!   something changed
//! ```
//!
//! What it knows besides is in [`Clusters`]; nothing there is needed for correctness. The order of reading is: the
//! Lease before the statuses, as the observer of `valkeeper-failover` asks for. At rest the Lease is read rarely.

mod access;
mod certificates;
mod claims;
mod clock;
mod cluster_secret;
mod final_backup;
mod instances;
mod known;
mod observe;
mod pair;
mod password_text;
mod passwords;
mod perform;
mod pod_changes;
mod pods;
mod publish;
mod reach;
mod reachable;
mod rest;
mod restoration;
mod restore;
mod schedules;
mod serving;
mod surplus;

pub(super) use clock::now;
pub(super) use cluster_secret::cluster_secret;
pub(super) use known::Clusters;
pub(super) use password_text::{is_due, password_in, random_word};
pub(super) use pods::watch as watch_pods;
pub(super) use reach::{instance, instances, reach};

use super::{
    context::Context,
    edits,
    error::ReconcileError,
    managed_service::{measure, outcome},
    reconcile::Reconciled,
    schedule::{
        queue::Queue,
        scheduler::{Next, Wake},
    },
    work_item::WorkItem,
};
use futures::FutureExt as _;
use known::{Known, Shared};
use kube::{Api, ResourceExt as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use valkeeper_api::{Custom as _, ValkeyCluster};
use valkeeper_cluster::{
    Defaults, Desired, InstanceSeen, Observed, PodSeen, RequeueClass, Step, decide, names,
};

/// More steps than any reconciliation needs; what is left comes in the next one.
const MAX_STEPS: usize = 64;
/// Longest delay after a failure.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A reconciliation under way.
struct Reconciliation {
    context: Arc<Context>,
    api: Api<ValkeyCluster>,
    namespace: String,
    object: ValkeyCluster,
    known: Known,
    shared: Shared,
    /// Instances that were asked to read their settings.
    reloaded: BTreeSet<u32>,
    /// Everything has to be read again.
    stale: bool,
    /// Clients wait for a primary: what changes rarely is not read now.
    is_switching: bool,
    /// Instances are not waited for: who does not answer at once is asked again.
    is_brief: bool,
    /// The connection Secret was written, after which those of users are due.
    wrote_connection: bool,
    released: bool,
}

impl Reconciled for ValkeyCluster {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, wake: Wake<Self>) -> Next {
        let uid = item.object.uid().unwrap_or_default();
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let mut reconciliation = Reconciliation::new(context.clone(), item, wake);
        let run = reconciliation.run().boxed();
        let next = match outcome::of(&context, Self::NAME, &time, run, |_| None).await {
            Ok(requeue) => pause(&context, requeue),
            Err(error) => reconciliation.fail(&error).await,
        };
        measure::state(&context, &reconciliation.object);
        if reconciliation.released {
            let name = reconciliation.object.name_any();
            context.forget(&uid, &name);
            context.schedules.cluster_is_gone(&reconciliation.namespace, &name);
            context.users.cluster_changed(&reconciliation.namespace, &name);
            return Next::After(context.settings.external_wait_interval);
        }
        context.clusters.keep(&uid, reconciliation.known);
        if reconciliation.wrote_connection {
            // They read what was kept.
            context.users.cluster_changed(&reconciliation.namespace, &reconciliation.object.name_any());
        }
        Next::After(next)
    }

    fn queue(context: &Context) -> &Arc<Queue> {
        &context.cluster_queue
    }
}

fn pause(context: &Context, requeue: RequeueClass) -> Duration {
    match requeue {
        RequeueClass::Urgent => Duration::from_millis(50),
        RequeueClass::Active => Duration::from_millis(250),
        RequeueClass::Steady => Duration::from_secs(1),
        RequeueClass::Idle => context.settings.resync_interval,
    }
}

impl Reconciliation {
    fn new(context: Arc<Context>, item: WorkItem<ValkeyCluster>, wake: Wake<ValkeyCluster>) -> Self {
        let namespace = item.object.namespace().unwrap_or_default();
        let uid = item.object.uid().unwrap_or_default();
        let (known, shared) = context.clusters.recall(&uid);
        let object = known.newer(item.object);
        let name = object.name_any();
        context.clusters.wakers.wakes_by((namespace.clone(), name), Arc::new(move || wake.wake()), &uid);
        Self {
            api: Api::namespaced(context.client.clone(), &namespace),
            context,
            namespace,
            object,
            known,
            shared,
            reloaded: BTreeSet::new(),
            stale: false,
            is_switching: false,
            is_brief: false,
            wrote_connection: false,
            released: false,
        }
    }

    /// Goes on until there is nothing to do now, and publishes what is true then.
    async fn run(&mut self) -> Result<RequeueClass, ReconcileError> {
        // Pods that are not seen yet would be taken for none.
        if !reach::has_pods(&self.shared.pods, &self.namespace) {
            return Ok(RequeueClass::Active);
        }
        if self.is_still_at_rest(&self.desired()).await? {
            return Ok(self.went_well(RequeueClass::Steady));
        }
        let mut kept = None;
        for _ in 0..MAX_STEPS {
            let desired = self.desired();
            let (observed, lease) = if let Some((before, lease)) = kept.take() {
                (Observed { pods: self.pods(&desired), ..before }, lease)
            } else {
                let lease = self.read_lease(&desired).await?;
                (self.observe(&desired, lease.clone()).await?, lease)
            };
            let decision = decide(&desired, &observed);
            self.is_switching = switches(&decision.step);
            let unroutes = unroutes(&observed, &decision.step);
            if let Step::Requeue(requeue) = decision.step {
                self.publish(&desired, &observed, &decision.report).await?;
                self.note_rest(&desired, &observed, &decision.step, lease);
                return Ok(self.went_well(requeue));
            }
            tracing::debug!(step = ?decision.step, "step");
            if matters(&decision.step) {
                self.publish(&desired, &observed, &decision.report).await?;
            }
            if !self.perform(&desired, &observed, decision.step).await? {
                return Ok(RequeueClass::Active);
            }
            if self.released {
                return Ok(RequeueClass::Idle);
            }
            kept = unroutes.then_some((observed, lease));
        }
        Ok(RequeueClass::Active)
    }

    fn went_well(&mut self, requeue: RequeueClass) -> RequeueClass {
        self.known.failures = 0;
        outcome::went_well(&self.context, &self.object.uid().unwrap_or_default());
        requeue
    }

    /// What the instances answer; nothing before the certificates are there.
    async fn instances(
        &self,
        desired: &Desired,
        pods: &BTreeMap<u32, PodSeen>,
    ) -> BTreeMap<u32, InstanceSeen> {
        let Some(door) = &self.known.door else { return BTreeMap::new() };
        door.open(desired, pods);
        door.ask(desired, pods, self.is_brief).await
    }

    fn desired(&self) -> Desired {
        let defaults = Defaults { manager_image: self.context.settings.manager_image.clone() };
        Desired::of(&self.object, defaults)
    }

    /// The object is now `object`, as the API server answered.
    fn adopt(&mut self, mut object: ValkeyCluster) {
        super::watch::cached::prune(&mut object);
        self.known.object = Some(object.clone());
        self.object = object;
    }

    async fn fail(&mut self, error: &ReconcileError) -> Duration {
        let class = error.class();
        self.known.failures += 1;
        self.known.forget_observed_objects();
        let delay = self.context.settings.retry.delay(class, self.known.failures, rand::random());
        // Clients wait: no failure makes a failover wait for minutes.
        let delay = delay.min(MAX_RETRY_DELAY);
        outcome::failed(&self.context, &self.object.uid().unwrap_or_default(), error, delay);
        self.publish_failure(error).await;
        delay
    }

    /// Stands for what the user asks for.
    fn edit(&self) -> u64 {
        edits::edit(&self.object)
    }

    fn name(&self) -> String {
        self.object.name_any()
    }
}

/// Whether the status should be told before a step, because the step is what users wait for. In a planned switchover
/// they wait for nothing but the step.
fn matters(step: &Step) -> bool {
    matches!(step, Step::CreateLease(_)) || matches!(step, Step::Promote(.., cause) if !cause.planned)
}

/// Whether clients wait for what follows a step.
fn switches(step: &Step) -> bool {
    matches!(step, Step::Hold(..) | Step::Promote(..) | Step::Label(..) | Step::Kick(..))
}

/// Whether a step directs clients away from the old primary. The one that directs them to the new primary follows from
/// the same observation, as if both were one write that takes longer.
fn unroutes(observed: &Observed, step: &Step) -> bool {
    let Step::Label(ordinal, ..) = step else { return false };
    observed.pods.get(ordinal).is_some_and(|pod| pod.role.as_deref() == Some(names::PRIMARY))
}
