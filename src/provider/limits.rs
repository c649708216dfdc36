//! What holds for all calls of one token: no more of them in a second than the budget allows, in the order
//! in which they came, except that a quarter of it lets those pass the line for which somebody waits; and when the provider asks to slow down, nobody sends anything with that token until
//! the time is over, then one call tries, and the others follow when it went well. Other tokens notice
//! nothing of it. Tokens are told apart by a keyed hash: the tokens themselves are not kept.

use super::{error::ProviderError, token::Token};
use crate::failure::Class;
use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// The pause when the provider does not say how long.
const UNSAID: Duration = Duration::from_secs(1);
/// What is not used of a budget can be saved up for so long.
const BURST: Duration = Duration::from_secs(1);
/// One in so many calls may pass the line.
const URGENT: u32 = 4;
/// The longest pause that is believed.
const LONGEST: Duration = Duration::from_mins(10);
/// How long the others wait for the outcome of the call that tries.
const TRIAL: Duration = Duration::from_secs(1);

/// More tokens than this are not kept track of at once.
const MOST: usize = 10_000;

/// The budgets of all tokens, and the tokens that were asked to slow down.
#[derive(Debug)]
pub(super) struct Throttles {
    hasher: RandomState,
    /// Between two calls that follow each other for longer than a second.
    interval: Duration,
    lines: Mutex<HashMap<u64, Line>>,
    pauses: Mutex<HashMap<u64, Pause>>,
}

/// When the next call of a token would be due if all came evenly, and the next one that passes the others.
#[derive(Clone, Copy, Debug)]
struct Line {
    due: Instant,
    urgent: Instant,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    status: u16,
    message: String,
}

impl Throttles {
    /// Budgets of `rate` calls in a second, 0 for no bound. What was not used within a second is lost.
    pub(super) fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        Self { hasher: RandomState::new(), interval, lines: Mutex::default(), pauses: Mutex::default() }
    }

    /// Waits until the budget of the token has room for another call; somebody may wait for an `urgent` one.
    pub(super) async fn pace(&self, token: &Token, urgent: bool) {
        if !self.interval.is_zero() {
            tokio::time::sleep_until(self.reserve(token, urgent)).await;
        }
    }

    /// When the call may be sent. Who does not wait that long has used the budget all the same.
    fn reserve(&self, token: &Token, urgent: bool) -> Instant {
        let now = Instant::now();
        let mut lines = lock(&self.lines);
        if lines.len() > MOST {
            lines.retain(|_, line| line.due.max(line.urgent) > now);
        }
        let line = lines.entry(token.fingerprint(&self.hasher)).or_insert(Line { due: now, urgent: now });
        // Whoever passes the line makes it longer all the same.
        let at = take(&mut line.due, now, self.interval);
        if urgent && at > now && line.urgent <= now + BURST {
            return take(&mut line.urgent, now, self.interval * URGENT);
        }
        at
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
        Err(ProviderError::Rejected {
            doing: doing.to_owned(),
            status: pause.status,
            message: pause.message.clone(),
            retry_after: Some(pause.until - now),
        })
    }

    /// Notes the outcome of a call that was sent.
    pub(super) fn learn<T>(&self, token: &Token, outcome: &Result<T, ProviderError>) {
        let asked = match outcome {
            Err(error @ ProviderError::Rejected { status, message, .. }) => match error.class() {
                Class::Throttled { after } => Some((after.unwrap_or(UNSAID), *status, message)),
                _ => None,
            },
            Err(_) => return,
            Ok(_) => None,
        };
        let mut pauses = lock(&self.pauses);
        if let Some((after, status, message)) = asked {
            let until = Instant::now() + after.min(LONGEST);
            let pause = Pause { until, status, message: message.clone() };
            pauses.insert(token.fingerprint(&self.hasher), pause);
        } else if !pauses.is_empty() {
            pauses.remove(&token.fingerprint(&self.hasher));
        }
    }
}

/// Takes the next place in a line that moves on every `interval`.
fn take(due: &mut Instant, now: Instant, interval: Duration) -> Instant {
    let at = *due;
    *due = at.max(now) + interval;
    at.checked_sub(BURST).unwrap_or(now).max(now)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves a map that is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(seconds: u64) -> Result<(), ProviderError> {
        Err(ProviderError::Rejected {
            doing: "reading".to_owned(),
            status: 429,
            message: "slow down".to_owned(),
            retry_after: Some(Duration::from_secs(seconds)),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_token_waits_tries_once_and_goes_on_while_others_notice_nothing() {
        let throttles = Throttles::new(0);
        let (slow, other) = (Token::parse("slow").unwrap(), Token::parse("other").unwrap());
        throttles.learn(&slow, &refusal(20));
        let refused = throttles.check(&slow, "creating").unwrap_err();
        assert_eq!(refused.class(), Class::Throttled { after: Some(Duration::from_secs(20)) });
        assert!(throttles.check(&other, "creating").is_ok());

        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(throttles.check(&slow, "creating").is_ok(), "one tries");
        assert!(throttles.check(&slow, "creating").is_err(), "the others wait for it");
        throttles.learn(&slow, &Ok(()));
        assert!(throttles.check(&slow, "creating").is_ok());
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

    #[tokio::test(start_paused = true)]
    async fn a_call_that_somebody_waits_for_passes_the_line_and_many_of_them_keep_to_the_budget() {
        let (throttles, token) = (Throttles::new(100), Token::parse("busy").unwrap());
        let begun = Instant::now();
        let in_line = (0..300).map(|_| throttles.reserve(&token, false)).max().unwrap();
        assert!(in_line > begun + Duration::from_secs(1));
        assert_eq!(throttles.reserve(&token, true), begun);
        let urgent: Vec<_> = (0..1_000).map(|_| throttles.reserve(&token, true)).collect();
        assert!(urgent.iter().filter(|at| **at == begun).count() <= 26, "a quarter of a second's worth");
        let late = urgent.iter().filter(|at| **at > begun);
        assert!(late.into_iter().all(|at| *at > in_line), "the others wait in the same line");
    }
}
