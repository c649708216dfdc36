//! Verifies a completed backup again, when its annotation asks for it, or when the instance that took it had no room for
//! a second server.
//!
//! ```text
//!   annotation ──▶ assigned to an instance ──▶ asked ──▶ proven or refuted: status.verified
//!                        ▲                       │
//!                        ├── no result: later ───┤
//!   no room ──────▶ assigned to a pod of its own ◀── no room
//! ```
//!
//! Guarantees: what was found before stays until there is another result; the lack of a result, such as a store that does
//! not answer, never makes a good backup a bad one, and one answer that it is not there does neither. The phase stays
//! `Completed`.

use super::{BackupFacts, BackupStep, ObservedBackup, Progress, Proof, decide::chosen, status::has_begun};
use crate::{settings::digest, status::whole, verification_pod};
use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use valkeeper_api::{
    BackupStatus, ValkeyBackup,
    valkey_backup::{VERIFY, VerificationUnderWay},
};

/// After the first attempt without a result; twice as long after each further one.
const FIRST_DELAY: Duration = Duration::seconds(5);
/// Longest time between two attempts.
const LONGEST_DELAY: Duration = Duration::hours(1);

/// A store that lacks a backup for so long, at every attempt that it answers, has lost it.
const LOST: Duration = Duration::hours(3);

/// The request of a backup that was to be verified when it was taken.
const FIRST: &str = "";

/// The request that has no result so far.
fn request(object: &ValkeyBackup) -> Option<&str> {
    let verified = object.status.as_ref().and_then(|status| status.verified.as_ref());
    let answered = verified.and_then(|verified| verified.request.as_deref());
    match annotation(object).filter(|request| answered != Some(*request)) {
        Some(request) => Some(request),
        None if verified.is_none() && waits_for_pod(object) => Some(FIRST),
        None => None,
    }
}

/// What is noted of a verification without a result.
fn known(object: &ValkeyBackup) -> Option<&VerificationUnderWay> {
    object.status.as_ref()?.verification.as_ref()
}

/// What a user or a schedule asks for. An empty text asks for nothing.
pub(super) fn annotation(object: &ValkeyBackup) -> Option<&str> {
    let annotations = object.metadata.annotations.as_ref()?;
    annotations.get(VERIFY).map(String::as_str).filter(|request| !request.is_empty())
}

/// Whether the instance that took the backup had no room to verify it.
fn waits_for_pod(object: &ValkeyBackup) -> bool {
    known(object).is_some_and(|known| known.request == FIRST && known.pod_memory_bytes.is_some())
}

/// Bytes of memory of the pod that verifies it; none if an instance does.
pub fn pod_memory(object: &ValkeyBackup) -> Option<u64> {
    let known = known(object).filter(|known| request(object) == Some(&known.request))?;
    known.pod_memory_bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

/// The pod of its own that a status names, also when its request was withdrawn.
pub fn own_pod(status: &BackupStatus) -> Option<&str> {
    let verification = status.verification.as_ref()?;
    verification.instance.as_deref().filter(|_| verification.pod_memory_bytes.is_some())
}

/// Whether a completed backup is to be verified again.
pub fn is_asked_for(object: &ValkeyBackup) -> bool {
    request(object).is_some()
}

/// The instance that was asked to verify it again, or the pod of its own that does.
pub fn verifier(object: &ValkeyBackup) -> Option<&str> {
    known(object).filter(|known| request(object) == Some(&known.request))?.instance.as_deref()
}

/// By which an instance knows an attempt. An instance that was asked before knows the answer to that attempt alone.
pub fn id(object: &ValkeyBackup) -> String {
    id_of(object, attempts(object))
}

fn id_of(object: &ValkeyBackup, attempt: i32) -> String {
    let uid = object.metadata.uid.clone().unwrap_or_default();
    format!("{uid}-{}-{attempt}", digest(request(object).unwrap_or_default()))
}

/// Attempts at the request so far.
fn attempts(object: &ValkeyBackup) -> i32 {
    known(object).map(|known| known.attempts).unwrap_or_default()
}

/// How long the next attempt waits.
pub fn delay(object: &ValkeyBackup) -> Duration {
    let doublings = attempts(object).clamp(1, 20) - 1;
    (FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
}

/// Decides what to do for a completed backup.
pub(super) fn decide(observed: &ObservedBackup<'_>) -> BackupStep {
    if request(observed.object).is_none() {
        return BackupStep::Rest { soon: false };
    }
    match verifier(observed.object) {
        None if observed.backs_off => BackupStep::Rest { soon: false },
        None => assign(observed),
        Some(instance) => under_way(observed, instance),
    }
}

fn assign(observed: &ObservedBackup<'_>) -> BackupStep {
    let name = &observed.object.spec.cluster_name;
    if let Some(obstacle) = &observed.obstacle {
        return BackupStep::Postpone(obstacle.clone());
    }
    let Some(cluster) = observed.cluster else {
        return BackupStep::Postpone(format!("ValkeyCluster {name}, which verifies it, does not exist."));
    };
    if pod_memory(observed.object).is_some() {
        let attempt = id_of(observed.object, attempts(observed.object).saturating_add(1));
        return BackupStep::AssignVerification(verification_pod::name(name, &attempt));
    }
    match chosen(cluster) {
        Some(instance) => BackupStep::AssignVerification(instance),
        None => BackupStep::Postpone(format!("ValkeyCluster {name} has no server that accepts connections.")),
    }
}

fn under_way(observed: &ObservedBackup<'_>, instance: &str) -> BackupStep {
    let postponed = |why: &str| BackupStep::Postpone(why.to_owned());
    let known = known(observed.object);
    match &observed.progress {
        Progress::Unknown if has_begun(observed, known.is_some_and(|known| known.begun)) => {
            postponed(&format!("{instance} ended while it verified the backup."))
        }
        Progress::Unknown => match &observed.obstacle {
            Some(obstacle) => postponed(obstacle),
            None => BackupStep::BeginVerification,
        },
        Progress::Unasked | Progress::Silent | Progress::Running | Progress::Verifying(_) => {
            BackupStep::Rest { soon: true }
        }
        Progress::Gone => postponed(&format!("{instance} does not answer.")),
        Progress::Failed { message, .. } => postponed(message),
        Progress::Done(facts) => match &facts.verified {
            Some(proof) if !proof.inconclusive || is_lost(observed, proof) => {
                BackupStep::Conclude(proof.clone())
            }
            Some(proof) => postponed(&proof.message),
            None => postponed(&format!("{instance} found nothing out.")),
        },
    }
}

/// Whether the store has lacked it for so long that it is lost.
fn is_lost(observed: &ObservedBackup<'_>, proof: &Proof) -> bool {
    let since = known(observed.object).and_then(|known| known.absent_since);
    proof.absent && since.is_some_and(|since| observed.now - since >= LOST)
}

/// Bytes of memory of the pod that starts a second server, after this look.
pub(super) fn next_pod_memory(observed: &ObservedBackup<'_>, noted: Option<i64>) -> Option<i64> {
    let Progress::Done(BackupFacts { verified: Some(proof), .. }) = &observed.progress else { return noted };
    proof.needs_memory.map(whole).or(noted)
}

/// Since when the store lacks it, after this look. A time that lies ahead was noted by another clock.
pub(super) fn absent_since(
    observed: &ObservedBackup<'_>,
    noted: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let Progress::Done(BackupFacts { verified: Some(proof), .. }) = &observed.progress else { return noted };
    let now = observed.now.trunc_subsecs(0);
    if proof.absent { Some(noted.map_or(now, |noted| noted.min(now))) } else { noted }
}
