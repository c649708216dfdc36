//! What holds for all calls of one token: when the provider asks to slow down, nobody sends anything with
//! that token until the time is over, then one call tries, and the others follow when it went well. Other
//! tokens notice nothing of it. Tokens are told apart by a keyed hash: the tokens themselves are not kept.

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
/// The longest pause that is believed.
const LONGEST: Duration = Duration::from_mins(10);
/// How long the others wait for the outcome of the call that tries.
const TRIAL: Duration = Duration::from_secs(1);

/// The tokens that were asked to slow down.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    hasher: RandomState,
    pauses: Mutex<HashMap<u64, Pause>>,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    status: u16,
    message: String,
}

impl Throttles {
    /// Whether a call may be sent now; the refusal is the provider's own, with the time that is left.
    pub(super) fn check(&self, token: &Token, doing: &str) -> Result<(), ProviderError> {
        let mut pauses = self.lock();
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
        let mut pauses = self.lock();
        if let Some((after, status, message)) = asked {
            let until = Instant::now() + after.min(LONGEST);
            let pause = Pause { until, status, message: message.clone() };
            pauses.insert(token.fingerprint(&self.hasher), pause);
        } else if !pauses.is_empty() {
            pauses.remove(&token.fingerprint(&self.hasher));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Pause>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let throttles = Throttles::default();
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
}
