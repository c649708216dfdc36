//! The status of a user after a look.

use super::passwords::published_at;
use super::{EntrySeen, ObservedUser, UserReport, username};
use crate::status::plain_conditions;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use valkeeper_api::{UserStatus, ValkeyUser, valkey_user::UserRotation};
use valkeeper_engine::ConnectionSecret;

/// The status after this look. It holds no password.
pub fn next(object: &ValkeyUser, observed: &ObservedUser, report: &UserReport) -> UserStatus {
    let before = object.status.as_ref().and_then(|status| status.rotation.as_ref());
    let next = reported(object, report, observed.now);
    let ended_at = ended_at(&next, observed);
    UserStatus { rotation: rotation(before, observed), ended_at, ..next }
}

/// The status after a failure, before which nothing else was found out.
pub fn reported(object: &ValkeyUser, report: &UserReport, now: DateTime<Utc>) -> UserStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let said = (report.ready, report.reason, report.message.as_str());
    UserStatus {
        observed_generation: Some(generation),
        username: Some(username(object)),
        conditions: plain_conditions(&before.conditions, said, generation, now),
        ..before
    }
}

fn ended_at(status: &UserStatus, observed: &ObservedUser) -> Option<DateTime<Utc>> {
    let EntrySeen::Present(entry) = &observed.entry else { return status.ended_at };
    let now = || observed.now.trunc_subsecs(0);
    entry.passwords.is_empty().then(|| status.ended_at.unwrap_or_else(now))
}

fn rotation(noted: Option<&UserRotation>, observed: &ObservedUser) -> Option<UserRotation> {
    let EntrySeen::Present(entry) = &observed.entry else { return None };
    if entry.passwords.len() < 2 {
        return None;
    }
    let has_newest = observed.given.is_some()
        && observed.given.as_ref() == entry.passwords.first()
        && matches!(observed.secret, ConnectionSecret::Ours { current: true, .. });
    // A grace period is never shorter for the fraction of a second.
    let now =
        || observed.now.trunc_subsecs(0).checked_add_signed(TimeDelta::seconds(1)).filter(|_| has_newest);
    let published_at = published_at(noted, entry).or_else(now)?;
    Some(UserRotation { revision: entry.revision.clone(), published_at })
}
