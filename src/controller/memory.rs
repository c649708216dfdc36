//! What this process remembers of each resource between passes. Nothing here is needed for
//! correctness: after a restart it is empty, and the only cost is a look too many.

use super::survey::Survey;
use crate::{
    api::{
        ManagedService,
        names::{self, condition},
    },
    cluster::version,
    engine::ServicePatch,
};
use kube::{Resource, ResourceExt};
use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::time::{Duration, Instant};

/// How long a watch may be behind before the API server itself is asked.
const WATCH_LAG: Duration = Duration::from_secs(3);

/// Memories by the identity of the resource.
#[derive(Default)]
pub(super) struct Memories(Mutex<HashMap<Box<str>, Box<Memory>>>);

/// What is remembered of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Failures in a row.
    pub(super) failures: u32,
    /// The last pass ended because the object had changed since it was cached.
    pub(super) conflicted: bool,
    /// No pass before this time, unless somebody edits the resource.
    pub(super) not_before: Option<Instant>,
    /// The edit that the last pass saw.
    pub(super) edit: Option<u64>,
    /// The version that the last write of this process led to, and when that was.
    pub(super) written: Option<(u64, Instant)>,
    /// Since when the provider has been building.
    pub(super) building_since: Option<Instant>,
    /// Until when a reported `RUNNING` may be from before the last change.
    pub(super) settles_at: Option<Instant>,
    /// The update that was sent last, and for which generation, until a look shows its effect.
    pub(super) sent: Option<Box<(i64, ServicePatch)>>,
    /// Since when every answer has said that there is no service.
    pub(super) absent_since: Option<Instant>,
    /// When the deletion was last requested and accepted.
    pub(super) deletion_requested: Option<Instant>,
    /// The passing failure that was last told in an event.
    pub(super) told: Option<&'static str>,
    /// The survey in which the resource takes part.
    pub(super) survey: Option<Arc<Survey>>,
}

impl Memory {
    /// Notes an answer that there is no service.
    pub(super) fn saw_nothing(&mut self) {
        self.absent_since.get_or_insert_with(Instant::now);
    }

    /// Notes that a write led to `object`.
    pub(super) fn wrote(&mut self, object: &impl Resource) {
        self.written = Some((version(object), Instant::now()));
    }

    /// Whether somebody changed the resource, which is now at this [`edit`], since the last pass; where there
    /// was none, since the last status.
    pub(super) fn is_edited(&self, edit: u64, is_settled: impl FnOnce() -> bool) -> bool {
        self.edit.map_or_else(|| !is_settled(), |known| known != edit)
    }

    /// Whether `version` is older than what this process wrote, which the watch should show within moments.
    pub(super) fn is_ahead_of(&self, version: u64) -> bool {
        self.written.is_some_and(|(written, at)| version < written && at.elapsed() < WATCH_LAG)
    }

    /// Whether the cache cannot be believed: a write met another version, or the watch has not shown this
    /// process's own write for long. One of a cluster restored from a backup never will.
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

    /// Whether the last pass over the resource failed.
    pub(super) fn fails(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|memory| memory.failures > 0)
    }

    /// Forgets a resource, and takes it out of its survey; `name` is that of its service.
    pub(super) fn forget(&self, uid: &str, name: &str) {
        let memory = self.lock().remove(uid);
        if let Some(survey) = memory.and_then(|memory| memory.survey) {
            survey.leave(name, uid);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Box<Memory>>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that changes when somebody edits the resource, but not when this program writes its status
/// or its bookkeeping annotations.
pub(super) fn edit(object: &impl Resource) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    for annotation in object.annotations() {
        let bookkeeping = [
            names::GENERATION_PROCESSED,
            names::INSTANCE_RUNNING,
            names::SERVICE_SETTLED,
            names::TOKEN_SECRET,
            names::DECLARED_FIELDS,
        ];
        if !bookkeeping.contains(&annotation.0.as_str()) {
            annotation.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Whether the status says that everything this version of the resource asks for was done.
pub(super) fn is_settled<K: ManagedService>(object: &K) -> bool {
    let meta = object.meta();
    let Some(status) = object.status() else { return false };
    let ready =
        status.conditions.iter().any(|entry| entry.type_ == condition::READY && entry.status == "True");
    ready
        && status.observed_generation == meta.generation
        && meta.deletion_timestamp.is_none()
        && names::has_finalizer(meta)
        && object.annotations().get(names::RECONCILE_AT) == status.last_handled_reconcile_at.as_ref()
}
