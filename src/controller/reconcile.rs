//! One reconciliation of a resource: wait for a permit, take the newest version, observe, decide, act, publish, and
//! schedule the next reconciliation. A reconciliation that panics or exceeds its deadline fails like any other and
//! does not affect other resources.

use super::{
    context::Context,
    edits,
    error::ReconcileError,
    managed_service::{Reconciliation, outcome, requeue},
    memory::Memory,
    project_poll::Delivery,
    schedule::{
        clock::Ending,
        queue::{Permit, Priority, Queue},
        scheduler::{Call, Next, Wake},
    },
    secret_tracker::Dependence,
    tokens,
    watch::cached::Cached,
    work_item::WorkItem,
};
use crate::telemetry::repeats::log_failure;
use futures::FutureExt as _;
use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};
use std::sync::Arc;
use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};
use valkeeper_api::{Custom, ManagedService, Redis, Valkey};
use valkeeper_engine::{failure::Class, secret_target};

/// How often to check whether the watch has caught up with this process's own writes.
const WATCH_POLL: Duration = Duration::from_secs(1);

/// The store of one watch, and the channel for requests of further reconciliations.
pub(super) struct WatchHandle<K: Custom> {
    pub(super) store: Store<Cached<K>>,
    pub(super) requester: mpsc::UnboundedSender<Arc<ObjectRef<Cached<K>>>>,
}

/// A kind of resource that this program keeps true.
pub(super) trait Reconciled: Custom {
    /// Works on one object, whose reconciliation has begun, and returns when its next reconciliation is due.
    fn work(
        context: Arc<Context>,
        item: WorkItem<Self>,
        wake: Wake<Self>,
    ) -> impl Future<Output = Next> + Send;

    /// Where its reconciliations wait for their permits.
    fn queue(context: &Context) -> &Arc<Queue> {
        &context.queue
    }

    /// Its watch begins, with an empty store.
    fn watched(_: &Context, _: Store<Cached<Self>>) {}

    /// The Secrets that it depends on; none, unless a kind names them.
    fn depends_on(&self, _: &Context) -> Dependence {
        Dependence::default()
    }

    /// Whether the status reports everything that this version of the resource requests as done.
    fn is_settled(&self) -> bool {
        false
    }
}

/// One implementation for each kind of service: the kinds are of another crate, where a general one could come
/// to overlap with that of `ProjectVpc`.
macro_rules! reconciled_services {
    ($($kind:ty),*) => {
        $(impl Reconciled for $kind {
            fn work(context: Arc<Context>, item: WorkItem<Self>, wake: Wake<Self>) -> impl Future<Output = Next> + Send {
                begin(context, item, wake)
            }

            fn depends_on(&self, context: &Context) -> Dependence {
                let namespace = self.namespace().unwrap_or_default();
                let target = secret_target(self, &self.name_any());
                let connection = target.map(|target| (namespace, target.name));
                Dependence { connection, token: tokens::secret(&context.settings, self), password: None }
            }

            fn is_settled(&self) -> bool {
                edits::is_settled(self)
            }
        })*
    };
}

reconciled_services!(Valkey, Redis);

/// Runs one reconciliation. What waits for its permit is small: there may be thousands.
pub(super) async fn process<K: Reconciled>(
    context: Arc<Context>,
    handle: Arc<WatchHandle<K>>,
    reference: Arc<ObjectRef<Cached<K>>>,
    call: Arc<Call>,
) -> Next {
    let priority = || {
        let object = handle.store.get(&reference).ok_or(Next::WhenAsked)?;
        let memory = context.memories.recall(object.uid());
        too_early(&context, &object, &memory).map_or_else(|| Ok(priority(&context, &object, &memory)), Err)
    };
    let permit = match call.permit(K::queue(&context), priority).await {
        Ok(permit) => permit,
        Err(next) => return next,
    };
    call.begin();
    take(context, handle, reference, permit).boxed().await
}

/// Works on the newest version of the resource; the one in the request may be outdated after the wait.
async fn take<K: Reconciled>(
    context: Arc<Context>,
    handle: Arc<WatchHandle<K>>,
    reference: Arc<ObjectRef<Cached<K>>>,
    permit: Permit,
) -> Next {
    let Some(object) = handle.store.get(&reference) else { return Next::WhenAsked };
    let memory = context.memories.recall(object.uid());
    if let Some(later) = too_early(&context, &object, &memory) {
        return later;
    }
    let uid = object.uid().to_owned();
    let Ok(object) = object.open() else { return unreadable(&*object) };
    let item = WorkItem { object, memory, listed: None, permit };
    let wake = Wake { sender: handle.requester.clone(), reference: Arc::clone(&reference) };
    let next = with_secret_tracking(context.clone(), item, wake).await;
    // A resource deleted meanwhile needs no further reconciliation.
    if handle.store.get(&reference).is_none_or(|object| object.uid() != uid) {
        context.forget(&uid, &reference.name);
    }
    next
}

/// Works, and notes which Secrets schedules another reconciliation of the resource.
async fn with_secret_tracking<K: Reconciled>(
    context: Arc<Context>,
    item: WorkItem<K>,
    wake: Wake<K>,
) -> Next {
    let Some(tracker) = &context.secret_tracker else { return K::work(context, item, wake).await };
    let uid = item.object.uid().unwrap_or_default();
    let again = wake.clone();
    tracker.begin(&uid, item.object.depends_on(&context), Arc::new(move || again.wake()));
    let next = K::work(context.clone(), item, wake).await;
    tracker.end(&uid, context.memories.fails(&uid));
    next
}

/// Finds out with which knowledge the reconciliation begins, and whether it can wait for a list instead.
async fn begin<K: ManagedService + Reconciled>(
    context: Arc<Context>,
    mut item: WorkItem<K>,
    wake: Wake<K>,
) -> Next {
    let (uid, name) = (item.object.uid().unwrap_or_default(), item.object.name_any());
    let edited = item.memory.is_edited(edits::edit(&item.object), || item.object.is_settled());
    let delivery = item.memory.poller.as_ref().and_then(|poller| poller.collect(&name, &uid));
    match delivery {
        // Without tags in the list, a separate read has to determine the owner of the service.
        Some(Delivery::Listed(listed)) if !edited && listed.service.tags.is_some() => {
            item.listed = Some(listed);
        }
        Some(Delivery::Moved) => item.memory.moved(&name, &uid),
        _ => {}
    }
    let unseen = item.memory.poller.is_none() && item.memory.edit.is_none();
    if unseen
        && !edited
        && item.listed.is_none()
        && requeue::wait_for_list(&context, &item.object, &mut item.memory, &wake).await
    {
        return keep(&context, &name, &uid, item.memory);
    }
    work(context, item, wake).await
}

/// Stores the state of the reconciliation; the clock determines when the next one is due.
pub(super) fn keep(context: &Context, name: &str, uid: &str, memory: Memory) -> Next {
    let next = memory.next_observation(name, uid).unwrap_or_else(Instant::now);
    context.memories.keep(uid, memory);
    Next::After(next.saturating_duration_since(Instant::now()))
}

/// Text written a moment ago can normally be read again; if not, the next event delivers it again.
fn unreadable<K: Custom>(object: &Cached<K>) -> Next {
    tracing::error!(kind = K::NAME, name = object.name(), "the cached object cannot be read");
    Next::WhenAsked
}

fn priority<K: Reconciled>(context: &Context, object: &Cached<K>, memory: &Memory) -> Priority {
    // Only where no reconciliation has seen the resource has it to be read for that.
    let edited = memory.is_edited(object.edit(), || object.open().is_ok_and(|object| object.is_settled()));
    match (edited, object.has_finalizer()) {
        (true, true) => Priority::Edit,
        (true, false) => Priority::New,
        (false, _) if memory.building_since.is_some() => Priority::New,
        // Applications wait for their Secret.
        (false, _) if context.secrets_due(object.uid()).is_some() => Priority::New,
        (false, _) => Priority::Routine,
    }
}

/// Watch events do not shorten a backoff, unless they carry an edit; and a version older than what this
/// process wrote is no base for decisions.
fn too_early<K: Custom>(context: &Context, object: &Cached<K>, memory: &Memory) -> Option<Next> {
    if memory.is_ahead_of(object.version()) {
        return Some(Next::After(WATCH_POLL));
    }
    let poller = memory.poller.as_ref();
    if poller.is_some_and(|poller| poller.has_delivery(object.name(), object.uid())) {
        return None;
    }
    let by_clock = memory
        .next_observation(object.name(), object.uid())
        .filter(|_| memory.edit == Some(object.edit()))?;
    let due = context.secrets_due(object.uid()).map_or(by_clock, |due| due.min(by_clock));
    let left = due.checked_duration_since(Instant::now())?;
    (!left.is_zero()).then_some(Next::After(left))
}

#[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = K::KIND.name(), namespace = item.object.namespace(), resource = item.object.name_any()))]
async fn work<K: ManagedService>(context: Arc<Context>, item: WorkItem<K>, wake: Wake<K>) -> Next {
    let uid = item.object.uid().unwrap_or_default();
    let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
    let mut reconciliation = Reconciliation::new(context.clone(), item, wake);
    let run_to_end = run(&mut reconciliation).boxed();
    let outcome = outcome::of(&context, K::KIND.name(), &time, run_to_end, |refused| *refused).await;
    reconciliation.measure_token(outcome.as_ref().err());
    if let Err(error) = outcome {
        fail(&mut reconciliation, &error).await;
    }
    reconciliation.measure_state();
    if reconciliation.released {
        reconciliation.leave_project_poll();
        // Should the object be there still, because the answer was not the truth, it is reconciled again.
        context.forget(&uid, &reconciliation.desired.name);
        return Next::After(context.settings.external_wait_interval);
    }
    reconciliation.memory.edit = Some(reconciliation.decided_edit);
    keep(&context, &reconciliation.desired.name, &uid, reconciliation.memory)
}

/// A reconciliation up to its end, and what a request was refused with in it.
async fn run<K: ManagedService>(
    reconciliation: &mut Reconciliation<K>,
) -> Result<Option<Class>, ReconcileError> {
    let outcome = reconciliation.run().await;
    let decision = reconciliation.token_use.learn(&reconciliation.context, outcome)?;
    if reconciliation.credentials_are_hidden(&decision.step) {
        // The reported conditions stay true until the Secret is compared.
        reconciliation.requeue_after(&decision.step);
        return Ok(None);
    }
    reconciliation.publish(&decision.report).await?;
    reconciliation.memory.failures = 0;
    reconciliation.memory.refusals.forget_unwanted(reconciliation.decided_at);
    let (context, uid) = (&reconciliation.context, &reconciliation.desired.uid);
    if let Some((error, delay)) = &reconciliation.refusal {
        outcome::failed(context, uid, error, *delay);
    } else if reconciliation.memory.refusals.is_empty() {
        outcome::went_well(context, uid);
    }
    tracing::debug!(reason = decision.report.reason, note = decision.report.message, "requeue");
    reconciliation.requeue_after(&decision.step);
    Ok(reconciliation.refusal.as_ref().map(|(error, _)| error.class()))
}

async fn fail<K: ManagedService>(reconciliation: &mut Reconciliation<K>, error: &ReconcileError) {
    let class = error.class();
    reconciliation.memory.failures += 1;
    reconciliation.memory.conflicted |=
        class == Class::Conflict && matches!(error, ReconcileError::Cluster(_));
    // Lists are for what goes its way; this one comes back when its time has come.
    reconciliation.leave_project_poll();
    if class == Class::Denied {
        reconciliation.context.token_reads.forget();
    }
    let delay =
        reconciliation.context.settings.retry.delay(class, reconciliation.memory.failures, rand::random());
    reconciliation.memory.clock =
        Some(requeue::planned(&reconciliation.context.settings, Ending::Failed(delay), Instant::now())(None));
    let times = outcome::failed(&reconciliation.context, &reconciliation.desired.uid, error, delay);
    // A conflict means that an object has changed: report nothing and observe again.
    if class != Class::Conflict || reconciliation.memory.failures > 3 {
        reconciliation.observe_namespace(error).await;
        let report = reconciliation.failure(error);
        if let Err(error) = reconciliation.publish(&report).await {
            log_failure!(times, %error, "cannot write status");
        }
    }
}
