//! How long a reconciliation has worked, for its deadline and for the probe. Time spent waiting for a permit does not
//! count: a reconciliation fails only because of its own work, however many precede it.
//!
//! ```text
//!            wait for a permit
//!   RUNNING ───────────────────▶ STOPPED
//!      ▲  │                         │
//!      └──┼────── permit given ─────┘
//!         │ the limit is used up
//!         ▼
//!      run out: the reconciliation is cancelled
//! ```

use crate::server::health::{Health, Work};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

/// The work time of one reconciliation; clones share it.
#[derive(Clone)]
pub(in crate::controller) struct WorkTime(Arc<Shared>);

struct Shared {
    reading: watch::Sender<Reading>,
    health: Health,
    limit: Duration,
    /// State of the probe: work in progress that has to end in time.
    work: Mutex<Option<Work>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// What was used up before `since`.
    used: Duration,
    /// Since when it runs; none while it is stopped.
    since: Option<Instant>,
}

/// The limit is used up.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::controller) struct RunOut;

impl WorkTime {
    /// Begins to run; `health` expects the work to end within `limit`.
    pub(in crate::controller) fn begin(health: &Health, limit: Duration) -> Self {
        let reading = Reading { used: Duration::ZERO, since: Some(Instant::now()) };
        Self(Arc::new(Shared {
            reading: watch::Sender::new(reading),
            health: health.clone(),
            limit,
            work: Mutex::new(Some(health.work(limit))),
        }))
    }

    /// Stops for as long as the answer is there.
    pub(in crate::controller) fn stop(&self) -> Stopped {
        self.0.reading.send_modify(|reading| {
            let ran = reading.since.take().map(|since| since.elapsed());
            reading.used += ran.unwrap_or_default();
        });
        drop(self.work().take());
        Stopped(self.clone())
    }

    /// Waits for `work`, unless the limit is used up before.
    pub(in crate::controller) async fn within_limit<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, RunOut> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => Ok(outcome),
            () = self.run_out() => Err(RunOut),
        }
    }

    /// The limit.
    pub(in crate::controller) fn limit(&self) -> Duration {
        self.0.limit
    }

    async fn run_out(&self) {
        let mut readings = self.0.reading.subscribe();
        loop {
            let Reading { used, since } = *readings.borrow_and_update();
            let left = self.0.limit.saturating_sub(used);
            let end = async {
                match since {
                    Some(since) => tokio::time::sleep_until(since + left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => return,
                // The sender is part of `self`, so that there always is a next reading.
                _ = readings.changed() => {}
            }
        }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        // A panic while the lock was held leaves an option that is still an option.
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work time that is paused until this is dropped.
pub(in crate::controller) struct Stopped(WorkTime);

impl Drop for Stopped {
    fn drop(&mut self) {
        let Shared { reading, health, limit, .. } = &*self.0.0;
        let mut left = *limit;
        reading.send_modify(|reading| {
            reading.since = Some(Instant::now());
            left = limit.saturating_sub(reading.used);
        });
        *self.0.work() = Some(health.work(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(3);

    #[tokio::test(start_paused = true)]
    async fn deadline_passes_only_while_work_time_runs() {
        let health = Health::default();
        let time = WorkTime::begin(&health, LIMIT);
        let begun = Instant::now();
        let work = async {
            tokio::time::sleep(LIMIT / 2).await;
            let stopped = time.stop();
            tokio::time::sleep(LIMIT * 10).await;
            drop(stopped);
            std::future::pending::<()>().await;
        };
        assert_eq!(time.within_limit(work).await, Err(RunOut));
        assert_eq!(begun.elapsed(), LIMIT * 11);
    }

    #[tokio::test(start_paused = true)]
    async fn probe_ignores_work_that_waits_for_a_permit() {
        let health = Health::default();
        let time = WorkTime::begin(&health, LIMIT);
        tokio::time::advance(LIMIT).await;
        let stopped = time.stop();
        tokio::time::advance(LIMIT * 10).await;
        assert!(health.live().is_ok(), "it waits");
        drop(stopped);
        assert!(health.live().is_ok());
        tokio::time::advance(Duration::from_mins(2)).await;
        assert!(health.live().is_err(), "it used up its time and works on");
        drop(time);
        assert!(health.live().is_ok());
    }
}
