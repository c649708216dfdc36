//! Whether the backup that was last due is stored: the condition `BackupFresh` of a schedule, and of its cluster.
//!
//! A time counts an hour after it was due, and not while a backup is under way.

use super::{
    LATEST, created,
    retention::{completed, good, is_under_way},
};
use crate::{names::reason, status::Statement};
use chrono::{DateTime, Duration, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use valkeeper_api::{
    ValkeyBackup, ValkeyScheduledBackup, names::condition, valkey_scheduled_backup::Schedule,
};
use valkeeper_engine::conditions;

/// Whether there is a recent backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Whether the backup of this schedule that was last due is stored.
pub(super) fn of(
    object: &ValkeyScheduledBackup,
    schedule: &Schedule,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Freshness {
    let freshness = |status, reason, message| Freshness { status, reason, message };
    if object.spec.suspend {
        return freshness("Unknown", reason::SUSPENDED, "spec.suspend is true.".to_owned());
    }
    // What was completed ahead of the clock, by another one, says nothing about now.
    let newest = good(backups).into_iter().find(|backup| completed(backup) <= now + LATEST);
    let due = created(object).and_then(|created| {
        let due = schedule.latest(created, now - LATEST)?;
        if backups.iter().any(|backup| is_under_way(backup, now)) {
            return schedule.latest(created, due - Duration::seconds(1));
        }
        Some(due)
    });
    match (newest, due) {
        (None, None) => {
            freshness("Unknown", reason::NO_BACKUP_DUE, "No backup has been due so far.".to_owned())
        }
        (Some(newest), due) if due.is_none_or(|due| completed(newest) >= due) => {
            let name = newest.metadata.name.clone().unwrap_or_default();
            freshness("True", reason::BACKUP_COMPLETED, format!("ValkeyBackup {name} is the newest."))
        }
        (_, due) => {
            let due = due.map(|due| due.to_rfc3339()).unwrap_or_default();
            let message =
                format!("The backup that was due at {due} is not stored. Read the events of this schedule.");
            freshness("False", reason::BACKUP_OVERDUE, message)
        }
    }
}

/// When the answer may change without an event: a time begins to count.
pub(super) fn next(
    object: &ValkeyScheduledBackup,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    schedule.after(now - LATEST).map(|due| due + LATEST).filter(|_| !object.spec.suspend)
}

/// What all schedules of a cluster say together, as its condition; none without a schedule.
pub fn of_cluster(schedules: &[ValkeyScheduledBackup]) -> Option<Freshness> {
    let said = |object: &ValkeyScheduledBackup| -> Option<(String, Condition)> {
        let conditions = &object.status.as_ref()?.conditions;
        let fresh = conditions::find(conditions, condition::BACKUP_FRESH)?;
        Some((object.metadata.name.clone().unwrap_or_default(), fresh.clone()))
    };
    let mut said: Vec<_> = schedules.iter().filter_map(said).collect();
    said.sort_by(|(one, _), (other, _)| one.cmp(other));
    let of = |status: &str| said.iter().find(|(_, fresh)| fresh.status == status);
    if let Some((name, fresh)) = of("False") {
        let message = format!("ValkeyScheduledBackup {name}: {}", fresh.message);
        return Some(Freshness { status: "False", reason: reason::BACKUP_OVERDUE, message });
    }
    if of("True").is_some() {
        let message = "The backup that was last due is stored.".to_owned();
        return Some(Freshness { status: "True", reason: reason::BACKUP_COMPLETED, message });
    }
    let message = "No backup has been due so far, or all schedules are suspended.".to_owned();
    let unknown = Freshness { status: "Unknown", reason: reason::NO_BACKUP_DUE, message };
    (!schedules.is_empty()).then_some(unknown)
}

impl Freshness {
    pub(crate) fn statement(&self) -> Statement {
        (condition::BACKUP_FRESH, self.status, self.reason, self.message.clone())
    }
}
