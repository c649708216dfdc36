//! Keeps surveys going: one task for each, which makes a list, waits, and ends when nobody takes part.

use super::{Survey, Surveys, lock, pause};
use crate::{
    controller::{context::Context, error::PassError},
    telemetry::repeats::tell_failure,
};
use futures::FutureExt as _;
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use valkeeper_engine::backoff;

impl Surveys {
    /// Keeps all surveys going until `shutdown`.
    pub(in crate::controller) async fn keep(context: Arc<Context>, shutdown: CancellationToken) {
        let Some(mut to_keep) = lock(&context.surveys.to_keep).take() else { return };
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(survey) = to_keep.recv() => {
                    tasks.spawn(keep(Arc::clone(&context), survey).boxed());
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

/// Keeps one survey going until nobody takes part.
async fn keep(context: Arc<Context>, survey: Arc<Survey>) {
    let (mut last, mut failures) = (Instant::now(), 0);
    let mut jitter = rand::random();
    loop {
        let pause = pause(&survey.roster(), &context.settings, failures);
        if let Some(pause) = pause {
            let next = last + backoff::spread(pause, jitter);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = survey.hurry.notified() => continue,
            }
        } else {
            let long = tokio::time::timeout(context.settings.resync_interval, survey.hurry.notified()).await;
            if long.is_err() && context.surveys.retire(&survey) {
                context.metrics.fleet().unlisted(&survey.key.project);
                return;
            }
            continue;
        }
        (last, jitter) = (Instant::now(), rand::random());
        let outcome = AssertUnwindSafe(survey.list(&context)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(PassError::Defect("a list panicked".to_owned())));
        match outcome {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(project = survey.key.project, failures, "lists go well again");
                }
                failures = 0;
            }
            Err(error) => {
                failures += 1;
                tell_failure!(failures, project = survey.key.project, %error, "list failed");
                survey.failed(error.class());
            }
        }
    }
}
