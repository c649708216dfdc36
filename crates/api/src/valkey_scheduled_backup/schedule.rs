//! When a schedule is due: five fields of cron in a time zone. Pure; the time is an argument.
//!
//! A time that the clocks skip in spring is due when they have been put forward; one that comes twice in autumn is due once.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{Cron, parser::CronParser, parser::Seconds};

/// A schedule that can be used.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The five fields.
    #[error("must be five fields of cron, such as `15 3 * * *`: {0}")]
    Fields(String),
    /// The time zone.
    #[error("must be a time zone such as `Europe/Helsinki`")]
    Zone,
}

impl Schedule {
    /// From the texts of a spec.
    pub fn parse(fields: &str, zone: &str) -> Result<Self, ScheduleError> {
        let zone = zone.parse().map_err(|_| ScheduleError::Zone)?;
        if fields.split_whitespace().count() != 5 {
            let count = fields.split_whitespace().count();
            return Err(ScheduleError::Fields(format!("it has {count}")));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(fields).map_err(|error| ScheduleError::Fields(error.to_string()))?;
        let schedule = Self { cron, zone };
        if schedule.after(DateTime::UNIX_EPOCH).is_none() {
            return Err(ScheduleError::Fields("it is never due".to_owned()));
        }
        Ok(schedule)
    }

    /// The first time after this one at which it is due.
    pub fn after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&moment.with_timezone(&self.zone), false);
        found.ok().map(|due| due.with_timezone(&Utc))
    }

    /// The last time after `moment` and not after `now` at which it was due.
    pub fn latest(&self, moment: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_previous_occurrence(&now.with_timezone(&self.zone), true);
        found.ok().map(|due| due.with_timezone(&Utc)).filter(|due| *due > moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn schedule_is_due_by_the_clocks_of_its_zone() {
        let table = [
            ("15 3 * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T03:15:00Z"),
            ("15 3 * * *", "UTC", "2026-01-01T03:15:00Z", "2026-01-02T03:15:00Z"),
            ("15 3 * * *", "Europe/Helsinki", "2026-01-01T00:00:00Z", "2026-01-01T01:15:00Z"),
            ("15 3 * * *", "Europe/Helsinki", "2026-07-01T00:00:00Z", "2026-07-01T00:15:00Z"),
            ("0 0 1 * *", "Asia/Kolkata", "2026-01-31T00:00:00Z", "2026-01-31T18:30:00Z"),
            ("*/20 * * * 1-5", "UTC", "2026-11-27T23:50:00Z", "2026-11-30T00:00:00Z"),
            // From 02:00 to 03:00 there is no time on that day.
            ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ];
        for (fields, zone, moment, due) in table {
            let schedule = Schedule::parse(fields, zone).unwrap();
            assert_eq!(schedule.after(at(moment)), Some(at(due)), "{fields} {zone} {moment}");
        }
    }

    #[test]
    fn time_that_comes_twice_is_due_once() {
        // From 02:00 to 03:00 twice on that day.
        let schedule = Schedule::parse("30 2 * * *", "Europe/Berlin").unwrap();
        let first = schedule.after(at("2026-10-24T12:00:00Z")).unwrap();
        let second = schedule.after(first).unwrap();
        assert_eq!((first, second), (at("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z")));
    }

    #[test]
    fn latest_is_the_last_of_several_that_were_missed() {
        let schedule = Schedule::parse("0 * * * *", "UTC").unwrap();
        let latest = schedule.latest(at("2026-01-01T00:30:00Z"), at("2026-01-01T05:10:00Z"));
        assert_eq!(latest, Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(schedule.latest(at("2026-01-01T05:00:00Z"), at("2026-01-01T05:10:00Z")), None);
        assert_eq!(
            schedule.latest(at("2026-01-01T04:59:00Z"), at("2026-01-01T05:00:00Z")),
            Some(at("2026-01-01T05:00:00Z"))
        );
    }

    #[test]
    fn schedule_that_cannot_be_used_is_refused() {
        for fields in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@daily", "a b c d e"] {
            assert!(matches!(Schedule::parse(fields, "UTC"), Err(ScheduleError::Fields(_))), "{fields}");
        }
        assert_eq!(Schedule::parse("0 0 * * *", "Mars/Olympus").unwrap_err(), ScheduleError::Zone);
    }
}
