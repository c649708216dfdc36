//! The shell around the engine: watches the custom resources, keeps each one's place in the queue,
//! gathers what the engine needs to see, performs the one step it decides on, and publishes what is
//! true afterwards. All decisions are the engine's.

mod cached;
mod context;
mod credentials;
mod error;
mod facts;
mod malformed;
mod measure;
mod memory;
mod migration;
mod observe;
mod outcome;
mod pass;
mod perform;
mod publish;
mod queue;
mod reconcile;
mod rest;
mod secret_news;
mod secret_watch;
mod stream;
mod survey;
mod sync;
mod token_pauses;
mod token_reads;
mod turns;
mod vpc;
mod vpc_reference;
mod watched;

pub use context::{Context, Instruments, StartError, provider};
pub use observe::service as observed_service;

use crate::api::{ProjectVpc, Redis, Valkey};
use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Keeps all watched resources true until `shutdown`; then finishes the passes that are under way.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let namespaces = context.namespaces();
    let mut streams = FuturesUnordered::new();
    for namespace in namespaces {
        let watch = (context.clone(), namespace, shutdown.clone());
        streams.push(stream::keep::<Valkey>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        if context.secret_news.is_some() {
            streams.push(secret_watch::keep(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        }
        streams.push(stream::keep::<Redis>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        if !context.settings.no_project_vpcs {
            streams.push(stream::keep::<ProjectVpc>(watch.0, watch.1, watch.2).boxed());
        }
    }
    let waiting_stops = async {
        shutdown.cancelled().await;
        // Passes under way end in peace; those that only wait for a permit do not begin.
        context.queue.close();
    };
    let turns = async { while streams.next().await.is_some() {} };
    let surveys = survey::Surveys::keep(context.clone(), shutdown.clone());
    futures::future::join3(waiting_stops, turns, surveys).await;
}
