//! A token that the provider rejects is paused for all resources that use it, and for no other. After the pause, one
//! resource retries it while the other resources wait for the result. A keyed hash distinguishes tokens: the tokens
//! themselves are not stored.

use crate::{
    controller::error::ReconcileError,
    provider::{ProviderError, Token},
};
use std::{
    collections::HashMap,
    hash::RandomState,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// After this many pauses without a use, the token counts as replaced.
const FORGOTTEN_AFTER: u32 = 20;

/// The tokens that were refused.
pub(in crate::controller) struct TokenPauses {
    length: Duration,
    hasher: RandomState,
    pauses: Mutex<HashMap<u64, Pause>>,
}

struct Pause {
    until: Instant,
    answer: String,
}

impl TokenPauses {
    pub(in crate::controller) fn new(length: Duration) -> Self {
        Self { length, hasher: RandomState::new(), pauses: Mutex::default() }
    }

    /// Whether `token` may be used now. The first caller after a pause may, and the next pause begins.
    pub(in crate::controller) fn check(&self, token: &Token, source: &str) -> Result<(), ReconcileError> {
        let now = Instant::now();
        match self.lock().get_mut(&token.fingerprint(&self.hasher)) {
            Some(pause) if now < pause.until => Err(rejected(&pause.answer, source)),
            Some(pause) => {
                pause.until = now + self.length;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Records the result of using `token`, and reports it in the same words for every resource.
    pub(in crate::controller) fn learn(
        &self,
        token: &Token,
        source: &str,
        error: ReconcileError,
    ) -> ReconcileError {
        let ReconcileError::Provider(provider) = &error else { return error };
        match provider {
            ProviderError::Rejected { refusal, .. } if !refusal.genuine => error,
            ProviderError::Rejected { refusal, .. } if refusal.status == 401 => {
                let message = &refusal.message;
                let now = Instant::now();
                let mut pauses = self.lock();
                pauses.retain(|_, pause| now < pause.until + self.length * FORGOTTEN_AFTER);
                let pause = Pause { until: now + self.length, answer: message.clone() };
                pauses.insert(token.fingerprint(&self.hasher), pause);
                rejected(message, source)
            }
            ProviderError::Rejected { refusal, .. } if refusal.status < 500 => {
                self.accepted(token);
                error
            }
            _ => error,
        }
    }

    /// Notes that the provider took `token`.
    pub(in crate::controller) fn accepted(&self, token: &Token) {
        let mut pauses = self.lock();
        if !pauses.is_empty() {
            pauses.remove(&token.fingerprint(&self.hasher));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Pause>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rejected(answer: &str, source: &str) -> ReconcileError {
    ReconcileError::TokenRejected(format!(
        "Cannot use the token in {source}: Aiven rejected it (HTTP 401): {answer}. Write a valid token there."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Refusal;

    fn refusal() -> ReconcileError {
        ReconcileError::Provider(ProviderError::Rejected {
            doing: "read".to_owned(),
            refusal: Refusal {
                status: 401,
                message: "Invalid token".to_owned(),
                code: None,
                genuine: true,
                retry_after: None,
            },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn refused_token_is_retried_by_one_resource_at_a_time() {
        let pauses = TokenPauses::new(Duration::from_secs(30));
        let (bad, good) = (Token::parse("bad").unwrap(), Token::parse("good").unwrap());
        assert!(pauses.check(&bad, "s").is_ok());
        let text = pauses.learn(&bad, "Secret n/s, key k", refusal()).to_string();
        let again = pauses.check(&bad, "Secret n/s, key k").unwrap_err().to_string();
        assert_eq!(text, again, "one text, or the status would change back and forth");
        assert!(text.contains("(HTTP 401): Invalid token") && !text.contains("bad"), "{text}");
        assert!(pauses.check(&good, "s").is_ok());

        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(pauses.check(&bad, "s").is_ok(), "one tries");
        assert!(pauses.check(&bad, "s").is_err(), "the others wait");
        pauses.accepted(&bad);
        assert!(pauses.check(&bad, "s").is_ok());
    }
}
