//! How a pass ends: in time, or as a failure like any other; and what the log says of it: one line when
//! failures begin, or become others, and one when they are over. Those in between are for who looks closely.

use super::{context::Context, error::PassError};
use crate::telemetry::repeats::tell_failure;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use tokio::time::{Duration, Instant};

/// Runs a pass over a resource of this kind; one that panics or takes too long has failed.
pub(super) async fn of<T>(
    context: &Context,
    kind: &'static str,
    pass: impl Future<Output = Result<T, PassError>>,
) -> Result<T, PassError> {
    let (begun, deadline) = (Instant::now(), context.settings.pass_deadline);
    let outcome = match AssertUnwindSafe(tokio::time::timeout(deadline, pass)).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            let seconds = deadline.as_secs();
            Err(PassError::Defect(format!("the pass took longer than {seconds} s")))
        }
        Err(_) => Err(PassError::Defect("the pass panicked; see the log".to_owned())),
    };
    let failed = outcome.as_ref().err().map(|error| error.class().label());
    context.metrics.pass_ended(kind, failed, begun.elapsed());
    outcome
}

/// The pass over a resource failed; answers how often in a row it did so in this way.
pub(super) fn failed(context: &Context, uid: &str, error: &PassError, retry_in: Duration) -> u32 {
    let class = error.class().label();
    let times = context.repeats.failed(uid, &format!("{class}: {error}"));
    tell_failure!(times, %error, class, ?retry_in, "pass failed");
    times
}

/// The pass over a resource went well.
pub(super) fn went_well(context: &Context, uid: &str) {
    if let Some(failures) = context.repeats.went_well(uid) {
        tracing::info!(failures, "passes go well again");
    }
}

/// A pass used the token that is kept at `source`, which metrics know by `secret_hash`, or found none there.
pub(super) fn token(context: &Context, source: &str, secret_hash: &str, error: Option<&PassError>) {
    let what = format!("token in {source}");
    match error {
        Some(error) => {
            let times = context.repeats.failed(&what, &error.to_string());
            tell_failure!(times, secret_hash, source, "no valid token");
        }
        None if context.repeats.went_well(&what).is_some() => {
            tracing::info!(secret_hash, source, "the token is valid again");
        }
        None => {}
    }
}
