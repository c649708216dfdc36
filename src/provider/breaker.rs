//! Circuit breaker per kind of call. After some failures in a row, calls of that kind are answered here with the
//! recorded failure, and one call at a time tests the provider. A success closes the breaker immediately. A service
//! that lets its callers wait does not count, since it proves nothing about other services.

use super::error::ProviderError;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// So many failures in a row of one kind of call, with no success in between, are not a matter of one service.
const FAILURES: u32 = 20;
/// First pause after a test call that failed.
const SHORTEST: Duration = Duration::from_secs(1);
/// The same after many of them.
const LONGEST: Duration = Duration::from_secs(10);

/// One breaker per kind of call.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<HashMap<&'static str, Breaker>>);

#[derive(Debug)]
struct Breaker {
    failures: u32,
    until: Instant,
    last: ProviderError,
}

impl Breakers {
    /// Whether a call of this kind may be sent now; if not, why the last one failed.
    pub(super) fn check(&self, operation: &'static str, doing: &str) -> Result<(), ProviderError> {
        let mut breakers = self.lock();
        let Some(breaker) = breakers.get_mut(operation) else { return Ok(()) };
        if breaker.failures < FAILURES {
            return Ok(());
        }
        let now = Instant::now();
        if now < breaker.until {
            return Err(breaker.last.clone().while_doing(doing));
        }
        // This call tests the provider; if it never reports, the next one does.
        breaker.until = now + breaker.pause();
        Ok(())
    }

    /// Records the outcome of a call that was sent.
    pub(super) fn learn<T>(&self, operation: &'static str, outcome: &Result<T, ProviderError>) {
        let mut breakers = self.lock();
        match outcome {
            Err(error) if error.is_provider_wide() => {
                let failures =
                    breakers.get(operation).map_or(0, |breaker| breaker.failures).saturating_add(1);
                let mut breaker = Breaker { failures, until: Instant::now(), last: error.clone() };
                breaker.until += breaker.pause();
                breakers.insert(operation, breaker);
                if failures == FAILURES {
                    tracing::warn!(operation, failures, %error, "circuit breaker opened");
                }
            }
            Err(error) if !error.is_answer() => {}
            _ => {
                if breakers.remove(operation).is_some_and(|breaker| breaker.failures >= FAILURES) {
                    tracing::info!(operation, "circuit breaker closed");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Breaker>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    fn pause(&self) -> Duration {
        let trials = self.failures.saturating_sub(FAILURES).min(8);
        SHORTEST.saturating_mul(1 << trials).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::refusal::Refusal;

    fn failure(status: u16) -> Result<(), ProviderError> {
        Err(ProviderError::Rejected {
            doing: "read service a".to_owned(),
            refusal: Refusal {
                status,
                message: "try later".to_owned(),
                code: None,
                genuine: true,
                retry_after: None,
            },
        })
    }

    fn late() -> Result<(), ProviderError> {
        let (doing, cause) = ("read service a".to_owned(), "timed out".to_owned());
        Err(ProviderError::Unreachable { doing, cause, late: true })
    }

    #[tokio::test(start_paused = true)]
    async fn open_breaker_tries_one_call_at_a_time_until_success() {
        let breakers = Breakers::default();
        for _ in 0..FAILURES {
            assert!(breakers.check("get", "").is_ok());
            breakers.learn("get", &failure(503));
        }
        let refused = breakers.check("get", "read service b").unwrap_err();
        assert_eq!(refused.to_string(), "cannot read service b: Aiven failed (HTTP 503): try later");
        assert!(breakers.check("create", "").is_ok(), "calls of another kind go on");
        let mut tried = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            tokio::time::advance(Duration::from_millis(100)).await;
            if breakers.check("get", "").is_ok() {
                tried.push(begun.elapsed());
                breakers.learn("get", &failure(500));
            }
        }
        assert!((6..=10).contains(&tried.len()), "{tried:?}");
        breakers.learn("get", &Ok(()));
        assert!(breakers.check("get", "").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_one_service_do_not_stop_other_services() {
        let breakers = Breakers::default();
        for round in 0..FAILURES * 10 {
            breakers.learn("get", &late());
            breakers.learn("get", &failure(if round % 10 == 0 { 404 } else { 500 }));
            assert!(breakers.check("get", "").is_ok());
        }
    }
}
