//! Backups of clusters: what to do for a `ValkeyBackup`. Pure.
//!
//! ```text
//!   Pending ──assigned to an instance──▶ Running ──▶ Verifying ──▶ Completed
//!      ▲                                    │
//!      └── instance gone, or may pass ──────┴── cannot succeed ──▶ Failed
//! ```
//!
//! Guarantees: the instance is in the status before it is asked, so that a restarted operator asks the same one;
//! what is stored is deleted only if the resource, or retention, says so, and before the resource is gone.

mod again;
mod decide;
mod status;
#[cfg(test)]
mod tests;

pub use again::{
    delay as verification_delay, id as verification_id, is_asked_for, own_pod, pod_memory, verifier,
};
pub use decide::decide;
pub use status::next as next_status;

use crate::times::utc;
use chrono::{DateTime, Duration, Utc};
use valkeeper_api::{ClusterStatus, ValkeyBackup, names::condition};
use valkeeper_engine::{Ready, conditions};

/// Attempts until a backup that fails has failed.
pub const MOST_ATTEMPTS: i32 = 5;

/// A backup of a schedule that has not begun for longer has missed its time. The schedule goes on with the next one.
const BEGINS_WITHIN: Duration = Duration::hours(1);

/// Whether a backup has waited so long to begin that its time is missed: since it was created, or, after an attempt,
/// since it is stalled.
pub fn is_missed(object: &ValkeyBackup, now: DateTime<Utc>) -> bool {
    let status = object.status.clone().unwrap_or_default();
    let stalled = conditions::find(&status.conditions, condition::STALLED);
    let since = if status.begun || status.attempts > Some(1) {
        stalled.map(|stalled| &stalled.last_transition_time)
    } else {
        object.metadata.creation_timestamp.as_ref()
    };
    let since = since.and_then(utc);
    let has_ended = matches!(status.phase.as_deref(), Some("Completed" | "Failed"));
    !has_ended && since.is_some_and(|since| now - since > BEGINS_WITHIN)
}

/// What can be seen of a backup.
#[derive(Clone, Debug)]
pub struct ObservedBackup<'object> {
    /// The resource.
    pub object: &'object ValkeyBackup,
    /// The status of its cluster; none if there is no such cluster, or it is being deleted.
    pub cluster: Option<&'object ClusterStatus>,
    /// UID of that cluster.
    pub cluster_uid: Option<String>,
    /// Why the destination cannot be used: its Secret is missing, or has no such keys.
    pub obstacle: Option<String>,
    /// What the instance in the status said, or the pod of its own.
    pub progress: Progress,
    /// The instance in the status has begun the attempt under way, as this process remembers.
    pub begun: bool,
    /// The last attempt ended so recently that the next one waits.
    pub backs_off: bool,
    /// What was stored, or what attempts have left, is known to be deleted.
    pub erased: bool,
    /// Now, on the wall clock.
    pub now: DateTime<Utc>,
}

/// What an instance said about a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// None was asked.
    #[default]
    Unasked,
    /// It did not answer for so long that it counts as gone, or it is gone.
    Gone,
    /// It did not answer this time.
    Silent,
    /// It knows nothing of it.
    Unknown,
    /// The data is on its way.
    Running,
    /// The data is stored, and a second server reads it.
    Verifying(BackupFacts),
    /// All is done.
    Done(BackupFacts),
    /// There is no backup.
    Failed {
        /// It may succeed at another time.
        passing: bool,
        /// For people.
        message: String,
    },
}

/// What is known of a backup that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupFacts {
    /// When the server began to send.
    pub started_at: DateTime<Utc>,
    /// When all was stored.
    pub completed_at: DateTime<Utc>,
    /// Bytes of data.
    pub bytes: u64,
    /// Bytes that are stored.
    pub stored_bytes: u64,
    /// Keys, if they were counted.
    pub keys: Option<u64>,
    /// Name of the history.
    pub replication_id: String,
    /// Position in it.
    pub replication_offset: u64,
    /// Checksum.
    pub sha256: String,
    /// Version of the server.
    pub server_version: String,
    /// What a second server found.
    pub verified: Option<Proof>,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Whether a server read everything, and has the keys that were counted in the stream.
    pub succeeded: bool,
    /// Nothing was found out: there was no room for a second server, or the store did not answer.
    pub inconclusive: bool,
    /// The store answered that it lacks the backup. Seen once, that is inconclusive.
    pub absent: bool,
    /// There was no room for a second server. In a pod of its own, it needs so many bytes of memory.
    pub needs_memory: Option<u64>,
    /// For people.
    pub message: String,
}

/// What can be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// Put the finalizer on the resource.
    AddFinalizer,
    /// Take it off.
    ReleaseFinalizer,
    /// Note this instance in the status, for another attempt.
    Assign(String),
    /// Ask the instance in the status to begin.
    Begin,
    /// Delete what is stored.
    Erase,
    /// Abort the uploads that attempts have left; what is stored stays.
    AbortUploads,
    /// Note in the status that the attempt has ended.
    Unassign,
    /// Note this instance, or this pod of its own, in the status, for another verification.
    AssignVerification(String),
    /// Ask the instance in the status for another verification, or create the pod.
    BeginVerification,
    /// Note in the status what it found.
    Conclude(Proof),
    /// Note in the status that an attempt to verify had no result, and why.
    Postpone(String),
    /// Nothing now; look again soon, or when something changes.
    Rest {
        /// Something is under way.
        soon: bool,
    },
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Whether the backup is there, as asked for.
    pub ready: Ready,
    /// Phase in one word.
    pub phase: &'static str,
    /// One of the reasons in [`names::reason`](crate::names::reason).
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// By which an instance knows the attempt under way. It keeps the answer to the attempt before.
pub fn attempt_id(object: &ValkeyBackup) -> String {
    let attempts = object.status.as_ref().and_then(|status| status.attempts).unwrap_or_default();
    format!("{}-{attempts}", object.metadata.uid.clone().unwrap_or_default())
}

/// The key of a backup: below it is all that belongs to it.
pub fn key(object: &ValkeyBackup) -> String {
    let metadata = &object.metadata;
    let uid: String = metadata.uid.iter().flat_map(|uid| uid.chars()).take(8).collect();
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}/{}-{uid}", part(&metadata.namespace), object.spec.cluster_name, part(&metadata.name))
}
