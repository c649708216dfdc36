//! Scheduled backups: what to do for a `ValkeyScheduledBackup`. Pure; the time is an argument.
//!
//! Guarantees: one backup of a schedule is under way at a time; of times that were missed, the last alone is made up for;
//! the newest backup that succeeded is never deleted, nor one that is under way.

#[cfg(test)]
mod tests;

use crate::names::reason;
use crate::status::plain_conditions;
use chrono::{DateTime, Duration, Utc};
use valkeeper_api::{
    ScheduledBackupStatus, ValkeyBackup, ValkeyScheduledBackup,
    valkey_scheduled_backup::{self, Retention, Schedule},
};
use valkeeper_engine::{Ready, Report};

/// A time that was missed by more is not made up for.
const LATEST: Duration = Duration::hours(1);
/// How many failed backups of a schedule are kept to be looked at.
const FAILURES_KEPT: usize = 3;

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
    Delete(String),
    /// Nothing before this time.
    Rest(Option<DateTime<Utc>>),
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
    let running = backups.iter().find(|backup| is_under_way(backup));
    let expired = expired(object.spec.retention.as_ref(), backups, now);
    let next = schedule.after(now);
    let said = if object.spec.suspend {
        report(Ready::Yes, reason::SUSPENDED, "No backups are begun: spec.suspend is true.".to_owned())
    } else {
        let next = next.map(|next| next.to_rfc3339()).unwrap_or_default();
        report(Ready::Yes, reason::SCHEDULED, format!("The next backup is due at {next}."))
    };
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
        let name = backup.metadata.name.clone().unwrap_or_default();
        let marked = is_marked(backup);
        return (if marked { ScheduledStep::Delete(name) } else { ScheduledStep::Expire(name) }, said);
    }
    let wakes = [next.filter(|_| !object.spec.suspend), expiry(object.spec.retention.as_ref(), backups, now)];
    (ScheduledStep::Rest(wakes.into_iter().flatten().min()), said)
}

/// The last time at which a backup was due that is not accounted for. A new schedule begins with the next one.
fn due(object: &ValkeyScheduledBackup, schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let noted = object.status.as_ref().and_then(|status| status.last_scheduled_at);
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.and_then(|created| DateTime::from_timestamp(created.0.as_second(), 0));
    schedule.latest(noted.or(created)?, now)
}

fn phase(backup: &ValkeyBackup) -> &str {
    backup.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

fn is_under_way(backup: &ValkeyBackup) -> bool {
    !["Completed", "Failed"].contains(&phase(backup))
}

fn is_marked(backup: &ValkeyBackup) -> bool {
    let annotations = backup.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(valkeeper_api::valkey_backup::EXPIRED))
}

fn is_stored(backup: &ValkeyBackup) -> bool {
    phase(backup) == "Completed"
}

/// Stored, and no verification of it failed.
fn is_good(backup: &ValkeyBackup) -> bool {
    let verified = backup.status.as_ref().and_then(|status| status.verified.as_ref());
    is_stored(backup) && verified.is_none_or(|verified| verified.succeeded)
}

fn completed(backup: &ValkeyBackup) -> DateTime<Utc> {
    backup.status.as_ref().and_then(|status| status.completed_at).unwrap_or_default()
}

/// Good backups, the newest first.
fn good(backups: &[ValkeyBackup]) -> Vec<&ValkeyBackup> {
    newest_first(backups, is_good)
}

fn newest_first(backups: &[ValkeyBackup], are: impl Fn(&ValkeyBackup) -> bool) -> Vec<&ValkeyBackup> {
    let mut found: Vec<_> = backups.iter().filter(|backup| are(backup)).collect();
    found.sort_by_key(|backup| std::cmp::Reverse((completed(backup), backup.metadata.name.clone())));
    found
}

/// A backup that nothing keeps; one that was marked goes on to be deleted.
fn expired<'backup>(
    retention: Option<&Retention>,
    backups: &'backup [ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<&'backup ValkeyBackup> {
    let retention = retention?;
    let (good, unproven) =
        (good(backups), newest_first(backups, |backup| is_stored(backup) && !is_good(backup)));
    // Those of which no server has read the data may be all there is. They take the place of none that is good.
    let ranked = good.iter().enumerate().skip(1).chain(unproven.iter().enumerate());
    let old = ranked
        .filter(|(rank, backup)| !is_kept(retention, *rank, completed(backup), now))
        .map(|(_, backup)| *backup)
        .find(|backup| !is_going(backup));
    let mut failed: Vec<_> = backups.iter().filter(|backup| phase(backup) == "Failed").collect();
    failed.sort_by_key(|backup| std::cmp::Reverse(backup.metadata.name.clone()));
    old.or_else(|| failed.into_iter().skip(FAILURES_KEPT).find(|backup| !is_going(backup)))
}

fn is_going(backup: &ValkeyBackup) -> bool {
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

fn keep_for(retention: &Retention) -> Option<Duration> {
    let text = retention.keep_for.as_deref()?;
    let hours = text.strip_suffix('h').and_then(|number| number.parse().ok());
    let days = || text.strip_suffix('d').and_then(|number| number.parse().ok());
    hours.map(Duration::hours).or_else(|| days().map(Duration::days))
}

/// When the next backup becomes too old.
fn expiry(
    retention: Option<&Retention>,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let keep = keep_for(retention?)?;
    good(backups).into_iter().skip(1).map(|backup| completed(backup) + keep).filter(|at| *at > now).min()
}

/// The name of the backup that is due at this time.
pub fn name(object: &ValkeyScheduledBackup, due: DateTime<Utc>) -> String {
    format!("{}-{}", object.metadata.name.clone().unwrap_or_default(), due.format("%Y%m%d%H%M"))
}

/// The status after a look, with what `step` notes in it.
pub fn next_status(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    step: &ScheduledStep,
    report: &ScheduledReport,
    now: DateTime<Utc>,
) -> ScheduledBackupStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let schedule = Schedule::parse(&object.spec.schedule, &object.spec.time_zone).ok();
    let next = schedule.filter(|_| !object.spec.suspend).and_then(|schedule| schedule.after(now));
    let newest = good(backups).into_iter().next();
    let statement = (report.ready, report.reason, report.message.as_str());
    ScheduledBackupStatus {
        observed_generation: Some(generation),
        last_scheduled_at: match step {
            // Created first, then noted: the name is the same if the note is lost.
            ScheduledStep::Create(due) | ScheduledStep::Skip(due, _) => Some(*due),
            _ => before.last_scheduled_at,
        },
        next_scheduled_at: next,
        last_successful_backup: newest.and_then(|backup| backup.metadata.name.clone()),
        last_successful_at: newest.map(completed),
        conditions: plain_conditions(&before.conditions, statement, generation, now),
    }
}
