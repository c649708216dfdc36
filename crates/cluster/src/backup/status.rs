//! The status of a backup after a look.

use super::{BackupFacts, BackupReport, BackupStep, ObservedBackup, Progress, Proof, again, key};
use crate::status::{plain_conditions, whole};
use chrono::SubsecRound as _;
use valkeeper_api::{
    BackupStatus,
    valkey_backup::{BackupVerification, VerificationUnderWay},
};
use valkeeper_engine::conditions::short;

/// The status after this look, with what `step` notes in it.
pub fn next(observed: &ObservedBackup<'_>, step: &BackupStep, report: &BackupReport) -> BackupStatus {
    let object = observed.object;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let conditions = plain_conditions(
        &before.conditions,
        (report.ready, report.reason, &report.message),
        generation,
        observed.now,
    );
    let deleting = object.metadata.deletion_timestamp.is_some();
    let phase = if deleting { before.phase.clone() } else { Some(report.phase.to_owned()) };
    let has_ended = before.phase.as_deref() == Some("Completed");
    let mut next = BackupStatus { phase, observed_generation: Some(generation), conditions, ..before };
    if let Progress::Done(facts) | Progress::Verifying(facts) = &observed.progress
        && !deleting
        && !has_ended
    {
        note(&mut next, facts);
        // What found nothing out is no result.
        let proof = facts.verified.as_ref().filter(|proof| !proof.inconclusive);
        next.verified = proof.map(|proof| verification(proof, observed, None));
        let pod_memory_bytes = again::next_pod_memory(observed, None);
        next.verification =
            pod_memory_bytes.map(|_| VerificationUnderWay { pod_memory_bytes, ..Default::default() });
    }
    let ends = matches!(next.phase.as_deref(), Some("Completed" | "Failed"));
    next.begun = !ends && has_begun(observed, next.begun);
    match step {
        BackupStep::Assign(instance) => {
            next.instance = Some(instance.clone());
            next.cluster_uid.clone_from(&observed.cluster_uid);
            next.key = Some(key(object));
            next.attempts = Some(next.attempts.unwrap_or_default().saturating_add(1));
            next.begun = false;
        }
        BackupStep::Unassign => next.instance = None,
        _ => note_again(&mut next, observed, step),
    }
    next
}

/// Whether an instance has begun the attempt under way. It may die of it before it was asked how far it is.
pub(super) fn has_begun(observed: &ObservedBackup<'_>, noted: bool) -> bool {
    let has_answered =
        matches!(observed.progress, Progress::Running | Progress::Verifying(_) | Progress::Failed { .. });
    noted || observed.begun || has_answered
}

/// What is noted of another verification.
fn note_again(next: &mut BackupStatus, observed: &ObservedBackup<'_>, step: &BackupStep) {
    let request = again::annotation(observed.object).unwrap_or_default().to_owned();
    let known = next.verification.take_if(|known| known.request == request).unwrap_or_default();
    let attempts = known.attempts;
    next.verification = match step {
        BackupStep::AssignVerification(instance) => Some(VerificationUnderWay {
            request,
            instance: Some(instance.clone()),
            attempts: attempts.saturating_add(1),
            begun: false,
            ..known
        }),
        BackupStep::Postpone(why) => {
            let pod_memory_bytes = again::next_pod_memory(observed, known.pod_memory_bytes);
            // It goes on in a pod of its own.
            let goes_on = pod_memory_bytes.is_some() && known.pod_memory_bytes.is_none();
            Some(VerificationUnderWay {
                request,
                // Without an instance, none was begun; it counts as an attempt all the same, so that the next one waits longer.
                attempts: if known.instance.is_some() { attempts } else { attempts.saturating_add(1) },
                instance: None,
                begun: false,
                absent_since: again::absent_since(observed, known.absent_since),
                pod_memory_bytes,
                message: if goes_on { known.message } else { Some(short(why.clone())) },
            })
        }
        BackupStep::Conclude(proof) => {
            next.verified =
                Some(verification(proof, observed, Some(request).filter(|text| !text.is_empty())));
            None
        }
        _ => Some(known).filter(|known| *known != VerificationUnderWay::default()).map(|known| {
            let begun = known.instance.is_some() && has_begun(observed, known.begun);
            VerificationUnderWay { begun, ..known }
        }),
    };
}

fn verification(proof: &Proof, observed: &ObservedBackup<'_>, request: Option<String>) -> BackupVerification {
    BackupVerification {
        succeeded: proof.succeeded,
        message: proof.message.clone(),
        at: Some(observed.now.trunc_subsecs(0)),
        request,
    }
}

fn note(status: &mut BackupStatus, facts: &BackupFacts) {
    status.started_at = Some(facts.started_at);
    status.completed_at = Some(facts.completed_at);
    status.size_bytes = Some(whole(facts.bytes));
    status.stored_bytes = Some(whole(facts.stored_bytes));
    status.keys = facts.keys.map(whole);
    status.replication_id = Some(facts.replication_id.clone());
    status.replication_offset = Some(whole(facts.replication_offset));
    status.sha256 = Some(facts.sha256.clone());
    status.server_version = Some(facts.server_version.clone());
}
