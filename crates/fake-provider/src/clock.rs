//! Countdowns over reads or over the movable clock.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::config::Delay;

/// Time of the fake.
pub(crate) type Instant = DateTime<Utc>;

/// Formats a time with second precision, as services do.
pub(crate) fn seconds(time: Instant) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Formats a time with microsecond precision, as backups do.
pub(crate) fn micros(time: Instant) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Remaining wait of one change.
#[derive(Clone, Debug)]
pub(crate) struct Countdown {
    delay: Delay,
    started: Instant,
    reads: u32,
    finished: bool,
}

impl Countdown {
    pub(crate) fn new(delay: Delay, now: Instant) -> Self {
        Self { delay, started: now, reads: 0, finished: false }
    }

    /// Reports whether the wait is over; otherwise a read counts against it.
    pub(crate) fn observe(&mut self, now: Instant, read: bool) -> bool {
        let over = self.finished
            || match self.delay {
                Delay::Reads(reads) => self.reads >= reads,
                Delay::Time(time) => TimeDelta::from_std(time).is_ok_and(|time| now - self.started >= time),
                Delay::Manual => false,
            };
        if !over && read {
            self.reads = self.reads.saturating_add(1);
        }
        over
    }

    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    /// Returns the elapsed part of the wait, between 0 and 1.
    pub(crate) fn progress(&self, now: Instant) -> f64 {
        match self.delay {
            Delay::Reads(reads) => f64::from(self.reads) / (f64::from(reads) + 1.0),
            Delay::Time(time) => {
                let elapsed = (now - self.started).to_std().unwrap_or_default();
                (elapsed.as_secs_f64() / time.as_secs_f64().max(0.001)).min(1.0)
            }
            Delay::Manual => f64::from(self.reads.min(2)) / 3.0,
        }
    }
}
