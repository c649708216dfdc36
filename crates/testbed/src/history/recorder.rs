//! The recorder: one clock and one list for every source of a run. Cheap to clone.

use super::record::{Claim, Content, Disturbance, History, Moment, Outcome, Structure, Write};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Records a run.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    numbers: AtomicU64,
    history: Mutex<History>,
}

/// A fault that was recorded and may be healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(usize);

impl Default for Recorder {
    fn default() -> Self {
        let (numbers, history) = (AtomicU64::new(1), Mutex::default());
        Self(Arc::new(Inner { began: Instant::now(), numbers, history }))
    }
}

impl Recorder {
    /// Begins a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time since the beginning of the recording.
    pub fn now(&self) -> Moment {
        Moment(u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// A fault begins. Call it before the fault is injected.
    pub fn fault(&self, what: impl fmt::Display) -> Fault {
        self.disturbed(format!("{what}"), false)
    }

    /// A planned switchover begins.
    pub fn planned(&self, what: impl fmt::Display) {
        self.disturbed(format!("{what}"), true);
    }

    fn disturbed(&self, what: String, planned: bool) -> Fault {
        let disturbance = Disturbance { what, from: self.now(), until: None, planned };
        let mut history = self.lock();
        history.disturbances.push(disturbance);
        Fault(history.disturbances.len() - 1)
    }

    /// A fault was healed. Call it after that.
    pub fn healed(&self, fault: Fault) {
        let now = self.now();
        if let Some(disturbance) = self.lock().disturbances.get_mut(fault.0) {
            disturbance.until = Some(now);
        }
    }

    /// This life of an instance claims a term, or is reported to hold it. Repeated claims are recorded once.
    pub fn claim(&self, instance: impl Into<String>, term: u64) {
        let claim = Claim { instance: instance.into(), term, at: self.now() };
        let mut history = self.lock();
        if !history.claims.iter().any(|known| known.instance == claim.instance && known.term == term) {
            history.claims.push(claim);
        }
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.lock().writes.iter().filter(|write| write.acknowledged().is_some()).count()
    }

    /// What was recorded, with what was read back after everything was healed.
    pub fn history(&self, contents: BTreeMap<String, Content>) -> History {
        History { contents, ..self.lock().clone() }
    }

    /// A unique number, for a client or a value.
    pub(super) fn number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A write is about to be sent. Until its outcome is known, it may have taken effect or not.
    pub(super) fn invoke(&self, client: u64, key: &str, structure: Structure, value: u64) -> usize {
        let mut history = self.lock();
        let (key, invoked) = (key.to_owned(), self.now());
        history.writes.push(Write { client, key, structure, value, invoked, outcome: Outcome::Unknown });
        history.writes.len() - 1
    }

    /// What became of a write.
    pub(super) fn answer(&self, write: usize, outcome: Outcome) {
        if let Some(write) = self.lock().writes.get_mut(write) {
            write.outcome = outcome;
        }
    }

    /// How many replicas confirmed a write that was acknowledged before.
    pub(super) fn confirm(&self, write: usize, count: u64) {
        if let Some(Outcome::Acknowledged { replicas, .. }) =
            self.lock().writes.get_mut(write).map(|write| &mut write.outcome)
        {
            *replicas = Some(count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
