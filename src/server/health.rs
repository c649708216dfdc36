//! Answers of the probes. *Live* means that work progresses: nothing is stuck that a restart of this process could
//! repair. *Ready* means that this replica does its part: the leader has synced all resources, a standby reads the
//! lease. A missing CRD or an API server that does not answer makes it unready and never dead: a restart would not
//! restore either.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::time::{Duration, Instant};

/// How long something may be late before the process counts as stuck.
const GRACE: Duration = Duration::from_mins(1);

/// The state of this process, as probes see it; cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    role: Role,
    /// Streams of events, each synced or with what keeps it from being so.
    watches: BTreeMap<String, Result<(), String>>,
    /// When each piece of work in progress should be done.
    due: BTreeMap<u64, Instant>,
    line: Line,
}

/// Work that waits to begin.
#[derive(Default)]
struct Line {
    waiting: usize,
    /// When a piece of work last began to wait in an empty line, left it, or ended.
    moved: Option<Instant>,
    /// How long the longest piece of work may take.
    longest: Duration,
}

/// What this replica does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It has not found out yet.
    #[default]
    Starting,
    /// Another replica leads; this one waits.
    Standby,
    /// The lease could not be read.
    Unsure,
    /// It works.
    Leading,
}

impl Health {
    /// The current role of this replica. Only a leader watches, so a change of role resets the watches.
    pub fn plays(&self, role: Role) {
        let mut state = self.lock();
        if state.role != role {
            state.role = role;
            state.watches.clear();
        }
    }

    /// A watch was started, or is in the state `sync`.
    pub fn watch(&self, name: &str, sync: Result<(), String>) {
        self.lock().watches.insert(name.to_owned(), sync);
    }

    /// Something failed that a synced watch survives and one that never synced does not.
    pub fn watch_failed(&self, name: &str, cause: String) {
        let mut state = self.lock();
        if state.watches.get(name) != Some(&Ok(())) {
            state.watches.insert(name.to_owned(), Err(cause));
        }
    }

    /// Work waits to begin, until the answer is dropped. Since no work should take more than `longest`, one of
    /// those that wait should begin in that time.
    pub fn waits(&self, longest: Duration) -> Waiting {
        let mut state = self.lock();
        if state.line.waiting == 0 {
            state.line.moved = Some(Instant::now());
        }
        state.line.waiting += 1;
        state.line.longest = longest;
        Waiting(self.clone())
    }

    /// Work begins that should take no longer than `longest`; it is done when the answer is dropped.
    pub fn work(&self, longest: Duration) -> Work {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.lock().due.insert(number, Instant::now() + longest + GRACE);
        Work { health: self.clone(), number }
    }

    /// Whether work progresses; else what is stuck.
    pub fn live(&self) -> Result<(), String> {
        let (state, now) = (self.lock(), Instant::now());
        let stuck = state.due.values().filter(|due| **due < now).count();
        let Line { waiting, moved, longest } = &state.line;
        let stalled = *waiting > 0 && moved.is_some_and(|moved| now > moved + *longest + GRACE);
        match (stuck, stalled) {
            (0, false) => Ok(()),
            (0, true) => Err(format!("{waiting} reconciliations wait and none begins")),
            _ => Err(format!("{stuck} reconciliations do not end")),
        }
    }

    /// What this replica does its part as; else what is missing.
    pub fn ready(&self) -> Result<&'static str, String> {
        let state = self.lock();
        match state.role {
            Role::Starting => Err("starting".to_owned()),
            Role::Standby => Ok("standby"),
            Role::Unsure => Err("the lease cannot be read; see the log".to_owned()),
            Role::Leading if state.watches.is_empty() => Err("starting".to_owned()),
            Role::Leading => {
                let missing: Vec<_> = state
                    .watches
                    .iter()
                    .filter_map(|(name, sync)| sync.as_ref().err().map(|cause| format!("{name}: {cause}")))
                    .collect();
                if missing.is_empty() { Ok("leader") } else { Err(missing.join("\n")) }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so that a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that waits to begin, until it is dropped.
pub struct Waiting(Health);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.line.waiting = state.line.waiting.saturating_sub(1);
        state.line.moved = Some(Instant::now());
    }
}

/// Work in progress, until it is dropped.
pub struct Work {
    health: Health,
    number: u64,
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut state = self.health.lock();
        state.due.remove(&self.number);
        state.line.moved = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_ready_when_all_its_watches_are_synced() {
        let health = Health::default();
        assert!(health.ready().is_err());
        health.plays(Role::Leading);
        assert!(health.ready().is_err());
        health.watch("Valkey", Ok(()));
        health.watch("Redis", Err("not synced yet".to_owned()));
        assert_eq!(health.ready(), Err("Redis: not synced yet".to_owned()));
        health.watch("Redis", Ok(()));
        assert_eq!(health.ready(), Ok("leader"));
        health.watch_failed("Redis", "connection reset".to_owned());
        assert_eq!(health.ready(), Ok("leader"), "an interrupted watch goes on");
    }

    #[test]
    fn a_standby_is_ready_while_it_can_read_the_lease() {
        let health = Health::default();
        health.plays(Role::Standby);
        assert_eq!(health.ready(), Ok("standby"));
        health.plays(Role::Unsure);
        assert!(health.ready().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn stuck_queue_fails_liveness_and_long_moving_queue_does_not() {
        let (health, longest) = (Health::default(), Duration::from_mins(3));
        tokio::time::advance(Duration::from_hours(1)).await;
        let mut line: Vec<_> = (0..9).map(|_| health.waits(longest)).collect();
        for _ in 0..4 {
            tokio::time::advance(Duration::from_secs(200)).await;
            drop(line.pop());
            assert!(health.live().is_ok(), "one has begun");
        }
        drop(health.work(longest));
        tokio::time::advance(Duration::from_secs(200)).await;
        assert!(health.live().is_ok(), "one has ended");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(health.live(), Err("5 reconciliations wait and none begins".to_owned()));
        drop(line);
        assert!(health.live().is_ok(), "an empty line does not move");
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_endless_reconciliation_fails_liveness() {
        let health = Health::default();
        let work = health.work(Duration::from_mins(3));
        tokio::time::advance(Duration::from_secs(200)).await;
        assert!(health.live().is_ok());
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(health.live().is_err());
        drop(work);
        assert!(health.live().is_ok());
    }
}
