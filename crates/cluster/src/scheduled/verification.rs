//! When a backup of a schedule is verified again, and which.
//!
//! Guarantees: one verification of a schedule is asked for at a time, and of the newest good backup; after one that was
//! refuted, the next waits as long as after one that succeeded, so that trouble of the store refutes one and not all.

use crate::backup;

use super::{
    corrected, created,
    retention::{good, is_going, phase},
};
use chrono::{DateTime, Duration, Utc};
use valkeeper_api::{ValkeyBackup, ValkeyScheduledBackup, valkey_scheduled_backup::hours_or_days};

/// The backup that is to be verified now.
pub(super) fn due<'backup>(
    object: &ValkeyScheduledBackup,
    backups: &'backup [ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<&'backup ValkeyBackup> {
    let every = every(object)?;
    let is_due = latest(object, backups, now).is_none_or(|latest| now - latest >= every);
    if !is_due || backups.iter().any(is_asked_for) {
        return None;
    }
    good(backups).into_iter().next()
}

/// When the next verification is due, if one was.
pub(super) fn next(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    latest(object, backups, now)?.checked_add_signed(every(object)?)
}

/// When a verification last had a result, or one that the schedule asked for refuted a backup.
fn latest(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let refuted = |backup: &ValkeyBackup| {
        let verified = backup.status.as_ref()?.verified.as_ref()?;
        verified.at.filter(|_| !verified.succeeded && verified.request.is_some())
    };
    backups.iter().filter_map(refuted).filter(|at| *at <= now).chain(last(object, backups, now)).max()
}

/// When a backup was last verified with success. Retention may have deleted it since. A time that lies ahead was noted by
/// another clock, and counts as now if there is no other.
pub(super) fn last(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let noted = object.status.as_ref().and_then(|status| status.last_verified_at);
    let of = |backup: &ValkeyBackup| {
        let status = backup.status.as_ref()?;
        let verified = status.verified.as_ref().filter(|verified| verified.succeeded)?;
        verified.at.or(status.completed_at)
    };
    let known: Vec<_> = backups.iter().filter_map(of).chain(corrected(noted, now)).collect();
    let past = known.iter().copied().filter(|at| *at <= now).max();
    past.or_else(|| corrected(known.into_iter().min(), now))
}

/// Whether no backup was verified for longer than declared, and a quarter of it: attempts take time. Before the first
/// backup, the schedule is what ages.
pub fn is_late(object: &ValkeyScheduledBackup, now: DateTime<Utc>) -> bool {
    let noted = object.status.as_ref().and_then(|status| status.last_verified_at);
    let (Some(every), Some(since)) = (every(object), noted.or_else(|| created(object))) else { return false };
    now - since > every + every / 4
}

fn every(object: &ValkeyScheduledBackup) -> Option<Duration> {
    hours_or_days(object.spec.verify_every.as_deref()?)
}

/// A verification was asked for and has no result.
fn is_asked_for(backup: &ValkeyBackup) -> bool {
    phase(backup) == "Completed" && !is_going(backup) && backup::is_asked_for(backup)
}
