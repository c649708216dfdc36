//! When a service is powered off and on again by itself. Types, the words of the annotation that overrides a schedule,
//! and what is wrong with one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::valkey_scheduled_backup::{Schedule, ScheduleError, utc};

/// Two schedules: when the service is powered off, and when it is powered on. In YAML, plain `on` and `off` are no texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub struct PowerSchedule {
    /// When the service is powered off: five fields of cron, such as `0 20 * * 1-5`.
    #[validate(length(min = 9, max = 100))]
    pub off_at: String,
    /// When it is powered on, such as `0 7 * * 1-5`.
    #[validate(length(min = 9, max = 100))]
    pub on_at: String,
    /// Time zone of both schedules, such as `Europe/Berlin`.
    #[serde(default = "utc")]
    #[validate(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field below `spec.powerSchedule`.
    pub field: &'static str,
    /// The broken rule, as a phrase that follows the field.
    pub rule: String,
}

/// Both schedules, off first; or what is wrong with them.
pub fn parse(off: &str, on: &str, time_zone: &str) -> Result<[Schedule; 2], Fault> {
    let schedule = |field, text| {
        Schedule::parse(text, time_zone).map_err(|error| {
            let field = if error == ScheduleError::Zone { "timeZone" } else { field };
            Fault { field, rule: error.to_string() }
        })
    };
    let both = [schedule("offAt", off)?, schedule("onAt", on)?];
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if words(off) == words(on) {
        return Err(Fault { field: "onAt", rule: "must be another schedule than offAt".to_owned() });
    }
    Ok(both)
}

/// The power that the annotation [`POWER`](super::names::POWER) requests; nothing for another word.
pub fn requested(annotation: &str) -> Option<bool> {
    match annotation.trim().to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}
