//! One resource's turn: wait for a permit, take the newest version of the resource, run a pass, publish,
//! and say when the next turn is. A pass that panics or exceeds its deadline fails like any other, and
//! hurts nobody else.

use super::{
    context::Context,
    edits,
    error::PassError,
    memory::Memory,
    pass::{Pass, outcome, rest},
    schedule::{
        clock::Ending,
        queue::{Lane, Permit, Queue},
        turns::{Call, Next, Wake},
    },
    secret_news::Dependence,
    survey::Delivery,
    tokens,
    turn::Turn,
    watch::cached::Cached,
};
use crate::telemetry::repeats::tell_failure;
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

/// Where the resources of one watch are, and where they ask for another turn.
pub(super) struct Place<K: Custom> {
    pub(super) store: Store<Cached<K>>,
    pub(super) wakes: mpsc::UnboundedSender<Arc<ObjectRef<Cached<K>>>>,
}

/// A kind of resource that this program keeps true.
pub(super) trait Reconciled: Custom {
    /// Works on one object, whose turn has begun, and says when its next turn is.
    fn work(context: Arc<Context>, turn: Turn<Self>, wake: Wake<Self>) -> impl Future<Output = Next> + Send;

    /// Where its turns wait for their permits.
    fn queue(context: &Context) -> &Arc<Queue> {
        &context.queue
    }

    /// The Secrets that it depends on.
    fn depends_on(&self, context: &Context) -> Dependence;

    /// Whether the status says that everything this version of the resource asks for was done.
    fn is_settled(&self) -> bool {
        false
    }
}

/// One implementation for each kind of service: the kinds are of another crate, where a general one could come
/// to overlap with that of `ProjectVpc`.
macro_rules! reconciled_services {
    ($($kind:ty),*) => {
        $(impl Reconciled for $kind {
            fn work(context: Arc<Context>, turn: Turn<Self>, wake: Wake<Self>) -> impl Future<Output = Next> + Send {
                begin(context, turn, wake)
            }

            fn depends_on(&self, context: &Context) -> Dependence {
                let namespace = self.namespace().unwrap_or_default();
                let target = secret_target(self, &self.name_any());
                let connection = target.map(|target| (namespace, target.name));
                Dependence { connection, token: tokens::secret(&context.settings, self) }
            }

            fn is_settled(&self) -> bool {
                edits::is_settled(self)
            }
        })*
    };
}

reconciled_services!(Valkey, Redis);

/// Takes one turn. What waits for its permit is small: there may be thousands.
pub(super) async fn turn<K: Reconciled>(
    context: Arc<Context>,
    place: Arc<Place<K>>,
    reference: Arc<ObjectRef<Cached<K>>>,
    call: Arc<Call>,
) -> Next {
    let lane = || {
        let object = place.store.get(&reference).ok_or(Next::WhenAsked)?;
        let memory = context.memories.recall(object.uid());
        too_early(&context, &object, &memory).map_or_else(|| Ok(lane(&context, &object, &memory)), Err)
    };
    let permit = match call.permit(K::queue(&context), lane).await {
        Ok(permit) => permit,
        Err(next) => return next,
    };
    call.begin();
    take(context, place, reference, permit).boxed().await
}

/// Works on the newest version of the resource; the one that asked for the turn has aged while it waited.
async fn take<K: Reconciled>(
    context: Arc<Context>,
    place: Arc<Place<K>>,
    reference: Arc<ObjectRef<Cached<K>>>,
    permit: Permit,
) -> Next {
    let Some(object) = place.store.get(&reference) else { return Next::WhenAsked };
    let memory = context.memories.recall(object.uid());
    if let Some(later) = too_early(&context, &object, &memory) {
        return later;
    }
    let uid = object.uid().to_owned();
    let Ok(object) = object.open() else { return unreadable(&*object) };
    let turn = Turn { object, memory, listed: None, permit };
    let wake = Wake { sender: place.wakes.clone(), reference: Arc::clone(&reference) };
    let next = with_news(context.clone(), turn, wake).await;
    // Nobody tells another time of a resource that went meanwhile.
    if place.store.get(&reference).is_none_or(|object| object.uid() != uid) {
        context.forget(&uid, &reference.name);
    }
    next
}

/// Works, and notes which Secrets give the resource another turn.
async fn with_news<K: Reconciled>(context: Arc<Context>, turn: Turn<K>, wake: Wake<K>) -> Next {
    let Some(news) = &context.secret_news else { return K::work(context, turn, wake).await };
    let uid = turn.object.uid().unwrap_or_default();
    let again = wake.clone();
    news.begin(&uid, turn.object.depends_on(&context), Arc::new(move || again.wake()));
    let next = K::work(context.clone(), turn, wake).await;
    news.end(&uid, context.memories.fails(&uid));
    next
}

/// Finds out with which knowledge the turn begins, and whether it can wait for a list instead.
async fn begin<K: ManagedService + Reconciled>(
    context: Arc<Context>,
    mut turn: Turn<K>,
    wake: Wake<K>,
) -> Next {
    let (uid, name) = (turn.object.uid().unwrap_or_default(), turn.object.name_any());
    let edited = turn.memory.is_edited(edits::edit(&turn.object), || turn.object.is_settled());
    let delivery = turn.memory.survey.as_ref().and_then(|survey| survey.collect(&name, &uid));
    match delivery {
        // Without tags a look of its own has to say whose service it is.
        Some(Delivery::Listed(listed)) if !edited && listed.service.tags.is_some() => {
            turn.listed = Some(listed);
        }
        Some(Delivery::Moved) => turn.memory.moved(&name, &uid),
        _ => {}
    }
    let unseen = turn.memory.survey.is_none() && turn.memory.edit.is_none();
    if unseen
        && !edited
        && turn.listed.is_none()
        && rest::wait_for_a_list(&context, &turn.object, &mut turn.memory, &wake).await
    {
        return keep(&context, &name, &uid, turn.memory);
    }
    work(context, turn, wake).await
}

/// Remembers what the turn learnt; the clock says when the next one is.
pub(super) fn keep(context: &Context, name: &str, uid: &str, memory: Memory) -> Next {
    let next = memory.next_look(name, uid).unwrap_or_else(Instant::now);
    context.memories.keep(uid, memory);
    Next::After(next.saturating_duration_since(Instant::now()))
}

/// What was written as text a moment ago can be read again; if not, the next event brings it anew.
fn unreadable<K: Custom>(object: &Cached<K>) -> Next {
    tracing::error!(kind = K::NAME, name = object.name(), "the cached object cannot be read");
    Next::WhenAsked
}

fn lane<K: Reconciled>(context: &Context, object: &Cached<K>, memory: &Memory) -> Lane {
    // Only where no pass has seen the resource has it to be read for that.
    let edited = memory.is_edited(object.edit(), || object.open().is_ok_and(|object| object.is_settled()));
    match (edited, object.has_finalizer()) {
        (true, true) => Lane::Edit,
        (true, false) => Lane::New,
        (false, _) if memory.building_since.is_some() => Lane::New,
        // Applications wait for their Secret.
        (false, _) if context.secrets_due(object.uid()).is_some() => Lane::New,
        (false, _) => Lane::Routine,
    }
}

/// Watch events do not shorten a backoff, unless they carry an edit; and a version older than what this
/// process wrote is no base for decisions.
fn too_early<K: Custom>(context: &Context, object: &Cached<K>, memory: &Memory) -> Option<Next> {
    if memory.is_ahead_of(object.version()) {
        return Some(Next::After(WATCH_POLL));
    }
    let survey = memory.survey.as_ref();
    if survey.is_some_and(|survey| survey.has_delivery(object.name(), object.uid())) {
        return None;
    }
    let look =
        memory.next_look(object.name(), object.uid()).filter(|_| memory.edit == Some(object.edit()))?;
    let due = context.secrets_due(object.uid()).map_or(look, |due| due.min(look));
    let left = due.checked_duration_since(Instant::now())?;
    (!left.is_zero()).then_some(Next::After(left))
}

#[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = K::KIND.name(), namespace = turn.object.namespace(), resource = turn.object.name_any()))]
async fn work<K: ManagedService>(context: Arc<Context>, turn: Turn<K>, wake: Wake<K>) -> Next {
    let uid = turn.object.uid().unwrap_or_default();
    let (_running, time) = (context.metrics.pass_begins(), turn.permit.time());
    let mut pass = Pass::new(context.clone(), turn, wake);
    let pass_runs = run(&mut pass).boxed();
    let outcome = outcome::of(&context, K::KIND.name(), &time, pass_runs, |refused| *refused).await;
    pass.measure_token(outcome.as_ref().err());
    if let Err(error) = outcome {
        fail(&mut pass, &error).await;
    }
    pass.measure_state();
    if pass.released {
        pass.leave_survey();
        // Should the object be there still, because the answer was not the truth, it gets another turn.
        context.forget(&uid, &pass.desired.name);
        return Next::After(context.settings.external_wait_interval);
    }
    pass.memory.edit = Some(pass.decided_edit);
    keep(&context, &pass.desired.name, &uid, pass.memory)
}

/// A pass up to its end, and what a request was refused with in it.
async fn run<K: ManagedService>(pass: &mut Pass<K>) -> Result<Option<Class>, PassError> {
    let outcome = pass.run().await;
    let decision = pass.token_use.learn(&pass.context, outcome)?;
    if pass.credentials_are_hidden(&decision.step) {
        // What the resource says stays true until its Secret is compared.
        pass.rest(&decision.step);
        return Ok(None);
    }
    pass.publish(&decision.report).await?;
    pass.memory.failures = 0;
    pass.memory.refusals.forget_unwanted(pass.decided_at);
    let (context, uid) = (&pass.context, &pass.desired.uid);
    if let Some((error, delay)) = &pass.refusal {
        outcome::failed(context, uid, error, *delay);
    } else if pass.memory.refusals.is_empty() {
        outcome::went_well(context, uid);
    }
    tracing::debug!(reason = decision.report.reason, note = decision.report.message, "rest");
    pass.rest(&decision.step);
    Ok(pass.refusal.as_ref().map(|(error, _)| error.class()))
}

async fn fail<K: ManagedService>(pass: &mut Pass<K>, error: &PassError) {
    let class = error.class();
    pass.memory.failures += 1;
    pass.memory.conflicted |= class == Class::Conflict && matches!(error, PassError::Cluster(_));
    // Lists are for what goes its way; this one comes back when its time has come.
    pass.leave_survey();
    if class == Class::Denied {
        pass.context.token_reads.forget();
    }
    let delay = pass.context.settings.retry.delay(class, pass.memory.failures, rand::random());
    pass.memory.clock =
        Some(rest::planned(&pass.context.settings, Ending::Failed(delay), Instant::now())(None));
    let times = outcome::failed(&pass.context, &pass.desired.uid, error, delay);
    // A conflict means that the world moved: nothing to tell, only to look again.
    if class != Class::Conflict || pass.memory.failures > 3 {
        pass.look_at_the_namespace(error).await;
        let report = pass.failure(error);
        if let Err(error) = pass.publish(&report).await {
            tell_failure!(times, %error, "status not written");
        }
    }
}
