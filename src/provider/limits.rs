//! Limits for all calls of one token: at most the budgeted calls per second, in the order of arrival. A quarter of
//! the budget is available for calls that a user waits for, which skip the line. A cancelled wait uses no budget.
//! When the provider throttles a token, no call uses that token until the pause is over; then one call tests it, and
//! the other calls follow after its success. Other tokens are not affected. A keyed hash distinguishes tokens: the
//! tokens themselves are not stored.

use super::{error::ProviderError, refusal::Refusal, token::Token};
use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// The pause when the provider states none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// What is not used of a budget can be saved up for so long.
const BURST: Duration = Duration::from_secs(1);
/// One in so many calls may skip the line.
const URGENT: u32 = 4;
/// The longest accepted pause.
const LONGEST: Duration = Duration::from_mins(10);
/// How long other calls wait for the outcome of the test call.
const TRIAL: Duration = Duration::from_secs(1);

/// Most tokens that are tracked simultaneously.
const MOST: usize = 10_000;

/// The budgets of all tokens, and the throttled tokens.
#[derive(Debug)]
pub(super) struct Throttles {
    hasher: RandomState,
    /// Between two calls that follow each other for longer than a second.
    interval: Duration,
    lines: Mutex<HashMap<u64, Arc<Line>>>,
    pauses: Mutex<HashMap<u64, Pause>>,
}

/// The calls of one token that wait for room in its budget.
#[derive(Debug)]
struct Line {
    budget: Mutex<Budget>,
    /// Held by the first in the line; the other calls wait for it, first come first served.
    head: tokio::sync::Mutex<()>,
}

/// When the next call of a token is due if all calls are evenly spaced, and the next one that skips the line.
#[derive(Clone, Copy, Debug)]
struct Budget {
    due: Instant,
    urgent: Instant,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    refusal: Refusal,
}

impl Throttles {
    /// Budgets of `rate` calls in a second, 0 for no bound. What was not used within a second is lost.
    pub(super) fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        Self { hasher: RandomState::new(), interval, lines: Mutex::default(), pauses: Mutex::default() }
    }

    /// Waits until the budget of the token has room for another call; a user may wait for an `urgent` one.
    pub(super) async fn pace(&self, token: &Token, urgent: bool) {
        if self.interval.is_zero() {
            return;
        }
        let line = self.line(token);
        if urgent && lock(&line.budget).take_urgent(Instant::now(), self.interval) {
            return;
        }
        let _head = line.head.lock().await;
        loop {
            let outcome = lock(&line.budget).take(Instant::now(), self.interval);
            match outcome {
                Ok(()) => return,
                Err(at) => tokio::time::sleep_until(at).await,
            }
        }
    }

    fn line(&self, token: &Token) -> Arc<Line> {
        let now = Instant::now();
        let mut lines = lock(&self.lines);
        if lines.len() > MOST {
            lines.retain(|_, line| Arc::strong_count(line) > 1 || !lock(&line.budget).is_full(now));
        }
        let line = || Line {
            budget: Mutex::new(Budget { due: now, urgent: now }),
            head: tokio::sync::Mutex::default(),
        };
        lines.entry(token.fingerprint(&self.hasher)).or_insert_with(|| Arc::new(line())).clone()
    }

    /// Whether a call may be sent now; the refusal is the provider's own, with the time that is left.
    pub(super) fn check(&self, token: &Token, doing: &str) -> Result<(), ProviderError> {
        let mut pauses = lock(&self.pauses);
        if pauses.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let Some(pause) = pauses.get_mut(&token.fingerprint(&self.hasher)) else { return Ok(()) };
        if now >= pause.until {
            pause.until = now + TRIAL;
            return Ok(());
        }
        let refusal = Refusal { retry_after: Some(pause.until - now), ..pause.refusal.clone() };
        Err(ProviderError::Rejected { doing: doing.to_owned(), refusal })
    }

    /// Notes the outcome of a call that was sent.
    pub(super) fn learn<T>(&self, token: &Token, outcome: &Result<T, ProviderError>) {
        let asked = match outcome {
            Err(ProviderError::Rejected { refusal, .. }) if refusal.throttles() => Some(refusal),
            Err(error) if !error.is_answer() => return,
            _ => None,
        };
        let mut pauses = lock(&self.pauses);
        if let Some(refusal) = asked {
            let until = Instant::now() + refusal.retry_after.unwrap_or(DEFAULT_PAUSE).min(LONGEST);
            let pause = Pause { until, refusal: refusal.clone() };
            pauses.insert(token.fingerprint(&self.hasher), pause);
        } else if !pauses.is_empty() {
            pauses.remove(&token.fingerprint(&self.hasher));
        }
    }
}

impl Budget {
    /// Takes a call out of the budget, or returns when there is room for it.
    fn take(&mut self, now: Instant, interval: Duration) -> Result<(), Instant> {
        if self.due > now + BURST {
            return Err(self.due.checked_sub(BURST).unwrap_or(now));
        }
        self.due = self.due.max(now) + interval;
        Ok(())
    }

    /// Takes a call out of the part of the budget that skips the line; the line gets longer all the same.
    fn take_urgent(&mut self, now: Instant, interval: Duration) -> bool {
        if self.take(now, interval).is_ok() {
            return true;
        }
        if self.urgent > now + BURST {
            return false;
        }
        self.urgent = self.urgent.max(now) + interval * URGENT;
        self.due = self.due.max(now) + interval;
        true
    }

    /// Whether nothing of it was used lately.
    fn is_full(&self, now: Instant) -> bool {
        self.due.max(self.urgent) <= now
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves a map that is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use valkeeper_engine::failure::Class;

    fn refusal(seconds: u64) -> Result<(), ProviderError> {
        Err(ProviderError::Rejected {
            doing: "read".to_owned(),
            refusal: Refusal {
                status: 429,
                message: "slow down".to_owned(),
                code: None,
                genuine: true,
                retry_after: Some(Duration::from_secs(seconds)),
            },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_token_retries_once_without_delaying_other_tokens() {
        let throttles = Throttles::new(0);
        let (slow, other) = (Token::parse("slow").unwrap(), Token::parse("other").unwrap());
        throttles.learn(&slow, &refusal(20));
        let refused = throttles.check(&slow, "create").unwrap_err();
        assert_eq!(refused.class(), Class::Throttled { after: Some(Duration::from_secs(20)) });
        assert!(throttles.check(&other, "create").is_ok());

        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(throttles.check(&slow, "create").is_ok(), "one tries");
        assert!(throttles.check(&slow, "create").is_err(), "the others wait for it");
        throttles.learn(&slow, &Ok(()));
        assert!(throttles.check(&slow, "create").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_sends_no_more_than_its_budget_after_a_burst() {
        let throttles = Throttles::new(100);
        let (busy, other) = (Token::parse("busy").unwrap(), Token::parse("other").unwrap());
        let begun = Instant::now();
        let mut sent = [0; 4];
        while begun.elapsed() < Duration::from_secs(4) {
            throttles.pace(&busy, false).await;
            sent[begun.elapsed().as_secs().min(3) as usize] += 1;
        }
        assert!((200..=202).contains(&sent[0]), "what was saved up, and a second's worth: {sent:?}");
        assert!(sent[1..].iter().all(|count| (99..=101).contains(count)), "{sent:?}");
        let begun = Instant::now();
        throttles.pace(&other, false).await;
        assert!(begun.elapsed().is_zero());
    }

    #[test]
    fn urgent_call_passes_the_line_within_its_quarter() {
        let (begun, interval) = (Instant::now(), Duration::from_millis(10));
        let mut budget = Budget { due: begun, urgent: begun };
        while budget.take(begun, interval).is_ok() {}
        let passing = (0..1_000).filter(|_| budget.take_urgent(begun, interval)).count();
        assert!((25..=26).contains(&passing), "a quarter of a second's worth: {passing}");
        let at = budget.take(begun, interval).unwrap_err();
        assert!(at >= begun + interval * 26, "they make the line longer");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_wait_uses_nothing_of_the_budget() {
        let (throttles, token) = (Throttles::new(100), Token::parse("busy").unwrap());
        for _ in 0..100 {
            throttles.pace(&token, false).await;
        }
        let begun = Instant::now();
        let leaving =
            (0..1_000).map(|_| tokio::time::timeout(Duration::from_millis(1), throttles.pace(&token, false)));
        let left = futures::future::join_all(leaving).await.into_iter().filter(Result::is_err).count();
        throttles.pace(&token, false).await;
        assert!(left >= 998 && begun.elapsed() < Duration::from_millis(50), "{left} {:?}", begun.elapsed());
    }
}
