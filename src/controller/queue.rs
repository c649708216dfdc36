//! The bound on concurrent work: permits, first come first served in each of three lanes. Edits and
//! deletions go before new resources, and both before what only repeats an earlier look; an eighth of the
//! permits is for the first of these alone, a quarter never for the last, and every eighth permit that is given
//! goes to the lowest lane in which somebody waits, so that none starves. The runtime's own bound picks waiting keys from a hash set, which starves some
//! under overload.

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
pub(super) enum Lane {
    /// Somebody edited or deleted a resource.
    Edit,
    /// A resource is new, or its service is being built.
    New,
    /// A look that repeats an earlier one.
    Routine,
}

/// The permits.
pub(super) struct Queue {
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
    waiting: [VecDeque<oneshot::Sender<Permit>>; 3],
    given: u32,
    closed: bool,
}

/// The right to work; others get it when this is dropped.
pub(super) struct Permit {
    queue: Arc<Queue>,
    lane: Lane,
    /// Not any more: handed on, or never received.
    void: bool,
}

/// No permits are given any more.
#[derive(Debug)]
pub(super) struct Closed;

impl Queue {
    /// A queue with `permits` permits for work that takes no longer than `deadline`; tells `health` who waits.
    pub(super) fn new(permits: usize, health: Health, deadline: Duration) -> Arc<Self> {
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

    /// Waits for a permit.
    pub(super) async fn permit(self: &Arc<Self>, lane: Lane) -> Result<Permit, Closed> {
        let _waiting = self.health.waits(self.deadline);
        let receiver = {
            let mut state = self.lock();
            if state.closed {
                return Err(Closed);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting[lane as usize].push_back(sender);
            receiver
        };
        self.serve();
        receiver.await.map_err(|_| Closed)
    }

    /// Gives no more permits; those who wait are told so.
    pub(super) fn close(&self) {
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
            if let Err(mut refused) = waiting.send(Permit { queue: Arc::clone(self), lane, void: false }) {
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
    fn next(&mut self) -> Option<(Lane, oneshot::Sender<Permit>)> {
        if self.free == 0 {
            return None;
        }
        let lowest_first = self.given % LOWEST_TURN == LOWEST_TURN - 1;
        let mut lanes = [Lane::Edit, Lane::New, Lane::Routine];
        if lowest_first {
            lanes.reverse();
        }
        let lane =
            lanes.into_iter().find(|lane| self.may(*lane) && !self.waiting[*lane as usize].is_empty())?;
        let waiting = self.waiting[lane as usize].pop_front()?;
        self.free -= 1;
        self.given = self.given.wrapping_add(1);
        self.held[lane as usize] += 1;
        Some((lane, waiting))
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
    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    /// Waits for `call`. While it is slow the permit works for others: a service that does not answer
    /// must not keep a healthy one waiting.
    pub(super) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => return outcome,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let Some(_slot) = self.slow_slot() else { return call.await };
        self.give_back();
        let outcome = call.await;
        let queue = Arc::clone(&self.queue);
        if let Ok(permit) = queue.permit(self.lane).await {
            *self = permit;
        }
        outcome
    }

    fn slow_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.queue.slow).try_acquire_owned().ok()
    }

    fn give_back(&mut self) {
        if !std::mem::replace(&mut self.void, true) {
            self.queue.lock().take_back(self.lane);
            self.queue.serve();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn queue(permits: usize) -> Arc<Queue> {
        Queue::new(permits, Health::default(), Duration::from_mins(3))
    }

    async fn fill(queue: &Arc<Queue>, lane: Lane, count: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        for _ in 0..count {
            permits.push(queue.permit(lane).await.unwrap());
        }
        permits
    }

    #[tokio::test]
    async fn an_edit_goes_before_routine_that_came_earlier() {
        let queue = queue(1);
        let held = fill(&queue, Lane::Edit, 1).await;
        let mut routine = Box::pin(queue.permit(Lane::Routine));
        let mut edit = Box::pin(queue.permit(Lane::Edit));
        assert!((&mut routine).now_or_never().is_none() && (&mut edit).now_or_never().is_none());
        drop(held);
        let permit = edit.now_or_never().unwrap().unwrap();
        assert!((&mut routine).now_or_never().is_none());
        drop(permit);
        assert!(routine.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_edit_finds_a_permit_however_many_resources_are_new() {
        let queue = queue(8);
        let _new = fill(&queue, Lane::New, 7).await;
        assert!(queue.permit(Lane::New).now_or_never().is_none());
        assert!(queue.permit(Lane::Routine).now_or_never().is_none());
        assert!(queue.permit(Lane::Edit).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn routine_never_takes_all_permits_and_never_starves() {
        let queue = queue(8);
        let routine = fill(&queue, Lane::Routine, 6).await;
        let mut waiting = Box::pin(queue.permit(Lane::Routine));
        assert!((&mut waiting).now_or_never().is_none(), "two are kept for edits");
        let mut edits = VecDeque::from(fill(&queue, Lane::Edit, 2).await);
        drop(routine);
        assert!((&mut waiting).now_or_never().unwrap().is_ok());

        let all = fill(&queue, Lane::Edit, 6).await;
        edits.extend(all);
        let mut waiting = Box::pin(queue.permit(Lane::Routine));
        assert!((&mut waiting).now_or_never().is_none());
        let mut rounds = 0;
        while (&mut waiting).now_or_never().is_none() {
            let mut next = Box::pin(queue.permit(Lane::Edit));
            assert!((&mut next).now_or_never().is_none());
            drop(edits.pop_front());
            if let Some(permit) = next.now_or_never() {
                edits.push_back(permit.unwrap());
            }
            rounds += 1;
            assert!(rounds <= LOWEST_TURN, "routine starves");
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_no_permit_along() {
        let queue = queue(1);
        let held = fill(&queue, Lane::Edit, 1).await;
        let mut gone = Box::pin(queue.permit(Lane::Edit));
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        drop(held);
        assert!(queue.permit(Lane::Routine).now_or_never().unwrap().is_ok());
        queue.close();
        assert!(queue.permit(Lane::Edit).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_holds_no_permit() {
        let queue = queue(1);
        let mut permit = queue.permit(Lane::Edit).await.unwrap();
        let slow = permit.during(tokio::time::sleep(Duration::from_mins(1)));
        let other = async {
            drop(queue.permit(Lane::Routine).await.unwrap());
            tokio::time::Instant::now()
        };
        let begun = tokio::time::Instant::now();
        let ((), served) = tokio::join!(slow, other);
        assert!(served - begun < Duration::from_secs(1), "the permit was free after {:?}", served - begun);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_nobody_gives_back_is_noticed_by_the_probe() {
        let health = Health::default();
        let queue = Queue::new(1, health.clone(), Duration::from_mins(3));
        let held = fill(&queue, Lane::Edit, 1).await;
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(health.live().is_ok(), "nobody waits");
        let mut waiting = Box::pin(queue.permit(Lane::Edit));
        assert!((&mut waiting).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(200)).await;
        assert!(health.live().is_ok());
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(health.live().is_err());
        drop(held);
        assert!(waiting.now_or_never().unwrap().is_ok());
        assert!(health.live().is_ok());
    }
}
