//! The clock of all deadlines: it counts while the machine is suspended, and cannot be set back.

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use valkeeper_failover::manager::Moment;

/// Now, as time since this machine was started.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Now, on the wall clock: for people who read when a backup was taken.
pub(crate) fn wall() -> DateTime<Utc> {
    Utc::now()
}
