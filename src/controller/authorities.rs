//! Certificates of the authorities of projects, read once an hour at most, and only where a connection Secret is to hold
//! one. A certificate is no secret.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::{Duration, Instant};

/// How long a certificate that was read is used. Aiven replaces an authority years before it expires.
const FRESH: Duration = Duration::from_hours(1);

/// Certificates by project.
#[derive(Default)]
pub(super) struct Authorities(Mutex<HashMap<String, (Instant, String)>>);

impl Authorities {
    /// The certificate of `project`, if it was read recently.
    pub(super) fn known(&self, project: &str, now: Instant) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, certificate) = all.get(project)?;
        (now.saturating_duration_since(*read) < FRESH).then(|| certificate.clone())
    }

    /// Keeps what was read.
    pub(super) fn learn(&self, project: &str, certificate: &str, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (read, _)| now.saturating_duration_since(*read) < FRESH);
        all.insert(project.to_owned(), (now, certificate.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_known_for_an_hour() {
        let (authorities, read) = (Authorities::default(), Instant::now());
        authorities.learn("p", "c", read);
        assert_eq!(authorities.known("p", read + FRESH / 2).as_deref(), Some("c"));
        assert_eq!(authorities.known("other", read), None);
        assert_eq!(authorities.known("p", read + FRESH), None);
    }
}
