//! Repeated failures: the first of its kind and the recovery are logged, but not each attempt in between.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// More failures than this are never recorded; beyond it, some are logged again.
const MOST: usize = 10_000;

/// What fails at present, and how.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<HashMap<String, Failing>>);

#[derive(Debug, Default)]
struct Failing {
    how: String,
    in_this_way: u32,
    in_all: u32,
}

impl Repeats {
    /// `what` failed; answers how often in a row it did so in this way, which is 1 for news.
    pub fn failed(&self, what: &str, how: &str) -> u32 {
        let mut all = self.lock();
        if all.len() >= MOST && !all.contains_key(what) {
            all.clear();
        }
        let failing = all.entry(what.to_owned()).or_default();
        if failing.how != how {
            *failing = Failing { how: how.to_owned(), in_this_way: 0, in_all: failing.in_all };
        }
        failing.in_this_way = failing.in_this_way.saturating_add(1);
        failing.in_all = failing.in_all.saturating_add(1);
        failing.in_this_way
    }

    /// `what` went well; answers how often in a row it had failed before, if it had.
    pub fn went_well(&self, what: &str) -> Option<u32> {
        self.lock().remove(what).map(|failing| failing.in_all)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failing>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs a failure that has occurred `$times` in a row: the first as a warning, later ones at `debug`.
macro_rules! log_failure {
    ($times:expr, $($rest:tt)*) => {
        match $times {
            1 => tracing::warn!($($rest)*),
            times => tracing::debug!(times, $($rest)*),
        }
    };
}
pub(crate) use log_failure;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_reported_when_first_or_different() {
        let repeats = Repeats::default();
        assert_eq!(repeats.went_well("a"), None);
        assert_eq!([1, 2, 3].map(|_| repeats.failed("a", "503")), [1, 2, 3]);
        assert_eq!(repeats.failed("b", "503"), 1);
        assert_eq!([1, 2].map(|_| repeats.failed("a", "401")), [1, 2]);
        assert_eq!(repeats.went_well("a"), Some(5));
        assert_eq!(repeats.went_well("a"), None);
        assert_eq!(repeats.failed("a", "401"), 1);
        assert_eq!(repeats.failed("b", "503"), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for number in 0..2 * MOST {
            repeats.failed(&number.to_string(), "503");
        }
        assert!(repeats.lock().len() <= MOST);
    }
}
