//! Token Secrets that were read a moment ago. Thousands of resources that name one Secret read it once in a
//! few seconds; a rotated token is used a few seconds later, and immediately after the old one was refused. Each
//! read also shows whether the Secret carries the finalizer that keeps it in place.

use crate::cluster::token_secret::TokenRead;
use secrecy::SecretString;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};

/// How long a value is used.
const FRESH: Duration = Duration::from_secs(3);
/// More values than this are never kept.
const MOST: usize = 1_000;

/// Namespace and name of a token Secret.
pub(in crate::controller) type TokenSecret = (String, String);

/// Cached state of token Secrets.
#[derive(Default)]
pub(in crate::controller) struct TokenReads(Mutex<State>);

#[derive(Default)]
struct State {
    /// Values by Secret and key, with the time they were read.
    values: HashMap<(TokenSecret, String), (Instant, SecretString)>,
    /// Whether the Secret carried the finalizer when it was last read or written.
    held: HashMap<TokenSecret, bool>,
}

impl TokenReads {
    /// Drops all values.
    pub(in crate::controller) fn forget(&self) {
        self.lock().values.clear();
    }

    /// Whether the Secret carried the finalizer when it was last seen; a Secret that was never seen did not.
    pub(in crate::controller) fn is_held(&self, secret: &TokenSecret) -> bool {
        self.lock().held.get(secret).copied().unwrap_or_default()
    }

    /// Notes whether the Secret carries the finalizer.
    pub(in crate::controller) fn saw_held(&self, secret: TokenSecret, held: bool) {
        self.lock().held.insert(secret, held);
    }

    /// Drops the record that the Secret was seen.
    pub(in crate::controller) fn released(&self, secret: &TokenSecret) {
        self.lock().held.remove(secret);
    }

    pub(super) fn recall(&self, place: &(TokenSecret, String)) -> Option<SecretString> {
        let state = self.lock();
        state.values.get(place).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, value)| value.clone())
    }

    pub(super) fn keep(&self, place: (TokenSecret, String), read: Option<&TokenRead>) {
        let mut state = self.lock();
        if state.values.len() >= MOST {
            state.values.clear();
        }
        let Some(TokenRead { value, held }) = read else {
            state.held.remove(&place.0);
            return;
        };
        state.held.insert(place.0.clone(), *held);
        if let Some(value) = value {
            state.values.insert(place, (Instant::now(), value.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
