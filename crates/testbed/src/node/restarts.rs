//! How processes ended, and how long to wait before the next start.

use std::process::ExitStatus;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::status::Ended;

/// None at first, then this, doubled up to the limit, and none again after a long run; in seconds.
const BACKOFF: i64 = 10;
const BACKOFF_LIMIT: i64 = 300;
const BACKOFF_RESET: i64 = 600;

/// How long to wait before the next start.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    seconds: Option<i64>,
}

impl Backoff {
    /// The next wait, after a run of that length.
    pub(super) fn next(&mut self, ran: Duration, scale: impl Fn(i64) -> Duration) -> Duration {
        if ran >= scale(BACKOFF_RESET) {
            self.seconds = None;
        }
        let wait = self.seconds.unwrap_or_default();
        self.seconds = Some(if wait == 0 { BACKOFF } else { (wait * 2).min(BACKOFF_LIMIT) });
        scale(wait)
    }
}

/// The end of a process that never began.
pub(super) fn failed_start(started: DateTime<Utc>, error: &std::io::Error) -> Ended {
    Ended {
        code: 128,
        signal: None,
        reason: "StartError".to_owned(),
        message: format!("failed to start the process: {error}"),
        started,
        finished: Utc::now(),
    }
}

/// The end of a process.
pub(super) fn ended(started: DateTime<Utc>, status: &std::io::Result<ExitStatus>) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    let code = match status {
        Ok(status) => status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255),
        Err(_) => 255,
    };
    let reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
    Ended { code, signal: None, reason, message: String::new(), started, finished: Utc::now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_delayed_longer_and_longer() {
        let mut backoff = Backoff::default();
        let mut next = |ran: u64| {
            backoff
                .next(Duration::from_secs(ran), |seconds| Duration::from_secs(seconds.unsigned_abs()))
                .as_secs()
        };
        assert_eq!([0, 0, 0, 0].map(&mut next), [0, 10, 20, 40]);
        assert_eq!([0, 0, 0, 0].map(&mut next), [80, 160, 300, 300]);
        assert_eq!([600, 0].map(&mut next), [0, 10]);
    }
}
