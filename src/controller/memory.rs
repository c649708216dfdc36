//! In-memory state of each resource between reconciliations. Correctness does not depend on it: after a restart it is
//! empty, and the only cost is an additional read.

use super::{project_poll::ProjectPoller, refusals::Refusals, schedule::clock::Clock};
use crate::{cluster::version, provider::Absence};
use kube::Resource;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::time::{Duration, Instant};
use valkeeper_engine::{Sent, absence::Evidence};

/// How long a watch may be behind before the operator reads from the API server.
const WATCH_LAG: Duration = Duration::from_secs(3);

/// Memories by the identity of the resource.
#[derive(Default)]
pub(super) struct Memories(Mutex<HashMap<Box<str>, Box<Memory>>>);

/// In-memory state of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The last reconciliation ended because the object had changed since it was cached.
    pub(super) conflicted: bool,
    /// When the resource is reconciled next, unless a user edits it.
    pub(super) clock: Option<Clock>,
    /// The edit that the last reconciliation saw.
    pub(super) edit: Option<u64>,
    /// The version that the last write of this process led to, and when that was.
    pub(super) written: Option<(u64, Instant)>,
    /// Since when the provider has been building.
    pub(super) building_since: Option<Instant>,
    /// Until when a reported `RUNNING` may be from before the last change.
    pub(super) settles_at: Option<Instant>,
    /// What updates have requested, and for which generation, until a read shows their effect.
    pub(super) sent: Option<Box<(i64, Sent)>>,
    /// Requests that were refused.
    pub(super) refusals: Refusals,
    /// Evidence for the absence of the service.
    pub(super) missing: Missing,
    /// Which requests may still take effect.
    pub(super) requests: Requests,
    /// When the deletion was last requested and accepted.
    pub(super) deletion_requested: Option<Instant>,
    /// What was sent for a user of a service, and refused.
    pub(super) user: Option<Box<UserMemory>>,
    /// The transient failure of the last event.
    pub(super) last_reported: Option<&'static str>,
    /// The project poll in which the resource takes part.
    pub(super) poller: Option<Arc<ProjectPoller>>,
}

/// What was sent for a user of a service. Values are kept as numbers that mean nothing outside of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct UserMemory {
    /// The last password that was accepted; none after a read has shown it.
    pub(super) password: Option<AcceptedValue>,
    /// The access control that was accepted last.
    pub(super) access: Option<AcceptedValue>,
    /// The password that was refused last.
    pub(super) password_refused: Option<RefusedValue>,
    /// The access control that was refused last.
    pub(super) access_refused: Option<RefusedValue>,
    /// A creation was refused, and the note of it could not be taken back.
    pub(super) creation_was_refused: bool,
}

/// A value that the provider accepted, and that no read has shown yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct AcceptedValue {
    /// Stands for the value.
    pub(super) value: u64,
    /// How often it was accepted.
    pub(super) times: u32,
    /// Until when reads may lag.
    pub(super) pending_until: Instant,
    /// When it may be sent again: it may have been changed elsewhere before a read showed it.
    pub(super) again: Instant,
}

/// A value that the provider refused.
#[derive(Clone, Debug)]
pub(super) struct RefusedValue {
    /// Stands for the value.
    pub(super) value: u64,
    /// The provider's words.
    pub(super) answer: String,
    /// How often it was refused.
    pub(super) times: u32,
    /// When it may be sent again.
    pub(super) until: Instant,
}

/// Answers of the provider about the absence of a service, or of something in it, since it was last seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Missing {
    /// Since when every answer has reported that this service does not exist.
    since: Option<Instant>,
    /// A complete list of the project lacked it.
    pub(super) unlisted: bool,
    /// When the project was last listed for it.
    listed_at: Option<Instant>,
}

impl Missing {
    /// Records an answer that reports the absence.
    pub(super) fn reported(&mut self, absence: Absence, now: Instant) {
        match absence {
            Absence::Named => _ = self.since.get_or_insert(now),
            // It may be about anything.
            Absence::Unnamed => self.since = None,
        }
    }

    /// Whether to list the project now; not repeated within `pause`.
    pub(super) fn should_list(&mut self, absence: Absence, now: Instant, pause: Duration) -> bool {
        let due = self.listed_at.is_none_or(|at| now >= at + pause);
        let should = absence == Absence::Unnamed && !self.unlisted && due;
        if should {
            self.listed_at = Some(now);
        }
        should
    }

    /// When an absence that is reported until then counts as certain, after such a `period`.
    pub(super) fn certain_at(&self, period: Duration) -> Option<Instant> {
        self.since.map(|since| since + period)
    }

    /// All of it, for the decision.
    pub(super) fn evidence(&self, now: Instant, deletion_accepted: bool) -> Evidence {
        let reported_for = self.since.map(|since| now.saturating_duration_since(since));
        Evidence { reported_for, unlisted: self.unlisted, deletion_accepted }
    }
}

/// The requests about a service whose effect, or lack of one, is still unknown to this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Requests {
    /// This process has seen the resource.
    known: bool,
    /// The end of the last such request.
    last: Option<Instant>,
}

impl Requests {
    /// The resource is seen. One that has a finalizer when first seen belonged to an earlier process, whose requests
    /// are unknown.
    pub(super) fn seen(&mut self, has_finalizer: bool, now: Instant) {
        if !self.known && has_finalizer {
            self.last = Some(now);
        }
        self.known = true;
    }

    /// A request is sent, or ends without an answer that states its outcome.
    pub(super) fn unanswered(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// When the last of them cannot take effect any more, which is `late_effect` after its end.
    pub(super) fn over_at(&self, late_effect: Duration) -> Option<Instant> {
        self.last.map(|last| last + late_effect)
    }
}

impl Memory {
    /// Notes that the provider has accepted an update for this generation.
    pub(super) fn sent(&mut self, generation: i64, more: &Sent) {
        let before = self.sent.take().filter(|sent| sent.0 == generation);
        let all = before.map_or_else(|| more.clone(), |before| before.1.and(more));
        self.sent = Some(Box::new((generation, all)));
    }

    /// Whether no reconciliation has been over the resource since this process began, and a list is to come first.
    pub(super) fn waits_for_first_list(&self) -> bool {
        self.clock.as_ref().is_some_and(Clock::waits_for_first_list)
    }

    /// When the resource is reconciled next; lists that have shown its service count. `name` is that of its service.
    pub(super) fn next_observation(&self, name: &str, uid: &str) -> Option<Instant> {
        let listed = self.poller.as_ref().and_then(|poller| poller.listed(name, uid));
        self.clock.map(|clock| clock.next_observation(listed).0)
    }

    /// Takes the resource out of its project poll; `name` is that of its service.
    pub(super) fn leave_project_poll(&mut self, name: &str, uid: &str) {
        if let Some(poller) = self.poller.take() {
            poller.leave(name, uid);
        }
    }

    /// The token of the resource has become another one: its project poll is another one, too. `name` is that of its
    /// service.
    pub(super) fn moved(&mut self, name: &str, uid: &str) {
        self.leave_project_poll(name, uid);
        self.edit = None;
    }

    /// Notes that a write led to `object`.
    pub(super) fn wrote(&mut self, object: &impl Resource) {
        self.written = Some((version(object), Instant::now()));
    }

    /// Whether the resource, which is now at this [`edit`], was changed since the last reconciliation. Without a
    /// reconciliation, compares with the last status.
    pub(super) fn is_edited(&self, edit: u64, is_settled: impl FnOnce() -> bool) -> bool {
        self.edit.map_or_else(|| !is_settled(), |known| known != edit)
    }

    /// Whether `version` is older than what this process wrote, which the watch should show within moments.
    pub(super) fn is_ahead_of(&self, version: u64) -> bool {
        self.written.is_some_and(|(written, at)| version < written && at.elapsed() < WATCH_LAG)
    }

    /// Whether the cache may be outdated: a write met another version, or the watch has not shown this process's own
    /// write for long. The watch of a cluster restored from a backup never shows it.
    pub(super) fn doubts(&self, object: &impl Resource) -> bool {
        self.conflicted || self.written.is_some_and(|(written, _)| version(object) < written)
    }
}

impl Memories {
    pub(super) fn recall(&self, uid: &str) -> Memory {
        self.lock().get(uid).map(|memory| (**memory).clone()).unwrap_or_default()
    }

    pub(super) fn keep(&self, uid: &str, memory: Memory) {
        self.lock().insert(uid.into(), Box::new(memory));
    }

    /// Whether the last reconciliation of the resource failed.
    pub(super) fn fails(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|memory| memory.failures > 0 || !memory.refusals.is_empty())
    }

    /// Drops the state of a resource, and removes it from its project poll; `name` is that of its service.
    pub(super) fn forget(&self, uid: &str, name: &str) {
        let memory = self.lock().remove(uid);
        if let Some(mut memory) = memory {
            memory.leave_project_poll(name, uid);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Box<Memory>>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
