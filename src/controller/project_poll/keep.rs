//! Runs project polls: one task for each, which lists, waits, and ends when the poll has no subscribers.

use super::{ProjectPoller, ProjectPollers, lock, pause};
use crate::{
    controller::{context::Context, error::ReconcileError},
    telemetry::repeats::log_failure,
};
use futures::FutureExt as _;
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use valkeeper_engine::backoff;

impl ProjectPollers {
    /// Keeps all project polls going until `shutdown`.
    pub(in crate::controller) async fn keep(context: Arc<Context>, shutdown: CancellationToken) {
        let Some(mut to_keep) = lock(&context.project_pollers.to_keep).take() else { return };
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(poller) = to_keep.recv() => {
                    tasks.spawn(keep(Arc::clone(&context), poller).boxed());
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

/// Runs one project poll until it has no subscribers.
async fn keep(context: Arc<Context>, poller: Arc<ProjectPoller>) {
    let (mut last, mut failures) = (Instant::now(), 0);
    let mut jitter = rand::random();
    loop {
        let pause = pause(&poller.subscribers(), &context.settings, failures);
        if let Some(pause) = pause {
            let next = last + backoff::spread(pause, jitter);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = poller.hurry.notified() => continue,
            }
        } else {
            let long = tokio::time::timeout(context.settings.resync_interval, poller.hurry.notified()).await;
            if long.is_err() && context.project_pollers.retire(&poller) {
                context.metrics.fleet().unlisted(&poller.key.project);
                return;
            }
            continue;
        }
        (last, jitter) = (Instant::now(), rand::random());
        let outcome = AssertUnwindSafe(poller.list(&context)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(ReconcileError::Defect("a list panicked".to_owned())));
        match outcome {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(project = poller.key.project, failures, "project poll recovered");
                }
                failures = 0;
            }
            Err(error) => {
                failures += 1;
                log_failure!(failures, project = poller.key.project, %error, "project poll failed");
                poller.failed(error.class());
            }
        }
    }
}
