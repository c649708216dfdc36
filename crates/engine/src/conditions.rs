//! Converts a [`Report`] to the conditions of the status. A condition's `lastTransitionTime` moves only when its
//! status does. Unchanged conditions compare equal, so that nothing is written.

use super::{
    kstatus,
    report::{MigrationNote, Ready, Report},
    sync,
};
use chrono::{DateTime, Utc};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use valkeeper_api::names::{condition, reason};

/// The longest message of a condition, in characters.
const LONGEST: usize = 4096;

/// The conditions after `report`, given those before it.
pub fn next(before: &[Condition], report: &Report, generation: i64, now: DateTime<Utc>) -> Vec<Condition> {
    let find = |type_: &str| find(before, type_);
    let mut next: Vec<Condition> = reported(find, report, generation)
        .into_iter()
        .map(|(type_, status, reason, message)| Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: short(message),
            observed_generation: Some(generation),
            last_transition_time: find(type_)
                .filter(|old| old.status == status)
                .map_or_else(|| time(now), |old| old.last_transition_time.clone()),
        })
        .collect();
    let keeps_migration = report.migration == MigrationNote::Unchanged;
    let kept = [condition::READY, condition::INITIALIZED, condition::RUNNING, condition::SYNCED];
    let gone = report.state.is_none() && report.running == Some(false);
    let kept = kept.into_iter().chain((!gone).then_some(condition::DRIFTED));
    for type_ in kept.chain(keeps_migration.then_some(condition::MIGRATION_COMPLETE)) {
        if let Some(old) = find(type_).filter(|_| next.iter().all(|condition| condition.type_ != type_)) {
            next.push(old.clone());
        }
    }
    next.sort_by(|a, b| a.type_.cmp(&b.type_));
    next
}

/// The conditions for `report`, by type.
fn reported<'b>(
    find: impl Fn(&str) -> Option<&'b Condition>,
    report: &Report,
    generation: i64,
) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let mut conditions = Vec::new();
    if let Some(ready) = ready(find(condition::READY), report, generation) {
        conditions.push((condition::READY, ready, report.reason, report.message.clone()));
        if let Some(type_) = kstatus::condition(report, ready) {
            conditions.push((type_, "True", report.reason, report.message.clone()));
        }
    }
    if let Some((status, reason, message)) = sync::synced(find(condition::SYNCED), report, generation) {
        conditions.push((condition::SYNCED, status, reason, message));
    }
    if let Some((status, reason, message)) = sync::drifted(report) {
        conditions.push((condition::DRIFTED, status, reason, message));
    }
    if report.initialized {
        let message = "Aiven accepted the resource.".to_owned();
        conditions.push((condition::INITIALIZED, "True", reason::CREATED_OR_UPDATED, message));
    }
    if let Some(running) = report.running {
        let (status, reason) = match (running, report.reason) {
            (true, _) => ("True", reason::CHECK_RUNNING),
            (false, reason) => ("False", reason),
        };
        let message = match &report.state {
            Some(state) => format!("Aiven reports state {state}."),
            None => report.message.clone(),
        };
        conditions.push((condition::RUNNING, status, reason, message));
    }
    if let MigrationNote::Now { complete, reason, message } = &report.migration {
        let status = if *complete { "True" } else { "False" };
        conditions.push((condition::MIGRATION_COMPLETE, status, *reason, message.clone()));
    }
    if report.password_exposed {
        let message = "spec.userConfig.migration.password is readable for every reader of this resource. Put it into a Secret, and name the Secret in spec.migrationSecretSource.";
        conditions.push((condition::PASSWORD_EXPOSED, "True", reason::PASSWORD_IN_SPEC, message.to_owned()));
    }
    if report.paused {
        conditions.push((condition::PAUSED, "True", reason::PAUSED, report.message.clone()));
    }
    conditions
}

/// A message of a length that people read and that Kubernetes stores, whatever it repeats.
#[must_use]
pub fn short(message: String) -> String {
    cut(message, LONGEST)
}

/// The beginning of a text, of so many characters; it shows where it was cut.
#[must_use]
pub fn cut(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The condition of this type.
pub fn find<'list>(conditions: &'list [Condition], type_: &str) -> Option<&'list Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// The reason of the `Ready` condition.
pub fn reason_of_ready(conditions: &[Condition]) -> Option<&str> {
    find(conditions, condition::READY).map(|entry| entry.reason.as_str())
}

/// A read that failed for a transient reason keeps an earlier `True`, unless the spec has changed since: then the
/// state is unknown.
fn ready(before: Option<&Condition>, report: &Report, generation: i64) -> Option<&'static str> {
    let still_true = |condition: &Condition| {
        condition.status == "True" && condition.observed_generation.is_none_or(|seen| seen == generation)
    };
    match report.ready {
        Ready::Yes => Some("True"),
        Ready::Unchanged if before.is_some_and(still_true) => None,
        Ready::Progressing | Ready::Stuck | Ready::Unchanged => Some("False"),
    }
}

/// Kubernetes keeps whole seconds; so does this, or every comparison would see a difference.
fn time(now: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(now.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH))
}
