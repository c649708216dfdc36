//! Scheduled backups: what to do for a `ValkeyScheduledBackup`. Pure; the time is an argument.
//!
//! Guarantees: one backup of a schedule is under way at a time; of times that were missed, the last alone is made up for;
//! retention deletes neither the newest backup that succeeded nor one that is under way.

mod cluster_deleted;
mod fresh;
mod kept;
mod retention;
mod verification;

#[cfg(test)]
mod tests;

pub use cluster_deleted::{ClusterSeen, goes_with_cluster};
pub use fresh::{Freshness, of_cluster};
pub use kept::{Kept, kept};
pub use verification::is_late as verification_is_late;

use crate::names::reason;
use crate::status::{listed, readiness};
use crate::times::utc;
use chrono::{DateTime, Duration, SubsecRound as _, Utc};
use retention::{completed, expired, expiry, good, is_marked, is_under_way};
use valkeeper_api::{
    ScheduledBackupStatus, ValkeyBackup, ValkeyScheduledBackup,
    names::condition,
    valkey_scheduled_backup::{self, Schedule},
};
use valkeeper_engine::{Ready, Report, conditions};

/// A time that was missed by more is not made up for.
const LATEST: Duration = Duration::hours(1);

/// What can be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduledStep {
    /// Create the backup that was due at this time.
    Create(DateTime<Utc>),
    /// Note in the status that a time has passed without a backup, and why.
    Skip(DateTime<Utc>, String),
    /// Mark this backup, so that what is stored goes with it.
    Expire(String),
    /// Delete this backup, which is marked.
    Delete(String, Cause),
    /// Ask for another verification of this backup, by this request.
    Verify(String, String),
    /// Withdraw the request for a verification of this backup, which had no result.
    Withdraw(String),
    /// Nothing before this time.
    Rest(Option<DateTime<Utc>>),
}

/// Why a backup is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No retention keeps it.
    Expired,
    /// Its cluster was deleted.
    ClusterDeleted,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledReport {
    /// Whether all is as declared.
    pub ready: Ready,
    /// One of the reasons in [`names::reason`](crate::names::reason).
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Decides what to do for a schedule; `backups` are all that were created by it.
pub fn decide(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    cluster: &ClusterSeen,
    now: DateTime<Utc>,
) -> (ScheduledStep, ScheduledReport) {
    let report = |ready, reason, message| ScheduledReport { ready, reason, message };
    if object.metadata.deletion_timestamp.is_some() {
        let message = "The schedule is being deleted; its backups stay.".to_owned();
        return (ScheduledStep::Rest(None), report(Ready::Progressing, reason::DELETING, message));
    }
    let violations = valkey_scheduled_backup::violations(object);
    let schedule = Schedule::parse(&object.spec.schedule, &object.spec.time_zone);
    let Some(schedule) = schedule.ok().filter(|_| violations.is_empty()) else {
        let message = Report::invalid_spec(&violations).message;
        return (ScheduledStep::Rest(None), report(Ready::Stuck, reason::INVALID_SPEC, message));
    };
    let running = backups.iter().find(|backup| is_under_way(backup, now));
    let expired = expired(object.spec.retention.as_ref(), backups, now);
    let next = schedule.after(now);
    let said = if object.spec.suspend {
        report(Ready::Yes, reason::SUSPENDED, "No backups are begun: spec.suspend is true.".to_owned())
    } else if let Some(message) = running.and_then(stalled) {
        report(Ready::Stuck, reason::BACKUP_PENDING, message)
    } else {
        let next = next.map(|next| next.to_rfc3339()).unwrap_or_default();
        report(Ready::Yes, reason::SCHEDULED, format!("The next backup is due at {next}."))
    };
    if let Some(backup) = cluster_deleted::left(object, backups, cluster) {
        return (removal(backup, Cause::ClusterDeleted), said);
    }
    if let Some(due) = due(object, &schedule, now).filter(|_| !object.spec.suspend) {
        let step = match running {
            _ if now - due > LATEST => {
                ScheduledStep::Skip(due, "It was due more than an hour ago.".to_owned())
            }
            Some(running) => {
                let name = running.metadata.name.clone().unwrap_or_default();
                ScheduledStep::Skip(due, format!("ValkeyBackup {name} was still under way."))
            }
            None => ScheduledStep::Create(due),
        };
        return (step, said);
    }
    if let Some(backup) = expired {
        return (removal(backup, Cause::Expired), said);
    }
    if let Some(step) = verification::step(object, backups, now) {
        return (step, said);
    }
    let wakes = [
        next.filter(|_| !object.spec.suspend),
        expiry(object.spec.retention.as_ref(), backups, now),
        verification::next(object, backups, now).filter(|at| *at > now),
        fresh::next(object, &schedule, now),
    ];
    (ScheduledStep::Rest(wakes.into_iter().flatten().min()), said)
}

/// Why a backup under way is stalled, if it is.
fn stalled(backup: &ValkeyBackup) -> Option<String> {
    let conditions = &backup.status.as_ref()?.conditions;
    let stalled = conditions::find(conditions, condition::STALLED)?;
    let name = backup.metadata.name.clone().unwrap_or_default();
    Some(format!("ValkeyBackup {name} is stalled. {}", stalled.message))
}

/// A backup is marked before it is deleted, so that what is stored goes with it.
fn removal(backup: &ValkeyBackup, cause: Cause) -> ScheduledStep {
    let name = backup.metadata.name.clone().unwrap_or_default();
    if is_marked(backup) { ScheduledStep::Delete(name, cause) } else { ScheduledStep::Expire(name) }
}

/// The last time at which a backup was due that is not accounted for. A new schedule begins with the next one.
fn due(object: &ValkeyScheduledBackup, schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let noted = object.status.as_ref().and_then(|status| status.last_scheduled_at);
    schedule.latest(noted.or(created(object))?, now)
}

/// A time that was noted by a clock that was ahead counts as now; noted again, it counts from then on.
fn corrected(noted: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    noted.map(|noted| noted.min(now.trunc_subsecs(0)))
}

fn created(object: &ValkeyScheduledBackup) -> Option<DateTime<Utc>> {
    utc(object.metadata.creation_timestamp.as_ref()?)
}

/// The name of the backup that is due at this time.
pub fn name(object: &ValkeyScheduledBackup, due: DateTime<Utc>) -> String {
    format!("{}-{}", object.metadata.name.clone().unwrap_or_default(), due.format("%Y%m%d%H%M"))
}

/// The status after a look, with what `step` notes in it.
pub fn next_status(
    object: &ValkeyScheduledBackup,
    (backups, cluster): (&[ValkeyBackup], &ClusterSeen),
    step: &ScheduledStep,
    report: &ScheduledReport,
    now: DateTime<Utc>,
) -> ScheduledBackupStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let schedule = Schedule::parse(&object.spec.schedule, &object.spec.time_zone).ok();
    let next = schedule.as_ref().filter(|_| !object.spec.suspend).and_then(|schedule| schedule.after(now));
    let newest = good(backups).into_iter().next();
    let mut list = readiness(report.ready, report.reason, &report.message);
    if let Some(schedule) = &schedule {
        let fresh = fresh::of(object, schedule, backups, now);
        list.push(fresh.statement());
    }
    ScheduledBackupStatus {
        observed_generation: Some(generation),
        last_scheduled_at: match step {
            // Created first, then noted: the name is the same if the note is lost.
            ScheduledStep::Create(due) | ScheduledStep::Skip(due, _) => Some(*due),
            _ => corrected(before.last_scheduled_at, now),
        },
        next_scheduled_at: next,
        last_successful_backup: newest.and_then(|backup| backup.metadata.name.clone()),
        last_successful_at: newest.map(completed),
        last_verified_at: verification::last(object, backups, now),
        cluster_uid: cluster_deleted::noted(object, backups, cluster),
        conditions: listed(&before.conditions, list, generation, now),
    }
}
