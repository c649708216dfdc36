//! What a power schedule says at a time.

use chrono::{DateTime, Utc};
use valkeeper_api::status::PowerScheduleStatus;

/// What a schedule says at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledPower {
    /// For the status.
    pub status: PowerScheduleStatus,
    /// Whether a user's override holds.
    pub is_overridden: bool,
    /// The status has the override.
    pub is_recorded: bool,
    /// The annotation has had its effect, and can go.
    pub override_is_over: bool,
}

impl ScheduledPower {
    /// The next time at which the schedule switches.
    pub fn next_switch(&self) -> Option<DateTime<Utc>> {
        self.status.next_off.into_iter().chain(self.status.next_on).min()
    }
}
