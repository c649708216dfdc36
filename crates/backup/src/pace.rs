//! A limit of bytes per second. What was not used is not made up for.

use std::num::NonZeroU64;
use tokio::time::{Duration, Instant, sleep_until};

/// A stream with a limit, or with none.
pub(crate) struct Pace {
    bytes_per_second: Option<NonZeroU64>,
    /// When the next bytes may pass.
    next: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self { bytes_per_second, next: Instant::now() }
    }

    /// So many bytes have passed; waits until others may.
    pub(crate) async fn passed(&mut self, bytes: usize) {
        let Some(limit) = self.bytes_per_second else { return };
        let nanoseconds = u128::from(bytes as u64) * 1_000_000_000 / u128::from(limit.get());
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.next = self.next.max(Instant::now()) + takes;
        sleep_until(self.next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_as_long_as_the_limit_says() {
        let begun = Instant::now();
        let mut pace = Pace::new(NonZeroU64::new(1_000_000));
        for _ in 0..100 {
            pace.passed(50_000).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 5);
        // A server that paused does not send faster later.
        tokio::time::advance(Duration::from_mins(1)).await;
        let begun = Instant::now();
        pace.passed(2_000_000).await;
        assert_eq!(begun.elapsed().as_secs(), 2);
        let mut free = Pace::new(None);
        free.passed(usize::MAX).await;
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
}
