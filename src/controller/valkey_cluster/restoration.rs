//! How often a restoration is asked for, which may be a burden for where the data is.

use tokio::time::{Duration, Instant};

/// Between the first two attempts to restore; longer after each, because one may be a burden for where the data is.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(10);
/// How often it doubles.
const DOUBLINGS: u32 = 5;

/// A restoration that was asked for.
#[derive(Clone, Default)]
pub(super) struct Restoration {
    asked: Option<Instant>,
    attempts: u32,
}

impl Restoration {
    pub(super) fn backs_off(&self) -> bool {
        let doublings = self.attempts.saturating_sub(1).min(DOUBLINGS);
        self.asked.is_some_and(|at| at.elapsed() < BETWEEN_ATTEMPTS * 2_u32.pow(doublings))
    }

    pub(super) fn asked(&mut self) {
        (self.asked, self.attempts) = (Some(Instant::now()), self.attempts.saturating_add(1));
    }
}
