//! The one source of time of the simulated provider: real time plus an offset that tests move
//! forward. Guarantees that time never runs backwards through [`Clock::advance`].

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A moment in the simulated provider's time.
pub(super) type Moment = DateTime<Utc>;

/// Real time plus an offset.
#[derive(Debug, Default)]
pub(super) struct Clock {
    offset_milliseconds: AtomicI64,
    /// The part of the offset that does not come from requests.
    by_hand_milliseconds: AtomicI64,
}

impl Clock {
    pub(super) fn now(&self) -> Moment {
        Utc::now() + TimeDelta::milliseconds(self.offset_milliseconds.load(Ordering::SeqCst))
    }

    /// A clock that was moved already.
    pub(super) fn moved(offset_milliseconds: i64) -> Self {
        Self { offset_milliseconds: AtomicI64::new(offset_milliseconds), ..Self::default() }
    }

    /// How far it was moved.
    pub(super) fn offset_milliseconds(&self) -> i64 {
        self.offset_milliseconds.load(Ordering::SeqCst)
    }

    /// Time for what takes as long as it takes for clients: it does not move with requests.
    pub(super) fn steady(&self) -> Moment {
        Utc::now() + TimeDelta::milliseconds(self.by_hand_milliseconds.load(Ordering::SeqCst))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.by_hand_milliseconds.fetch_add(milliseconds(by), Ordering::SeqCst);
        self.step(by);
    }

    /// Moves time because of a request.
    pub(super) fn step(&self, by: Duration) {
        self.offset_milliseconds.fetch_add(milliseconds(by), Ordering::SeqCst);
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// `base - by`, saturating at the beginning of representable time.
pub(super) fn before(base: Moment, by: Duration) -> Moment {
    TimeDelta::from_std(by).ok().and_then(|delta| base.checked_sub_signed(delta)).unwrap_or(Moment::MIN_UTC)
}

/// `base + by`, saturating at the end of representable time.
pub(super) fn after(base: Moment, by: Duration) -> Moment {
    TimeDelta::from_std(by).ok().and_then(|delta| base.checked_add_signed(delta)).unwrap_or(Moment::MAX_UTC)
}

/// Timestamp as services carry it: second precision.
pub(super) fn seconds(moment: Moment) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Timestamp as backups carry it: microsecond precision.
pub(super) fn microseconds(moment: Moment) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}
