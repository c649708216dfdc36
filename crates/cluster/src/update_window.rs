//! When servers that work may be replaced for an update. Pure; the time is an argument.
//!
//! Guarantees: with a window that cannot be read, nothing that works is replaced.

use crate::desired::Desired;
use crate::pod::revision;
use chrono::{DateTime, Utc};
use valkeeper_api::valkey_scheduled_backup::Schedule;

/// Whether servers may be replaced now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateTime {
    /// They may.
    Now,
    /// They may from then on; none if the schedule has no next window.
    From(Option<DateTime<Utc>>),
}

/// When pods may be replaced; `others` where they are made of something else than declared. An approval is for those: pods
/// of the same revision that are to start again may have been approved long ago.
pub fn for_pods(desired: &Desired, others: bool, now: DateTime<Utc>) -> UpdateTime {
    if others && desired.approved.as_deref() == Some(revision(desired).as_str()) {
        return UpdateTime::Now;
    }
    of(desired, now)
}

pub(crate) fn of(desired: &Desired, now: DateTime<Utc>) -> UpdateTime {
    let Some(window) = desired.spec.update.as_ref().and_then(|update| update.window.as_ref()) else {
        return UpdateTime::Now;
    };
    let schedule = Schedule::parse(&window.schedule, &window.time_zone).ok();
    let Some((schedule, duration)) = schedule.zip(window.duration()) else { return UpdateTime::From(None) };
    match schedule.latest(now - duration, now) {
        Some(_) => UpdateTime::Now,
        None => UpdateTime::From(schedule.after(now)),
    }
}
