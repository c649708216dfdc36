//! What the log says of the end of a pass: one line when failures begin, or become others, and one when they
//! are over. Those in between are for who looks closely.

use super::{context::Context, error::PassError};
use crate::telemetry::repeats::tell_failure;
use std::time::Duration;

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
