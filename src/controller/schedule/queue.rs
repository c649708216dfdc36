//! The bound on concurrent work: permits, first come first served in each of three priorities. Edits and deletions
//! precede new resources, and both precede routine repetitions. An eighth of the permits is reserved for edits, and a
//! quarter is never used for routine work. Every eighth permit goes to the lowest priority with a waiting resource,
//! so that none starves. A reconciliation that gave its permit away during a slow call precedes all that have not
//! begun: work in progress ends first. The runtime's own bound picks waiting keys from a hash set, which starves some
//! under overload.
//!
//! ```text
//!               permit            call takes longer than PATIENCE
//!   WAITING ───────────▶ HOLDING ────────────────────────────────▶ CALLING, without permit
//!  (one line              ▲   │                                        │ answer
//!   per priority)             │   │ reconciliation ends                              ▼
//!                         │   ▼                                     RESUMING (a line per priority,
//!                         │  permit goes to the next                   │      before all WAITING)
//!                         └────────────────────────────────────────────┘ permit; work time runs on
//! ```

use super::work_time::WorkTime;
use crate::server::health::Health;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Duration,
};

/// A call of the provider that takes longer than this releases its permit.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many slow calls may be in progress for each permit.
const SLOW_PER_PERMIT: usize = 8;
/// One of so many permits goes to the lowest priority with a waiting resource.
const LOWEST_SHARE: u32 = 8;

/// Priority of a waiting resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller) enum Priority {
    /// A user edited or deleted a resource.
    Edit,
    /// A resource is new, or its service is being built.
    New,
    /// A routine observation.
    Routine,
}

/// The permits.
pub(in crate::controller) struct Queue {
    state: Mutex<State>,
    health: Health,
    /// How long work may take.
    deadline: Duration,
    slow: Arc<Semaphore>,
}

struct State {
    free: usize,
    /// Permits that each priority and the priorities below it may hold at most together.
    limits: [usize; 3],
    /// Permits that each priority holds.
    held: [usize; 3],
    /// A line per stage and priority.
    waiting: [[VecDeque<oneshot::Sender<Grant>>; 3]; 2],
    given: u32,
    closed: bool,
}

/// How far a reconciliation is that waits.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It has begun, and needs a permit to continue.
    Resuming,
    /// It has not begun.
    New,
}

/// The place of one permit; free again when this is dropped.
struct Grant {
    queue: Arc<Queue>,
    priority: Priority,
    /// Never received.
    void: bool,
}

/// The right to work; dropping it releases the permit.
pub(in crate::controller) struct Permit {
    queue: Arc<Queue>,
    priority: Priority,
    /// None while a slow call is in progress.
    grant: Option<Grant>,
    time: WorkTime,
}

/// No permits are given any more.
#[derive(Debug)]
pub(in crate::controller) struct Closed;

impl Queue {
    /// A queue with `permits` permits for work that takes no longer than `deadline`; reports the waiting work to
    /// `health`.
    pub(in crate::controller) fn new(permits: usize, health: Health, deadline: Duration) -> Arc<Self> {
        let permits = permits.max(1);
        let state = State {
            free: permits,
            limits: [permits, permits - permits / 8, permits - permits / 4],
            held: [0; 3],
            waiting: Default::default(),
            given: 0,
            closed: false,
        };
        let slow = Arc::new(Semaphore::new(permits * SLOW_PER_PERMIT));
        Arc::new(Self { state: Mutex::new(state), health, deadline, slow })
    }

    /// Waits for a permit; the time of the work for which it is runs from then on.
    pub(in crate::controller) async fn permit(
        self: &Arc<Self>,
        priority: Priority,
    ) -> Result<Permit, Closed> {
        let grant = self.grant(Stage::New, priority).await?;
        let time = WorkTime::begin(&self.health, self.deadline);
        Ok(Permit { queue: Arc::clone(self), priority, grant: Some(grant), time })
    }

    /// Waits in a line.
    async fn grant(self: &Arc<Self>, at: Stage, priority: Priority) -> Result<Grant, Closed> {
        let _waiting = self.health.waits(self.deadline);
        let receiver = {
            let mut state = self.lock();
            if state.closed {
                return Err(Closed);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting[at as usize][priority as usize].push_back(sender);
            receiver
        };
        self.serve();
        receiver.await.map_err(|_| Closed)
    }

    /// Grants no more permits; waiting resources are notified.
    pub(in crate::controller) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = Default::default();
    }

    /// Gives free permits to those who wait.
    fn serve(self: &Arc<Self>) {
        loop {
            let next = self.lock().next();
            let Some((priority, waiting)) = next else { return };
            // Who stopped waiting drops the permit, which then must not lead back here.
            if let Err(mut refused) = waiting.send(Grant { queue: Arc::clone(self), priority, void: false }) {
                refused.void = true;
                self.lock().take_back(priority);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<(Priority, oneshot::Sender<Grant>)> {
        if self.free == 0 {
            return None;
        }
        let priorities = [Priority::Edit, Priority::New, Priority::Routine];
        let next = self.first(Stage::Resuming, priorities).or_else(|| {
            let lowest_first = self.given % LOWEST_SHARE == LOWEST_SHARE - 1;
            let priorities =
                if lowest_first { [Priority::Routine, Priority::New, Priority::Edit] } else { priorities };
            let first = self.first(Stage::New, priorities)?;
            self.given = self.given.wrapping_add(1);
            Some(first)
        })?;
        self.free -= 1;
        self.held[next.0 as usize] += 1;
        Some(next)
    }

    /// Takes the first out of the first of these priorities in which a resource waits for an available permit.
    fn first(
        &mut self,
        stage: Stage,
        priorities: [Priority; 3],
    ) -> Option<(Priority, oneshot::Sender<Grant>)> {
        priorities.into_iter().find_map(|priority| {
            let waiting = if self.may(priority) {
                self.waiting[stage as usize][priority as usize].pop_front()
            } else {
                None
            };
            Some((priority, waiting?))
        })
    }

    /// Whether those in `priority` may hold another permit: it counts for the priorities above as well.
    fn may(&self, priority: Priority) -> bool {
        (0..=priority as usize)
            .all(|priority| self.held[priority..].iter().sum::<usize>() < self.limits[priority])
    }

    fn take_back(&mut self, priority: Priority) {
        self.free += 1;
        self.held[priority as usize] -= 1;
    }
}

impl Permit {
    /// The priority in which it was given.
    pub(in crate::controller) fn priority(&self) -> Priority {
        self.priority
    }

    /// How long the work has taken for which it was given.
    pub(in crate::controller) fn time(&self) -> WorkTime {
        self.time.clone()
    }

    /// Waits for `call`. While it is slow, another resource uses the permit: a service that does not answer must not
    /// delay a healthy one.
    pub(in crate::controller) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => return outcome,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let Some(_slot) = self.slow_slot() else { return call.await };
        self.grant = None;
        let outcome = call.await;
        // The length of the queue does not count as work of this reconciliation.
        let stopped = self.time.stop();
        self.grant = self.queue.grant(Stage::Resuming, self.priority).await.ok();
        drop(stopped);
        outcome
    }

    fn slow_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.queue.slow).try_acquire_owned().ok()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.void {
            self.queue.lock().take_back(self.priority);
            self.queue.serve();
        }
    }
}

#[cfg(test)]
mod tests;
