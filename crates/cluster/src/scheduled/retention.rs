//! Which backups of a schedule are good, and which of them nothing keeps.
//!
//! Guarantees: the newest good backup is kept, whatever its age; without one, the newest that is stored; so is one that is
//! under way.

use super::LATEST;
use crate::{backup, times::utc};
use chrono::{DateTime, Duration, Utc};
use valkeeper_api::{
    ValkeyBackup,
    valkey_scheduled_backup::{Retention, hours_or_days},
};

/// How many failed backups of a schedule are kept to be looked at.
const FAILURES_KEPT: usize = 3;

pub(super) fn phase(backup: &ValkeyBackup) -> &str {
    backup.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Neither ended nor given up: one that cannot begin, or cannot be deleted, holds up no other for ever.
pub(super) fn is_under_way(backup: &ValkeyBackup, now: DateTime<Utc>) -> bool {
    let going = backup.metadata.deletion_timestamp.as_ref().and_then(utc);
    !["Completed", "Failed"].contains(&phase(backup))
        && !backup::is_missed(backup, now)
        && going.is_none_or(|since| now - since <= LATEST)
}

pub(super) fn is_marked(backup: &ValkeyBackup) -> bool {
    let annotations = backup.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(valkeeper_api::valkey_backup::EXPIRED))
}

/// Stored, and going to stay.
pub(super) fn is_stored(backup: &ValkeyBackup) -> bool {
    phase(backup) == "Completed" && !is_going(backup)
}

/// Stored, and no verification of it failed.
pub(super) fn is_good(backup: &ValkeyBackup) -> bool {
    let verified = backup.status.as_ref().and_then(|status| status.verified.as_ref());
    is_stored(backup) && verified.is_none_or(|verified| verified.succeeded)
}

pub(super) fn completed(backup: &ValkeyBackup) -> DateTime<Utc> {
    backup.status.as_ref().and_then(|status| status.completed_at).unwrap_or_default()
}

/// Good backups, the newest first; one that is being deleted is none.
pub(super) fn good(backups: &[ValkeyBackup]) -> Vec<&ValkeyBackup> {
    newest_first(backups, is_good)
}

pub(super) fn newest_first(
    backups: &[ValkeyBackup],
    are: impl Fn(&ValkeyBackup) -> bool,
) -> Vec<&ValkeyBackup> {
    let mut found: Vec<_> = backups.iter().filter(|backup| are(backup)).collect();
    found.sort_by_key(|backup| std::cmp::Reverse((completed(backup), backup.metadata.name.clone())));
    found
}

/// A backup that nothing keeps; one that was marked goes on to be deleted.
pub(super) fn expired<'backup>(
    retention: Option<&Retention>,
    backups: &'backup [ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<&'backup ValkeyBackup> {
    let retention = retention?;
    let (good, unproven) =
        (good(backups), newest_first(backups, |backup| is_stored(backup) && !is_good(backup)));
    // Those of which no server has read the data may be all there is. They take the place of none that is good.
    let protected = usize::from(good.is_empty());
    let ranked = good.iter().enumerate().skip(1).chain(unproven.iter().enumerate().skip(protected));
    let old = ranked
        .filter(|(rank, backup)| !is_kept(retention, *rank, completed(backup), now))
        .map(|(_, backup)| *backup)
        .next();
    let mut failed: Vec<_> = backups.iter().filter(|backup| phase(backup) == "Failed").collect();
    failed.sort_by_key(|backup| std::cmp::Reverse(backup.metadata.name.clone()));
    old.or_else(|| failed.into_iter().skip(FAILURES_KEPT).find(|backup| !is_going(backup)))
}

pub(super) fn is_going(backup: &ValkeyBackup) -> bool {
    backup.metadata.deletion_timestamp.is_some()
}

/// Whether either field keeps it. Without any field, nothing is deleted.
fn is_kept(retention: &Retention, rank: usize, completed: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let by_number = retention.keep_last.map(|keep| rank < usize::try_from(keep).unwrap_or(usize::MAX));
    let by_age = keep_for(retention).map(|keep| now - completed < keep);
    match (by_number, by_age) {
        (None, None) => true,
        (number, age) => number.unwrap_or(false) || age.unwrap_or(false),
    }
}

pub(super) fn keep_for(retention: &Retention) -> Option<Duration> {
    hours_or_days(retention.keep_for.as_deref()?)
}

/// When the next backup becomes too old.
pub(super) fn expiry(
    retention: Option<&Retention>,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let keep = keep_for(retention?)?;
    good(backups).into_iter().skip(1).map(|backup| completed(backup) + keep).filter(|at| *at > now).min()
}
