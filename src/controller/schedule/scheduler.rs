//! Schedules the reconciliations of the resources of one watch: immediately on a request, or at the time that the
//! last reconciliation requested. A resource never has two reconciliations at a time. Each reconciliation is a task
//! of its own. The end of a reconciliation notifies only this loop, however many resources wait for their permit.

use super::queue::{Permit, Priority, Queue};
use crate::controller::watch::cached::Cached;
use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use kube::runtime::reflector::ObjectRef;
use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::Duration,
};
use tokio_util::{
    sync::CancellationToken,
    time::{DelayQueue, delay_queue},
};
use valkeeper_api::Custom;

/// No wait is longer; the timer cannot hold centuries.
const LONGEST: Duration = Duration::from_hours(24 * 30);
/// When a resource whose reconciliation panicked gets another one.
const AFTER_PANIC: Duration = Duration::from_mins(1);

/// When a resource is reconciled next, unless it is requested earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Next {
    /// After this time.
    After(Duration),
    /// Only on request.
    WhenAsked,
}

/// What leads to reconciliations.
#[derive(Debug)]
pub(in crate::controller) enum Request<K: Custom> {
    /// This resource has changed, or needs a reconciliation for another reason.
    One(Arc<ObjectRef<Cached<K>>>),
    /// The watch has restarted, and these are all objects.
    All(Vec<ObjectRef<Cached<K>>>),
}

/// Schedules another reconciliation of a resource.
#[derive(Clone)]
pub(in crate::controller) struct Wake<K: Custom> {
    pub(in crate::controller) sender: mpsc::UnboundedSender<Arc<ObjectRef<Cached<K>>>>,
    pub(in crate::controller) reference: Arc<ObjectRef<Cached<K>>>,
}

/// State of a reconciliation that waits for its permit.
#[derive(Debug, Default)]
pub(in crate::controller) struct Call {
    begun: AtomicBool,
    again: Notify,
}

/// The reconciliations of one watch.
pub(in crate::controller) struct Scheduler<K: Custom, T> {
    take: T,
    states: HashMap<Arc<ObjectRef<Cached<K>>>, State>,
    due: DelayQueue<Arc<ObjectRef<Cached<K>>>>,
    running: JoinSet<(Arc<ObjectRef<Cached<K>>>, Next)>,
}

enum State {
    Due(delay_queue::Key),
    /// A reconciliation was requested `before` this one had begun, or another one is wanted `after` it.
    Taken {
        call: Arc<Call>,
        before: bool,
        after: bool,
    },
}

impl<K: Custom> Wake<K> {
    pub(in crate::controller) fn wake(&self) {
        // The receiver is gone when the process ends.
        drop(self.sender.send(Arc::clone(&self.reference)));
    }
}

impl Call {
    /// From now on the reconciliation has what it decides upon; what changes later is for the next one.
    pub(in crate::controller) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
    }

    /// Waits for a permit, and moves to a better priority when the resource is edited meanwhile; not when the
    /// resource has no `priority` at first.
    pub(in crate::controller) async fn permit(
        &self,
        queue: &Arc<Queue>,
        priority: impl Fn() -> Result<Priority, Next>,
    ) -> Result<Permit, Next> {
        let mut current = priority()?;
        let mut permit = queue.permit(current).boxed();
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => return permit.map_err(|_| Next::WhenAsked),
                () = self.again.notified() => {
                    if let Ok(better) = priority() && better < current {
                        current = better;
                        permit = queue.permit(current).boxed();
                    }
                }
            }
        }
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }
}

impl<K, T> Scheduler<K, T>
where
    K: Custom,
    T: Fn(Arc<ObjectRef<Cached<K>>>, Arc<Call>) -> BoxFuture<'static, Next>,
{
    /// No reconciliations yet; `take` takes one.
    pub(in crate::controller) fn new(take: T) -> Self {
        Self { take, states: HashMap::new(), due: DelayQueue::new(), running: JoinSet::new() }
    }

    /// Runs reconciliations until `shutdown`, and then waits for those that have begun.
    pub(in crate::controller) async fn give(
        mut self,
        requests: impl Stream<Item = Request<K>>,
        shutdown: CancellationToken,
    ) {
        let mut requests = pin!(requests);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(request) = requests.next() => self.handle(request),
                Some(ended) = self.running.join_next() => {
                    // A reconciliation neither panics nor is aborted while this loop is there.
                    let Ok((reference, next)) = ended else { continue };
                    self.end(reference, next);
                }
                Some(due) = self.due.next() => self.begin(due.into_inner()),
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    fn handle(&mut self, request: Request<K>) {
        match request {
            Request::One(reference) => self.ask(reference),
            Request::All(references) => {
                // Those that are gone have a reconciliation in which they are found to be.
                let known = self.states.keys().cloned();
                let all: HashSet<_> = known.chain(references.into_iter().map(Arc::new)).collect();
                for reference in all {
                    self.ask(reference);
                }
            }
        }
    }

    fn ask(&mut self, reference: Arc<ObjectRef<Cached<K>>>) {
        match self.states.get_mut(&reference) {
            Some(State::Taken { call, after, .. }) if call.has_begun() => *after = true,
            Some(State::Taken { call, before, .. }) => {
                *before = true;
                call.again.notify_one();
            }
            Some(State::Due(key)) => {
                let due = self.due.remove(key);
                self.begin(due.into_inner());
            }
            None => self.begin(reference),
        }
    }

    fn begin(&mut self, reference: Arc<ObjectRef<Cached<K>>>) {
        let call = Arc::new(Call::default());
        let item = AssertUnwindSafe((self.take)(Arc::clone(&reference), Arc::clone(&call)));
        self.states.insert(Arc::clone(&reference), State::Taken { call, before: false, after: false });
        self.running.spawn(async move {
            let next = item.catch_unwind().await.unwrap_or(Next::After(AFTER_PANIC));
            (reference, next)
        });
    }

    fn end(&mut self, reference: Arc<ObjectRef<Cached<K>>>, next: Next) {
        if let Some(State::Taken { call, before, after }) = self.states.get(&reference) {
            // One that ended without having begun may have missed the reason of the request.
            if *after || (*before && !call.has_begun()) {
                return self.begin(reference);
            }
        }
        match next {
            Next::After(delay) => {
                let key = self.due.insert(Arc::clone(&reference), delay.min(LONGEST));
                self.states.insert(reference, State::Due(key));
            }
            Next::WhenAsked => drop(self.states.remove(&reference)),
        }
    }
}

#[cfg(test)]
mod tests;
