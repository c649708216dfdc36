//! The one next step for a backup, and what is to be said.

use super::{
    BackupReport, BackupStep, MOST_ATTEMPTS, ObservedBackup, Progress, Proof, again, is_missed,
    status::has_begun,
};
use crate::names::reason;
use valkeeper_api::{
    BackupStatus, ClusterStatus, ValkeyBackup, names as api_names,
    valkey_backup::{self, EXPIRED, SCHEDULE, VERIFY, VerificationUnderWay},
};
use valkeeper_engine::{Ready, Report, conditions};

/// Decides what to do for a backup.
pub fn decide(observed: &ObservedBackup<'_>) -> (BackupStep, BackupReport) {
    let object = observed.object;
    let status = object.status.clone().unwrap_or_default();
    let has_finalizer = api_names::has_finalizer(&object.metadata);
    if object.metadata.deletion_timestamp.is_some() {
        return deletion(observed, &status, has_finalizer);
    }
    match status.phase.as_deref() {
        Some("Completed") => return (again::decide(observed), completed(object, &status)),
        Some("Failed") => return (BackupStep::Rest { soon: false }, ended(&status)),
        _ => {}
    }
    let (step, report) = take(observed, &status, has_finalizer);
    if has_missed(observed, &status) { missed(observed, &step, &report) } else { (step, report) }
}

/// Whether it belongs to a schedule, and has waited for too long to begin.
fn has_missed(observed: &ObservedBackup<'_>, status: &BackupStatus) -> bool {
    let is_scheduled =
        observed.object.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(SCHEDULE));
    // One that has begun has its own ways to end.
    let waits = match observed.progress {
        Progress::Unasked => true,
        Progress::Unknown | Progress::Gone => !has_begun(observed, status.begun),
        _ => false,
    };
    is_scheduled && waits && is_missed(observed.object, observed.now)
}

fn missed(
    observed: &ObservedBackup<'_>,
    step: &BackupStep,
    report: &BackupReport,
) -> (BackupStep, BackupReport) {
    let waits = matches!(step, BackupStep::Rest { .. }) && !observed.backs_off;
    let why = if waits { &report.message } else { "No instance began it." };
    let message =
        format!("Cannot begin the backup within an hour: {why} The schedule goes on with the next one.");
    (BackupStep::Rest { soon: false }, stuck("Failed", reason::BACKUP_FAILED, message))
}

/// Decides what to do for a backup that is to be taken.
fn take(
    observed: &ObservedBackup<'_>,
    status: &BackupStatus,
    has_finalizer: bool,
) -> (BackupStep, BackupReport) {
    let object = observed.object;
    let violations = valkey_backup::violations(object);
    if !violations.is_empty() {
        let message = Report::invalid_spec(&violations).message;
        return (BackupStep::Rest { soon: false }, stuck("Pending", reason::INVALID_SPEC, message));
    }
    if !has_finalizer {
        return (BackupStep::AddFinalizer, pending("Preparing the backup.".to_owned()));
    }
    match status.instance.clone() {
        Some(instance) => under_way(observed, status, &instance),
        None => assign(observed, status),
    }
}

fn deletion(
    observed: &ObservedBackup<'_>,
    status: &BackupStatus,
    has_finalizer: bool,
) -> (BackupStep, BackupReport) {
    let object = observed.object;
    if !has_finalizer {
        return (
            BackupStep::Rest { soon: false },
            progressing("Deleting", "Deleting the backup.".to_owned()),
        );
    }
    let erases = status.key.is_some() && erases(object);
    if !(erases || may_leave_parts(status)) || observed.erased {
        return (BackupStep::ReleaseFinalizer, progressing("Deleting", "Deleting the backup.".to_owned()));
    }
    if matches!(observed.progress, Progress::Running | Progress::Verifying(_) | Progress::Silent) {
        // What it stores afterwards would stay for ever, and one lost answer does not mean that it has ended.
        let message = "Waiting for the attempt under way to end before what it stored is deleted.".to_owned();
        return (BackupStep::Rest { soon: true }, progressing("Deleting", message));
    }
    if let Some(obstacle) = &observed.obstacle {
        if !erases {
            // Nobody asked for a deletion of data, which nothing may block for the sake of parts of an upload.
            return (BackupStep::ReleaseFinalizer, progressing("Deleting", obstacle.clone()));
        }
        let message = format!(
            "Cannot delete what is stored: {obstacle} To leave it there, set spec.deletionPolicy: Retain."
        );
        return (
            BackupStep::Rest { soon: true },
            stuck("Deleting", reason::DESTINATION_UNAVAILABLE, message),
        );
    }
    if erases {
        return (BackupStep::Erase, progressing("Deleting", "Deleting what is stored.".to_owned()));
    }
    let message = "Aborting uploads that were cut off.".to_owned();
    (BackupStep::AbortUploads, progressing("Deleting", message))
}

/// Whether what is stored goes with the resource.
fn erases(object: &ValkeyBackup) -> bool {
    let annotations = object.metadata.annotations.as_ref();
    let expired = annotations.is_some_and(|annotations| annotations.contains_key(EXPIRED));
    object.spec.deletion_policy == "Delete" || expired
}

/// Whether an attempt was begun that may have left parts of an upload: it did not succeed, or another one did.
fn may_leave_parts(status: &BackupStatus) -> bool {
    let completed = status.phase.as_deref() == Some("Completed");
    status.key.is_some() && (!completed || status.attempts.is_some_and(|attempts| attempts > 1))
}

/// Chooses who sends its data: a replica that is in sync, the highest first; without one, the primary.
fn assign(observed: &ObservedBackup<'_>, status: &BackupStatus) -> (BackupStep, BackupReport) {
    let name = &observed.object.spec.cluster_name;
    if let Some(obstacle) = &observed.obstacle {
        return (
            BackupStep::Rest { soon: true },
            stuck("Pending", reason::DESTINATION_UNAVAILABLE, obstacle.clone()),
        );
    }
    let Some(cluster) = observed.cluster else {
        let message =
            format!("ValkeyCluster {name} does not exist. Correct spec.clusterName of another backup.");
        return (BackupStep::Rest { soon: true }, stuck("Pending", reason::CLUSTER_MISSING, message));
    };
    if observed.backs_off {
        let attempts = status.attempts.unwrap_or_default();
        let message =
            format!("Attempt {attempts} of {MOST_ATTEMPTS} failed. The operator retries automatically.");
        return (BackupStep::Rest { soon: true }, pending(message));
    }
    if let Some(instance) = chosen(cluster) {
        let report = progressing("Running", format!("Backing up {instance}."));
        return (BackupStep::Assign(instance), report);
    }
    let message = format!("Waiting for a server of ValkeyCluster {name} that accepts connections.");
    (BackupStep::Rest { soon: true }, pending(message))
}

pub(super) fn chosen(cluster: &ClusterStatus) -> Option<String> {
    let synced =
        cluster.instances.iter().rev().find(|instance| instance.role == "Replica" && instance.synced);
    synced.map(|instance| instance.name.clone()).or_else(|| cluster.current_primary.clone())
}

fn under_way(
    observed: &ObservedBackup<'_>,
    status: &BackupStatus,
    instance: &str,
) -> (BackupStep, BackupReport) {
    let rest = BackupStep::Rest { soon: true };
    let backing_up = || progressing("Running", format!("Backing up {instance}."));
    match &observed.progress {
        Progress::Unknown if has_begun(observed, status.begun) => {
            retry(status, &format!("{instance} ended while it took the backup"), true)
        }
        Progress::Unknown if observed.obstacle.is_some() => (BackupStep::Unassign, backing_up()),
        Progress::Unknown => (BackupStep::Begin, backing_up()),
        Progress::Unasked | Progress::Silent | Progress::Running => (rest, backing_up()),
        Progress::Verifying(_) => {
            (rest, progressing("Verifying", format!("A second server in {instance} reads the backup.")))
        }
        Progress::Done(facts) => {
            let waits_for_pod = facts.verified.as_ref().is_some_and(|proof| proof.needs_memory.is_some());
            (BackupStep::Rest { soon: waits_for_pod }, done(facts.verified.as_ref(), facts.bytes))
        }
        Progress::Gone => retry(status, &format!("{instance} does not answer"), true),
        Progress::Failed { passing, message } => retry(status, message, *passing),
    }
}

fn retry(status: &BackupStatus, why: &str, passing: bool) -> (BackupStep, BackupReport) {
    let attempts = status.attempts.unwrap_or_default();
    let why = why.trim_end_matches('.');
    if passing && attempts < MOST_ATTEMPTS {
        let message = format!(
            "Attempt {attempts} of {MOST_ATTEMPTS} failed: {why}. The operator retries automatically."
        );
        return (BackupStep::Unassign, BackupReport { reason: reason::BACKUP_RETRIED, ..pending(message) });
    }
    let message =
        format!("Cannot take the backup: {why}. Correct the cause and create another ValkeyBackup.");
    (BackupStep::Rest { soon: false }, stuck("Failed", reason::BACKUP_FAILED, message))
}

fn completed(object: &ValkeyBackup, status: &BackupStatus) -> BackupReport {
    let verified = status.verified.as_ref().map(|verified| Proof {
        succeeded: verified.succeeded,
        inconclusive: false,
        message: verified.message.clone(),
        ..Proof::default()
    });
    if verified.is_none() && object.spec.verify {
        if let Some(known) = status.verification.as_ref().filter(|known| known.pod_memory_bytes.is_some()) {
            return in_own_pod(known);
        }
        // The first verification found nothing out. Why stays in the condition.
        let known = conditions::reason_of_ready(&status.conditions) == Some(reason::VERIFICATION_POSTPONED);
        let message = if known { said(status) } else { unverified("It is not verified.").message };
        return BackupReport { message, ..unverified("") };
    }
    let bytes = status.size_bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
    done(verified.as_ref(), bytes)
}

fn done(verified: Option<&Proof>, bytes: u64) -> BackupReport {
    match verified {
        Some(Proof { needs_memory: Some(_), .. }) => in_own_pod(&VerificationUnderWay::default()),
        Some(Proof { inconclusive: true, message, .. }) => unverified(message),
        Some(Proof { succeeded: false, message, .. }) => {
            stuck("Completed", reason::VERIFICATION_FAILED, message.clone())
        }
        Some(Proof { message, .. }) => BackupReport { message: message.clone(), ..stored(bytes) },
        None => stored(bytes),
    }
}

fn stored(bytes: u64) -> BackupReport {
    let message = format!("The backup is stored: {bytes} bytes of data.");
    BackupReport { ready: Ready::Yes, phase: "Completed", reason: reason::BACKUP_COMPLETED, message }
}

/// Stored, and the first verification found nothing out.
fn unverified(why: &str) -> BackupReport {
    let message = format!("The backup is stored. {why} To retry, set annotation {VERIFY} to a new value.");
    stuck("Completed", reason::VERIFICATION_POSTPONED, message)
}

/// Stored, and the first verification goes on in a pod of its own.
fn in_own_pod(known: &VerificationUnderWay) -> BackupReport {
    let (reason, message) = match &known.message {
        // It stays until there is a result, so that attempts are no news.
        Some(why) => (
            reason::VERIFICATION_POSTPONED,
            format!("The backup is stored. {why} The operator retries automatically."),
        ),
        None => (
            reason::VERIFYING,
            "The backup is stored. A pod of its own verifies it, because no instance has room for a second server."
                .to_owned(),
        ),
    };
    BackupReport { ready: Ready::Progressing, phase: "Completed", reason, message }
}

/// What was said when it failed stays.
fn ended(status: &BackupStatus) -> BackupReport {
    stuck("Failed", reason::BACKUP_FAILED, said(status))
}

/// What its condition says.
fn said(status: &BackupStatus) -> String {
    let said = conditions::find(&status.conditions, api_names::condition::READY);
    said.map(|condition| condition.message.clone()).unwrap_or_default()
}

fn pending(message: String) -> BackupReport {
    BackupReport { ready: Ready::Progressing, phase: "Pending", reason: reason::BACKUP_PENDING, message }
}

fn progressing(phase: &'static str, message: String) -> BackupReport {
    let reason = match phase {
        "Deleting" => reason::DELETING,
        "Verifying" => reason::VERIFYING,
        _ => reason::BACKING_UP,
    };
    BackupReport { ready: Ready::Progressing, phase, reason, message }
}

fn stuck(phase: &'static str, reason: &'static str, message: String) -> BackupReport {
    BackupReport { ready: Ready::Stuck, phase, reason, message }
}
