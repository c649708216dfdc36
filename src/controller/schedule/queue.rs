//! The bound on concurrent work: permits, first come first served in each of three lanes. Edits and
//! deletions go before new resources, and both before what only repeats an earlier look; an eighth of the
//! permits is for the first of these alone, a quarter never for the last, and every eighth permit that is given
//! goes to the lowest lane in which somebody waits, so that none starves. A pass that gave its permit away
//! during a slow call goes before all that have not begun: what is under way ends first. The runtime's own
//! bound picks waiting keys from a hash set, which starves some under overload.
//!
//! ```text
//!               permit            call takes longer than PATIENCE
//!   WAITING ───────────▶ HOLDING ────────────────────────────────▶ CALLING, without permit
//!  (one line              ▲   │                                        │ answer
//!   per lane)             │   │ pass ends                              ▼
//!                         │   ▼                                     RESUMING (a line per lane,
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

/// A call of the provider that takes longer than this gives its permit to others.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many slow calls may be under way for each permit.
const SLOW_PER_PERMIT: usize = 8;
/// Of so many permits one goes to the lowest lane in which somebody waits.
const LOWEST_TURN: u32 = 8;

/// In which lane somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controller) enum Lane {
    /// Somebody edited or deleted a resource.
    Edit,
    /// A resource is new, or its service is being built.
    New,
    /// A look that repeats an earlier one.
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
    /// Permits that each lane and the lanes below it may hold at most together.
    limits: [usize; 3],
    /// Permits that each lane holds.
    held: [usize; 3],
    /// A line per stage and lane.
    waiting: [[VecDeque<oneshot::Sender<Grant>>; 3]; 2],
    given: u32,
    closed: bool,
}

/// How far a pass is that waits.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It has begun, and needs a permit to go on.
    Resuming,
    /// It has not begun.
    New,
}

/// The place of one permit; free again when this is dropped.
struct Grant {
    queue: Arc<Queue>,
    lane: Lane,
    /// Never received.
    void: bool,
}

/// The right to work; others get it when this is dropped.
pub(in crate::controller) struct Permit {
    queue: Arc<Queue>,
    lane: Lane,
    /// None while a slow call is under way.
    grant: Option<Grant>,
    time: WorkTime,
}

/// No permits are given any more.
#[derive(Debug)]
pub(in crate::controller) struct Closed;

impl Queue {
    /// A queue with `permits` permits for work that takes no longer than `deadline`; tells `health` who waits.
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
    pub(in crate::controller) async fn permit(self: &Arc<Self>, lane: Lane) -> Result<Permit, Closed> {
        let grant = self.grant(Stage::New, lane).await?;
        let time = WorkTime::begin(&self.health, self.deadline);
        Ok(Permit { queue: Arc::clone(self), lane, grant: Some(grant), time })
    }

    /// Waits in a line.
    async fn grant(self: &Arc<Self>, at: Stage, lane: Lane) -> Result<Grant, Closed> {
        let _waiting = self.health.waits(self.deadline);
        let receiver = {
            let mut state = self.lock();
            if state.closed {
                return Err(Closed);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting[at as usize][lane as usize].push_back(sender);
            receiver
        };
        self.serve();
        receiver.await.map_err(|_| Closed)
    }

    /// Gives no more permits; those who wait are told so.
    pub(in crate::controller) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = Default::default();
    }

    /// Gives free permits to those who wait.
    fn serve(self: &Arc<Self>) {
        loop {
            let next = self.lock().next();
            let Some((lane, waiting)) = next else { return };
            // Who stopped waiting drops the permit, which then must not lead back here.
            if let Err(mut refused) = waiting.send(Grant { queue: Arc::clone(self), lane, void: false }) {
                refused.void = true;
                self.lock().take_back(lane);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<(Lane, oneshot::Sender<Grant>)> {
        if self.free == 0 {
            return None;
        }
        let lanes = [Lane::Edit, Lane::New, Lane::Routine];
        let next = self.first(Stage::Resuming, lanes).or_else(|| {
            let lowest_first = self.given % LOWEST_TURN == LOWEST_TURN - 1;
            let lanes = if lowest_first { [Lane::Routine, Lane::New, Lane::Edit] } else { lanes };
            let first = self.first(Stage::New, lanes)?;
            self.given = self.given.wrapping_add(1);
            Some(first)
        })?;
        self.free -= 1;
        self.held[next.0 as usize] += 1;
        Some(next)
    }

    /// Takes the first out of the first of these lanes in which somebody waits for a permit that is to be had.
    fn first(&mut self, stage: Stage, lanes: [Lane; 3]) -> Option<(Lane, oneshot::Sender<Grant>)> {
        lanes.into_iter().find_map(|lane| {
            let waiting =
                if self.may(lane) { self.waiting[stage as usize][lane as usize].pop_front() } else { None };
            Some((lane, waiting?))
        })
    }

    /// Whether those in `lane` may hold another permit: it counts for the lanes above as well.
    fn may(&self, lane: Lane) -> bool {
        (0..=lane as usize).all(|lane| self.held[lane..].iter().sum::<usize>() < self.limits[lane])
    }

    fn take_back(&mut self, lane: Lane) {
        self.free += 1;
        self.held[lane as usize] -= 1;
    }
}

impl Permit {
    /// The lane in which it was given.
    pub(in crate::controller) fn lane(&self) -> Lane {
        self.lane
    }

    /// How long the work has taken for which it was given.
    pub(in crate::controller) fn time(&self) -> WorkTime {
        self.time.clone()
    }

    /// Waits for `call`. While it is slow the permit works for others: a service that does not answer
    /// must not keep a healthy one waiting.
    pub(in crate::controller) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => return outcome,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let Some(_slot) = self.slow_slot() else { return call.await };
        self.grant = None;
        let outcome = call.await;
        // How long the line is says nothing about this pass.
        let stopped = self.time.stop();
        self.grant = self.queue.grant(Stage::Resuming, self.lane).await.ok();
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
            self.queue.lock().take_back(self.lane);
            self.queue.serve();
        }
    }
}

#[cfg(test)]
mod tests;
