//! One resource's turn: wait for a permit, take the newest version of the resource, run a pass, publish,
//! and say when the next turn is. A pass that panics or exceeds its deadline fails like any other, and
//! hurts nobody else.

use super::{
    context::Context,
    error::PassError,
    memory::{self, Memory},
    pass::Pass,
};
use crate::{
    api::ManagedService,
    engine::{Pace, Step, backoff},
    failure::Class,
};
use futures::FutureExt as _;
use kube::{
    ResourceExt,
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
    },
};
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::time::{Duration, Instant};

/// How often to check whether the watch has caught up with this process's own writes.
const WATCH_POLL: Duration = Duration::from_secs(1);

/// Takes one turn for `object`, as the queue saw it.
pub(super) async fn turn<K: ManagedService>(
    context: Arc<Context>,
    store: Store<K>,
    object: Arc<K>,
) -> Action {
    let uid = object.uid().unwrap_or_default();
    if let Some(later) = too_early(&*object, &context.memories.recall(&uid)) {
        return later;
    }
    let Ok(_permit) = context.permits.clone().acquire_owned().await else {
        return Action::await_change();
    };
    // The version that was queued has aged while waiting.
    let Some(object) = store.get(&ObjectRef::from_obj(&*object)) else {
        context.memories.forget(&uid);
        context.metrics.fleet().forget(&uid);
        return Action::await_change();
    };
    let memory = context.memories.recall(&uid);
    if let Some(later) = too_early(&*object, &memory) {
        return later;
    }
    work(context, (*object).clone(), memory).await
}

/// Watch events do not shorten a backoff, unless they carry an edit; and a version older than what this
/// process wrote is no base for decisions.
fn too_early<K: ManagedService>(object: &K, memory: &Memory) -> Option<Action> {
    if memory.is_ahead_of(object) {
        return Some(Action::requeue(WATCH_POLL));
    }
    let not_before = memory.not_before.filter(|_| memory.edit == Some(memory::edit(object)))?;
    let left = not_before.checked_duration_since(Instant::now())?;
    (!left.is_zero()).then(|| Action::requeue(left))
}

#[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = K::KIND.name(), namespace = object.namespace(), name = object.name_any()))]
async fn work<K: ManagedService>(context: Arc<Context>, object: K, memory: Memory) -> Action {
    let uid = object.uid().unwrap_or_default();
    let deadline = context.settings.pass_deadline;
    let (_running, _work) = (context.metrics.pass_begins(), context.health.work(deadline));
    let mut pass = Pass::new(context.clone(), object, memory);
    let begun = Instant::now();
    let outcome = AssertUnwindSafe(tokio::time::timeout(deadline, run(&mut pass))).catch_unwind().await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            let seconds = deadline.as_secs();
            Err(PassError::Defect(format!("the pass took longer than {seconds} s")))
        }
        Err(_) => Err(PassError::Defect("the pass panicked; see the log".to_owned())),
    };
    let error = outcome.as_ref().err();
    context.metrics.pass_ended(K::KIND.name(), error.map(|error| error.class().label()), begun.elapsed());
    pass.measure_token(error);
    let delay = match outcome {
        Ok(delay) => delay,
        Err(error) => fail(&mut pass, &error).await,
    };
    pass.measure_state();
    if pass.released {
        context.memories.forget(&uid);
        context.metrics.fleet().forget(&uid);
        return Action::await_change();
    }
    pass.memory.edit = Some(memory::edit(&pass.object));
    pass.memory.not_before = Some(Instant::now() + delay);
    context.memories.keep(&uid, pass.memory);
    Action::requeue(delay)
}

async fn run<K: ManagedService>(pass: &mut Pass<K>) -> Result<Duration, PassError> {
    let decision = pass.run().await?;
    let all_sent = !matches!(decision.step, Step::Refuse(_));
    pass.publish(&decision.report, all_sent).await?;
    pass.memory.failures = 0;
    if matches!(decision.step, Step::Done) {
        pass.memory.sent = None;
    }
    tracing::debug!(reason = decision.report.reason, message = decision.report.message, "rest");
    Ok(rest(pass, &decision.step))
}

fn rest<K: ManagedService>(pass: &mut Pass<K>, step: &Step) -> Duration {
    let settings = &pass.context.settings;
    let base = match step {
        Step::Wait(Pace::Building) | Step::Refuse(Pace::Building) => {
            let since = *pass.memory.building_since.get_or_insert_with(Instant::now);
            return backoff::spread(
                backoff::building(
                    since.elapsed(),
                    settings.building_interval_min,
                    settings.building_interval_max,
                ),
                rand::random(),
            );
        }
        Step::Wait(Pace::Attentive) | Step::Refuse(Pace::Attentive) => settings.attentive_interval,
        _ => settings.resync_interval,
    };
    pass.memory.building_since = None;
    backoff::spread(base, rand::random())
}

async fn fail<K: ManagedService>(pass: &mut Pass<K>, error: &PassError) -> Duration {
    let class = error.class();
    pass.memory.failures += 1;
    let delay = backoff::delay(class, pass.memory.failures, rand::random());
    tracing::warn!(%error, class = class.label(), retry_in = ?delay, "pass failed");
    // A conflict means that the world moved: nothing to tell, only to look again.
    if class != Class::Conflict || pass.memory.failures > 3 {
        let report = pass.failure(error);
        if let Err(error) = pass.publish(&report, false).await {
            tracing::warn!(%error, "status not written");
        }
    }
    delay
}
