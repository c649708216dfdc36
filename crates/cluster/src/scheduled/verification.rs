//! When a backup of a schedule is verified again, and which.
//!
//! Guarantees: one verification of a schedule is asked for at a time, and of the newest good backup; one without a result
//! for hours does not hold up that of a newer backup; after a backup was refuted, the next verification waits as long as
//! after a success, so that trouble of the store refutes one backup and not all.

use crate::backup;

use super::{
    ScheduledStep, corrected, created,
    retention::{good, is_going, phase},
};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use valkeeper_api::{
    ValkeyBackup, ValkeyScheduledBackup, valkey_backup::VERIFY, valkey_scheduled_backup::hours_or_days,
};

/// Attempts without a result after which a request no longer holds up that for a newer backup: some six hours.
const HOPELESS: i32 = 15;

/// Asks for the verification that is due, or withdraws one that stands in its way and has no result.
pub(super) fn step(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<ScheduledStep> {
    let every = every(object)?;
    let is_due = latest(object, backups, now).is_none_or(|latest| now - latest >= every);
    let newest = good(backups).into_iter().next()?;
    let name = |backup: &ValkeyBackup| backup.metadata.name.clone().unwrap_or_default();
    let is_newest = |backup: &ValkeyBackup| backup.metadata.name == newest.metadata.name;
    let mut asked = backups.iter().filter(|backup| is_asked_for(backup));
    if !is_due || asked.clone().any(|asked| is_newest(asked) || !is_hopeless(asked)) {
        return None;
    }
    if let Some(own) = asked.find(|backup| is_own(backup)) {
        return Some(ScheduledStep::Withdraw(name(own)));
    }
    Some(ScheduledStep::Verify(name(newest), now.to_rfc3339_opts(SecondsFormat::Secs, true)))
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

/// So many attempts had no result, over hours, that there may never be one: such as without the Secret of an old key.
fn is_hopeless(backup: &ValkeyBackup) -> bool {
    let verification = backup.status.as_ref().and_then(|status| status.verification.as_ref());
    verification.is_some_and(|known| known.instance.is_none() && known.attempts >= HOPELESS)
}

/// Whether a schedule asked, and not a user: its requests are times.
fn is_own(backup: &ValkeyBackup) -> bool {
    let request = backup.metadata.annotations.as_ref().and_then(|annotations| annotations.get(VERIFY));
    request.is_some_and(|request| DateTime::parse_from_rfc3339(request).is_ok())
}
