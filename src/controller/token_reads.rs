//! Token Secrets that were read a moment ago. Thousands of resources that name one Secret read it once in a
//! few seconds; a rotated token is used a few seconds later, and at once after the old one was refused.

use super::{context::Context, error::PassError};
use crate::cluster::secrets;
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

/// Namespace, name and key.
type Place = (String, String, String);

/// Values with the time they were read.
#[derive(Default)]
pub(super) struct TokenReads(Mutex<HashMap<Place, (Instant, SecretString)>>);

impl TokenReads {
    /// Forgets all values.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn recall(&self, place: &Place) -> Option<SecretString> {
        let reads = self.lock();
        reads.get(place).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, value)| value.clone())
    }

    fn keep(&self, place: Place, value: SecretString) {
        let mut reads = self.lock();
        if reads.len() >= MOST {
            reads.clear();
        }
        reads.insert(place, (Instant::now(), value));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, (Instant, SecretString)>> {
        // A panic while the lock was held leaves a map that is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a key, as [`secrets::read_key`] has it.
pub(super) async fn key(
    context: &Context,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Option<Option<SecretString>>, PassError> {
    let place = (namespace.to_owned(), name.to_owned(), key.to_owned());
    if let Some(value) = context.token_reads.recall(&place) {
        return Ok(Some(Some(value)));
    }
    let value = secrets::read_key(&context.client, namespace, name, key).await?;
    if let Some(Some(value)) = &value {
        context.token_reads.keep(place, value.clone());
    }
    Ok(value)
}
