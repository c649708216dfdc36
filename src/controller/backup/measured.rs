//! What reconciliations of backups and schedules report to the metrics.

use super::super::valkey_cluster::now;
use crate::telemetry::{backups::Schedule, metrics::Metrics};
use valkeeper_api::{
    BackupStatus, Custom as _, ValkeyScheduledBackup, names::condition, valkey_backup::VerificationUnderWay,
};
use valkeeper_cluster::{names::reason, scheduled};
use valkeeper_engine::conditions;

/// The status of a backup has become `next`.
pub(super) fn backup(metrics: &Metrics, before: Option<&BackupStatus>, next: &BackupStatus) {
    let phase = |status: &BackupStatus| status.phase.clone();
    let is_news = before.and_then(phase) != next.phase;
    match next.phase.as_deref() {
        Some("Completed") if is_news => {
            let times = next.started_at.zip(next.completed_at);
            let took = times.map_or(0.0, |(begun, ended)| (ended - begun).as_seconds_f64());
            #[expect(clippy::cast_precision_loss, reason = "a histogram needs no more")]
            metrics.backups().completed(took.max(0.0), next.size_bytes.unwrap_or_default() as f64);
        }
        Some("Failed") if is_news => metrics.backups().failed(),
        _ => {}
    }
    let is_unverified = conditions::reason_of_ready(&next.conditions) == Some(reason::VERIFICATION_POSTPONED);
    if is_news && is_unverified {
        metrics.backups().verified(None);
    }
    let before_verified = before.and_then(|before| before.verified.as_ref());
    if let Some(verified) = next.verified.as_ref().filter(|verified| Some(*verified) != before_verified) {
        metrics.backups().verified(Some(verified.succeeded));
    }
    if is_postponed(before, next) {
        metrics.backups().verified(None);
    }
}

/// Whether an attempt to verify has ended without a result. One that goes on in a pod of its own has not.
pub(super) fn is_postponed(before: Option<&BackupStatus>, next: &BackupStatus) -> bool {
    let before = before.and_then(|before| before.verification.as_ref());
    let in_pod = |known: &VerificationUnderWay| known.pod_memory_bytes.is_some();
    next.verification.as_ref().is_some_and(|next| {
        next.instance.is_none() && before != Some(next) && (!in_pod(next) || before.is_some_and(in_pod))
    })
}

/// What a schedule says.
pub(super) fn schedule(object: &ValkeyScheduledBackup) -> Schedule {
    let fresh = conditions::find(object.conditions(), condition::BACKUP_FRESH);
    let status = object.status.as_ref();
    Schedule {
        overdue: fresh.is_some_and(|fresh| fresh.status == "False"),
        unverified: !object.spec.suspend && scheduled::verification_is_late(object, now()),
        last_success: status.and_then(|status| status.last_successful_at),
        last_verified: status.and_then(|status| status.last_verified_at),
    }
}
