//! How a reconciliation ends: in time, or as a failure. The log has one line when failures begin or change, and one
//! when they end. Failures in between are logged at `debug`.

use crate::{
    controller::{
        context::Context,
        error::ReconcileError,
        schedule::work_time::{RunOut, WorkTime},
    },
    telemetry::repeats::log_failure,
};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use tokio::time::{Duration, Instant};
use valkeeper_engine::failure::Class;

/// Runs a reconciliation of a resource of this kind; one that panics or takes too long has failed. `refused` finds in
/// its outcome what one request has failed with, although the reconciliation went on.
pub(in crate::controller) async fn of<T>(
    context: &Context,
    kind: &'static str,
    time: &WorkTime,
    reconciliation: impl Future<Output = Result<T, ReconcileError>>,
    refused: impl Fn(&T) -> Option<Class>,
) -> Result<T, ReconcileError> {
    let begun = Instant::now();
    let outcome = match AssertUnwindSafe(time.within_limit(reconciliation)).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(RunOut)) => {
            let seconds = time.limit().as_secs();
            Err(ReconcileError::Defect(format!("the reconciliation took longer than {seconds} s")))
        }
        Err(_) => Err(ReconcileError::Defect("the reconciliation panicked; see the log".to_owned())),
    };
    let failed = outcome.as_ref().map_or_else(|error| Some(error.class()), refused);
    context.metrics.reconciliation_ended(kind, failed.map(Class::label), begun.elapsed());
    outcome
}

/// The reconciliation of a resource failed; answers how often in a row it did so in this way.
pub(in crate::controller) fn failed(
    context: &Context,
    uid: &str,
    error: &ReconcileError,
    retry_in: Duration,
) -> u32 {
    let conflict = error.class() == Class::Conflict;
    let class = error.class().label();
    let times = context.repeats.failed(uid, &format!("{class}: {error}"));
    // Where two writers met, the next attempt finds what the other wrote: news only if it does not.
    log_failure!(times - u32::from(conflict), %error, class, ?retry_in, "reconciliation failed");
    times
}

/// The reconciliation of a resource went well.
pub(in crate::controller) fn went_well(context: &Context, uid: &str) {
    if let Some(failures) = context.repeats.went_well(uid) {
        tracing::info!(failures, "reconciliation recovered");
    }
}

/// A reconciliation used the token at `source`, or found none there. Metrics identify it by `secret_hash`.
pub(in crate::controller) fn token(
    context: &Context,
    source: &str,
    secret_hash: &str,
    error: Option<&ReconcileError>,
) {
    let what = format!("token in {source}");
    match error {
        Some(error) => {
            let times = context.repeats.failed(&what, &error.to_string());
            log_failure!(times, secret_hash, source, "no valid token");
        }
        None if context.repeats.went_well(&what).is_some() => {
            tracing::info!(secret_hash, source, "token recovered");
        }
        None => {}
    }
}
