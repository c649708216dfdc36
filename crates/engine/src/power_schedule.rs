//! Whether a service is to run by its schedule: which switch came last, until when a user's override holds, and when the
//! next switch is due. Pure; the time is an argument.
//!
//! ```text
//!   powered: false ───────────────────────────────────────────▶ off
//!   annotation On/Off, not over ──────────────────────────────▶ as the annotation says, until the next switch
//!   otherwise ────────────────────── the switch that came last ▶ on or off
//! ```
//!
//! An override is recorded in the status before anything follows from it. Otherwise a restart after the switch that ends
//! it would take it for a new one.

use super::{desired::Desired, scheduled_power::ScheduledPower, spec};
use chrono::{DateTime, Utc};
use valkeeper_api::{
    ManagedService, names, power_schedule,
    status::{PowerOverride, PowerScheduleStatus},
    valkey_scheduled_backup::Schedule,
};

impl Desired {
    /// The same resource as its schedule has it at `now`; unchanged without a schedule that can be used.
    #[must_use]
    pub fn scheduled<K: ManagedService>(self, object: &K, now: DateTime<Utc>) -> Self {
        let Some(declared) = object.service().power_schedule.as_ref().filter(|_| self.powered) else {
            return self;
        };
        let parsed = power_schedule::parse(&declared.off_at, &declared.on_at, &declared.time_zone);
        let Ok([off, on]) = parsed else { return self };
        let known = object.status().and_then(|status| status.power_schedule.as_ref()?.overridden.clone());
        let annotation = self.annotations.get(names::POWER).map(String::as_str);
        let (powered, scheduled) = at(&[off, on], annotation, known.as_ref(), now);
        let desired = Self { powered, schedule: Some(scheduled), ..self };
        spec::declaring(desired)
    }
}

/// Whether the service is to run at `now`, and what follows; `known` is the override in the status.
fn at(
    [off, on]: &[Schedule; 2],
    annotation: Option<&str>,
    known: Option<&PowerOverride>,
    now: DateTime<Utc>,
) -> (bool, ScheduledPower) {
    let last = |schedule: &Schedule| schedule.latest(DateTime::UNIX_EPOCH, now);
    // Where both are due at once, and before the first switch, the service runs.
    let by_schedule = last(on) >= last(off);
    let (next_off, next_on) = (off.after(now), on.after(now));
    let next = next_off.into_iter().chain(next_on).min();
    let requested = annotation.and_then(power_schedule::requested);
    let current = requested.and_then(|powered| match known {
        Some(known) if known.powered == powered => Some(known.clone()),
        _ => next.map(|until| PowerOverride { powered, until }),
    });
    let active = current.as_ref().filter(|current| now < current.until);
    let powered = active.map_or(by_schedule, |current| current.powered);
    let scheduled = ScheduledPower {
        is_overridden: active.is_some(),
        is_recorded: current.as_ref() == known,
        override_is_over: current.is_some() && active.is_none(),
        status: PowerScheduleStatus { next_off, next_on, overridden: current },
    };
    (powered, scheduled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn nights() -> [Schedule; 2] {
        power_schedule::parse("0 20 * * 1-5", "0 7 * * 1-5", "Europe/Berlin").unwrap()
    }

    fn powered(now: &str) -> bool {
        at(&nights(), None, None, time(now)).0
    }

    #[test]
    fn the_switch_that_came_last_decides() {
        let table = [
            ("Monday morning before", "2026-01-05T05:59:59Z", false),
            ("Monday morning at seven", "2026-01-05T06:00:00Z", true),
            ("Monday noon", "2026-01-05T11:00:00Z", true),
            ("Monday evening at eight", "2026-01-05T19:00:00Z", false),
            ("Friday night", "2026-01-09T23:00:00Z", false),
            ("Sunday noon", "2026-01-11T11:00:00Z", false),
            ("summer, morning at seven", "2026-07-06T05:00:00Z", true),
            ("summer, an hour before", "2026-07-06T04:00:00Z", false),
        ];
        for (name, now, expected) in table {
            assert_eq!(powered(now), expected, "{name}");
        }
    }

    #[test]
    fn clocks_that_change_move_the_switch_with_the_wall() {
        // On March 29 clocks go from 02:00 to 03:00, on October 25 from 03:00 to 02:00.
        let next = |now: &str| at(&nights(), None, None, time(now)).1.status;
        assert_eq!(next("2026-03-28T12:00:00Z").next_on, Some(time("2026-03-30T05:00:00Z")));
        assert_eq!(next("2026-10-24T12:00:00Z").next_on, Some(time("2026-10-26T06:00:00Z")));
        // 02:30 does not exist on the one day, and comes twice on the other.
        let early = power_schedule::parse("30 2 * * *", "0 12 * * *", "Europe/Berlin").unwrap();
        let is_on = |now: &str| at(&early, None, None, time(now)).0;
        assert!(is_on("2026-03-29T00:59:00Z") && !is_on("2026-03-29T01:01:00Z"));
        assert!(is_on("2026-10-25T00:29:00Z"));
        for later in ["2026-10-25T00:31:00Z", "2026-10-25T01:29:00Z", "2026-10-25T01:31:00Z"] {
            assert!(!is_on(later), "{later}: off once, and for good");
        }
    }

    #[test]
    fn both_at_once_means_on() {
        let both = power_schedule::parse("0 8 * * *", "0 8 * * 1-7", "UTC").unwrap();
        assert!(at(&both, None, None, time("2026-01-05T09:00:00Z")).0);
    }

    #[test]
    fn override_holds_until_the_next_switch_and_not_again() {
        let evening = time("2026-01-05T20:00:00Z");
        let (powered, first) = at(&nights(), Some("On"), None, evening);
        assert!(powered && first.is_overridden && !first.is_recorded && !first.override_is_over);
        let recorded = first.status.overridden.unwrap();
        assert_eq!(recorded, PowerOverride { powered: true, until: time("2026-01-06T06:00:00Z") });
        let later = |now: &str, annotation| at(&nights(), annotation, Some(&recorded), time(now));

        let (powered, night) = later("2026-01-06T03:00:00Z", Some("On"));
        assert!(powered && night.is_overridden && night.is_recorded);
        let (powered, over) = later("2026-01-06T19:30:00Z", Some("On"));
        assert!(!powered && over.override_is_over && over.is_recorded, "the next evening it is off");
        assert_eq!(over.status.overridden.as_ref(), Some(&recorded), "the record stays with the annotation");

        let (_, gone) = later("2026-01-06T19:30:00Z", None);
        assert_eq!((gone.status.overridden, gone.override_is_over), (None, false));
        let (powered, other) = later("2026-01-06T19:30:00Z", Some("Off"));
        assert!(!powered && !other.is_recorded, "another word is another request");
    }

    #[test]
    fn word_that_is_neither_on_nor_off_overrides_nothing() {
        let (powered, scheduled) = at(&nights(), Some("maybe"), None, time("2026-01-05T20:00:00Z"));
        assert!(!powered && scheduled.status.overridden.is_none() && !scheduled.override_is_over);
        assert!(at(&nights(), Some("ON"), None, time("2026-01-05T20:00:00Z")).0);
    }
}
