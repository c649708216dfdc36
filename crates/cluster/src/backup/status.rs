//! The status of a backup after a look.

use super::{BackupFacts, BackupReport, BackupStep, ObservedBackup, Progress, key};
use crate::status::{plain_conditions, whole};
use valkeeper_api::{BackupStatus, valkey_backup::BackupVerification};

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
    let mut next = BackupStatus { phase, observed_generation: Some(generation), conditions, ..before };
    if let Progress::Done(facts) | Progress::Verifying(facts) = &observed.progress
        && !deleting
    {
        note(&mut next, facts);
    }
    match step {
        BackupStep::Assign(instance) => {
            next.instance = Some(instance.clone());
            next.key = Some(key(object));
            next.attempts = Some(next.attempts.unwrap_or_default().saturating_add(1));
        }
        BackupStep::Unassign => next.instance = None,
        _ => {}
    }
    next
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
    status.verified =
        facts.verified.clone().map(|(succeeded, message)| BackupVerification { succeeded, message });
}
