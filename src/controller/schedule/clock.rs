//! When a resource is reconciled next: one clock per resource, computed at the end of each reconciliation from named
//! reasons. Pure: time and chance are arguments.
//!
//! ```text
//!   reconciliation ends: Ending ──▶ Clock { alarm, unseen }      next read = min( alarm,
//!                                                                       last seen + unseen )
//!     settled ............ alarm Resync
//!     credentials hidden . alarm Resync, at some time within its interval
//!     building ........... alarm Resync, unseen Building
//!     stabilizing ........ alarm Stabilization, unseen Building
//!     waiting ............ alarm Waiting or AbsenceConfirmation
//!     external ........... alarm External
//!     power schedule ..... adds alarm Switch to any other ending
//!     failed ............. alarm Backoff; a refused request adds one to any other ending
//!     not seen yet ....... alarm FirstList
//! ```
//!
//! A list of the project that shows the service counts as a read: it moves *last seen*, and immediately delivers
//! changed or due services. A list that is not made, fails, or does not show the service moves nothing.
//!
//! Invariant: a change that a read would show is detected within one read interval, whether lists are made or not.

use tokio::time::{Duration, Instant};
use valkeeper_engine::backoff;

/// A list may be later than its interval: because of jitter, and of the time it takes.
const LIST_SLACK: f64 = 1.5;
/// Where a project is polled, a resource reads its service after this many intervals without a list.
const LISTS_FIRST: u32 = 2;

/// Why a resource is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Reason {
    /// A settled service and its Secret are compared again.
    Resync,
    /// The provider works on the service.
    Building,
    /// A change was sent, and from now on the state that the provider reports is that after it.
    Stabilization,
    /// An absence that lasts until now is certain.
    AbsenceConfirmation,
    /// Something that is on its way, but not at the service itself.
    Waiting,
    /// A user has to act elsewhere.
    AwaitingExternal,
    /// The last attempt failed, or one of its requests was refused.
    Backoff,
    /// The power schedule switches.
    Switch,
    /// No list has shown the service since this process began.
    FirstList,
}

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Ending {
    /// Everything is as declared.
    Settled,
    /// The same as far as a list shows it, which hides credentials: only a read allows comparing the Secret.
    CredentialsHidden,
    /// The provider has been working on the service for this long, and both reads and lists show its progress.
    Building(Duration),
    /// The same, but what is reported may be from before the last change until that time.
    Stabilizing(Duration, Instant),
    /// Something else has been on its way for this long.
    Waiting(Duration),
    /// There is no service, which is certain if that is so at this time.
    Absent(Duration, Instant),
    /// A user has to act elsewhere.
    AwaitingExternal,
    /// A user has to edit the resource.
    AwaitingSpecChange,
    /// It failed, and may be tried again after this time.
    Failed(Duration),
    /// It has not begun: the resource was settled before this process began, and waits for a list.
    NotBegun,
}

/// Intervals between observations.
#[derive(Clone, Copy, Debug)]
pub(in crate::controller) struct Intervals {
    pub(in crate::controller) resync: Duration,
    pub(in crate::controller) external: Duration,
    /// Shortest and longest.
    pub(in crate::controller) building: [Duration; 2],
}

/// When a resource is observed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) struct Clock {
    /// Lower bound of the time of the last observation.
    since: Instant,
    alarm: (Instant, Reason),
    /// How long the service may go unseen, and why.
    unseen: Option<(Duration, Reason)>,
}

impl Intervals {
    /// The interval after which a service in sync is compared again. Where lists are made every `poll`, they come
    /// first: a separate read would only repeat them.
    pub(in crate::controller) fn resync(&self, poll: Option<Duration>) -> Duration {
        behind(self.resync, poll, self.resync * LISTS_FIRST)
    }

    /// The interval after which a service that has been building for `elapsed` is read.
    pub(in crate::controller) fn building(&self, elapsed: Duration, poll: Option<Duration>) -> Duration {
        let [shortest, longest] = self.building;
        behind(backoff::building(elapsed, shortest, longest), poll, longest)
    }
}

/// `pause`, or long enough for a list to come first, but no longer than `longest`.
fn behind(pause: Duration, poll: Option<Duration>, longest: Duration) -> Duration {
    poll.map_or(pause, |poll| pause.max(poll.saturating_mul(LISTS_FIRST).min(longest)))
}

impl Clock {
    /// The clock of a resource whose reconciliation ended at `now`, and showed its service as it was at `seen`;
    /// lists are made every `poll`, if they are. `jitter` is a number in `[0, 1)`.
    pub(in crate::controller) fn after(
        ending: Ending,
        [seen, now]: [Instant; 2],
        intervals: &Intervals,
        poll: Option<Duration>,
        jitter: f64,
    ) -> Self {
        let spread = |pause| backoff::spread(pause, jitter);
        let resync = (seen + spread(intervals.resync(poll)), Reason::Resync);
        let building = |elapsed| Some((spread(intervals.building(elapsed, poll)), Reason::Building));
        let waiting = |elapsed| (now + spread(intervals.building(elapsed, None)), Reason::Waiting);
        let (alarm, unseen) = match ending {
            Ending::Settled | Ending::AwaitingSpecChange => (resync, None),
            // Spreads the reads of all resources.
            Ending::CredentialsHidden => {
                ((seen + intervals.resync(poll).mul_f64(jitter), Reason::Resync), None)
            }
            Ending::Building(elapsed) => (resync, building(elapsed)),
            Ending::Stabilizing(elapsed, until) => {
                (earlier(resync, (until, Reason::Stabilization)), building(elapsed))
            }
            Ending::Absent(elapsed, certain) if certain > now => {
                (earlier(waiting(elapsed), (certain, Reason::AbsenceConfirmation)), None)
            }
            Ending::Waiting(elapsed) | Ending::Absent(elapsed, _) => (waiting(elapsed), None),
            Ending::AwaitingExternal => ((now + spread(intervals.external), Reason::AwaitingExternal), None),
            // This delay includes its own jitter.
            Ending::Failed(delay) => ((now + delay, Reason::Backoff), None),
            Ending::NotBegun => ((resync.0, Reason::FirstList), None),
        };
        Self { since: seen, alarm, unseen }
    }

    /// The same clock, which does not wait for longer than until `at`.
    pub(in crate::controller) fn no_later_than(self, at: Instant, reason: Reason) -> Self {
        Self { alarm: earlier(self.alarm, (at, reason)), ..self }
    }

    /// When the next read is due and why, if a list requested at `listed` showed the service.
    pub(in crate::controller) fn next_observation(&self, listed: Option<Instant>) -> (Instant, Reason) {
        let seen = listed.map_or(self.since, |listed| listed.max(self.since));
        self.unseen.map_or(self.alarm, |(pause, reason)| earlier(self.alarm, (seen + pause, reason)))
    }

    /// Whether only a list is waited for, since this process began.
    pub(in crate::controller) fn waits_for_first_list(&self) -> bool {
        self.alarm.1 == Reason::FirstList
    }

    /// Whether a list requested at `asked` replaces the read that is due, or will be due before the next list if that
    /// comes after `pause`.
    pub(in crate::controller) fn takes_list(&self, asked: Instant, pause: Duration) -> bool {
        match self.alarm {
            (at, Reason::Resync | Reason::FirstList) => asked + pause.mul_f64(LIST_SLACK) >= at,
            (at, _) => asked >= at,
        }
    }
}

fn earlier(one: (Instant, Reason), other: (Instant, Reason)) -> (Instant, Reason) {
    if other.0 < one.0 { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    const INTERVALS: Intervals = Intervals {
        resync: Duration::from_mins(5),
        external: Duration::from_secs(30),
        building: [Duration::from_secs(2), Duration::from_secs(30)],
    };

    /// How long after `now` the next read is due, without chance.
    fn due(ending: Ending, poll: Option<Duration>) -> (Duration, Reason) {
        let now = Instant::now();
        let (at, reason) = Clock::after(ending, [now; 2], &INTERVALS, poll, 0.5).next_observation(None);
        (at - now, reason)
    }

    #[tokio::test(start_paused = true)]
    async fn earliest_reason_sets_the_next_observation() {
        let soon = Instant::now() + SECOND;
        assert_eq!(due(Ending::Settled, None), (5 * MINUTE, Reason::Resync));
        assert_eq!(due(Ending::AwaitingSpecChange, None), (5 * MINUTE, Reason::Resync));
        assert_eq!(due(Ending::CredentialsHidden, None), (5 * MINUTE / 2, Reason::Resync));
        assert_eq!(due(Ending::NotBegun, Some(SECOND)), (5 * MINUTE, Reason::FirstList));
        assert_eq!(due(Ending::Building(SECOND), None), (2 * SECOND, Reason::Building));
        assert_eq!(due(Ending::Building(2 * MINUTE), None), (12 * SECOND, Reason::Building));
        assert_eq!(due(Ending::Stabilizing(SECOND, soon), None), (SECOND, Reason::Stabilization));
        assert_eq!(due(Ending::Absent(MINUTE, soon), None), (SECOND, Reason::AbsenceConfirmation));
        assert_eq!(due(Ending::Waiting(MINUTE), Some(MINUTE)), (6 * SECOND, Reason::Waiting));
        assert_eq!(due(Ending::AwaitingExternal, None), (30 * SECOND, Reason::AwaitingExternal));
        assert_eq!(due(Ending::Failed(7 * SECOND), None), (7 * SECOND, Reason::Backoff));
    }

    #[tokio::test(start_paused = true)]
    async fn lists_come_first_but_never_by_much() {
        let building = |poll| due(Ending::Building(SECOND), Some(poll)).0;
        assert_eq!(building(SECOND), 2 * SECOND);
        assert_eq!(building(5 * SECOND), 10 * SECOND);
        assert_eq!(building(10 * MINUTE), 30 * SECOND, "lists that take too long are not waited for");
        let settled = |poll| due(Ending::Settled, Some(poll)).0;
        assert_eq!(settled(MINUTE), 5 * MINUTE);
        assert_eq!(settled(60 * MINUTE), 10 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn interval_begins_when_the_service_was_seen() {
        let (seen, now) = (Instant::now(), Instant::now() + MINUTE);
        let next = |ending| Clock::after(ending, [seen, now], &INTERVALS, None, 0.5).next_observation(None).0;
        assert_eq!(next(Ending::Settled), seen + 5 * MINUTE);
        assert_eq!(next(Ending::Building(SECOND)), seen + 2 * SECOND);
        assert_eq!(next(Ending::Failed(SECOND)), now + SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn list_that_shows_the_service_counts_as_a_read() {
        let now = Instant::now();
        let clock = Clock::after(Ending::Building(SECOND), [now; 2], &INTERVALS, Some(SECOND), 0.5);
        let next = |listed| clock.next_observation(listed);
        assert_eq!(next(Some(now + MINUTE)), (now + MINUTE + 2 * SECOND, Reason::Building));
        assert_eq!(next(Some(now + 10 * MINUTE)), (now + 5 * MINUTE, Reason::Resync), "lists end no alarm");
    }

    #[tokio::test(start_paused = true)]
    async fn list_replaces_a_read_due_before_the_next_list() {
        let now = Instant::now();
        let takes = |ending, after| {
            Clock::after(ending, [now; 2], &INTERVALS, Some(MINUTE), 0.5).takes_list(now + after, MINUTE)
        };
        assert!(!takes(Ending::Settled, 3 * MINUTE));
        assert!(takes(Ending::Settled, 4 * MINUTE));
        assert!(takes(Ending::NotBegun, 4 * MINUTE));
        let stabilizing = Ending::Stabilizing(SECOND, now + 3 * SECOND);
        assert!(!takes(stabilizing, 2 * SECOND), "it may show the state from before the change");
        assert!(takes(stabilizing, 3 * SECOND));
    }
}
