//! How long until the next attempt: by the class of the last failure and the number of failures in a
//! row, with jitter from the caller, so that a thousand resources do not come back in one wave.

use crate::failure::Class;
use std::time::Duration;

/// The first and the longest delay for each class of failure; between them, delays double.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Outages and timeouts.
    pub transient: [Duration; 2],
    /// Delay after throttling without a stated duration.
    pub throttled: [Duration; 2],
    /// The world moved.
    pub conflict: [Duration; 2],
    /// Permissions, tokens, and things that do not exist.
    pub denied: [Duration; 2],
    /// Requests that a user has to correct.
    pub invalid: [Duration; 2],
    /// Defects of this program.
    pub bug: [Duration; 2],
    /// Bounds of a requested delay.
    pub pause: [Duration; 2],
}

impl Default for Bounds {
    fn default() -> Self {
        let (seconds, minutes) = (Duration::from_secs, Duration::from_mins);
        Self {
            transient: [seconds(1), minutes(1)],
            throttled: [seconds(5), minutes(2)],
            conflict: [Duration::from_millis(200), seconds(30)],
            // A repaired token or permission must be detected within a minute.
            denied: [seconds(2), seconds(45)],
            invalid: [seconds(30), minutes(30)],
            bug: [seconds(10), minutes(10)],
            pause: [seconds(1), minutes(10)],
        }
    }
}

impl Bounds {
    /// The delay before attempt `attempt + 1`, where `attempt` counts failures in a row from 1.
    /// `jitter` is a number in `[0, 1)`; the result varies by a fifth in both directions.
    pub fn delay(&self, class: Class, attempt: u32, jitter: f64) -> Duration {
        let [first, last] = match class {
            Class::Transient => self.transient,
            Class::Throttled { after: Some(after) } => {
                // Never before the requested time.
                let [shortest, longest] = self.pause;
                let after = after.clamp(shortest, longest.max(shortest));
                return after + after.mul_f64(0.2 * jitter);
            }
            Class::Throttled { after: None } => self.throttled,
            Class::Conflict => self.conflict,
            Class::Denied | Class::NotFound => self.denied,
            Class::Invalid => self.invalid,
            Class::Bug => self.bug,
        };
        let doubled = first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        spread(doubled.min(last), jitter)
    }
}

/// `base`, varied by a fifth in both directions.
pub fn spread(base: Duration, jitter: f64) -> Duration {
    base.mul_f64(0.8 + 0.4 * jitter)
}

/// The interval between reads of a service that has been building for `elapsed`: a tenth of that, within the bounds.
/// A slow service is read rarely, and the end of a quick one is detected quickly.
pub fn building(elapsed: Duration, shortest: Duration, longest: Duration) -> Duration {
    (elapsed / 10).clamp(shortest, longest.max(shortest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_stay_within_bounds() {
        let mut previous = Duration::ZERO;
        for attempt in 1..100 {
            let delay = Bounds::default().delay(Class::Transient, attempt, 0.5);
            assert!(delay >= previous && delay <= Duration::from_secs(72), "{attempt}: {delay:?}");
            previous = delay;
        }
        assert!(previous >= Duration::from_mins(1));
    }

    #[test]
    fn repaired_token_is_detected_within_a_minute() {
        assert!(Bounds::default().delay(Class::Denied, 50, 0.999) < Duration::from_mins(1));
    }

    #[test]
    fn a_throttled_caller_never_comes_back_early() {
        for jitter in [0.0, 0.5, 0.99] {
            let after = Duration::from_mins(2);
            assert!(Bounds::default().delay(Class::Throttled { after: Some(after) }, 1, jitter) >= after);
        }
        let absurd = Class::Throttled { after: Some(Duration::from_secs(u64::MAX)) };
        assert!(Bounds::default().delay(absurd, 1, 0.9) <= Duration::from_mins(12));
    }
}
