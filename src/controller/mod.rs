//! The shell around the engine: watches the custom resources, keeps each one's place in the queue,
//! gathers what the engine needs to see, performs the one step it decides on, and publishes what is
//! true afterwards. All decisions are the engine's.

mod context;
mod credentials;
mod error;
mod measure;
mod memory;
mod migration;
mod observe;
mod pass;
mod perform;
mod publish;
mod queue;
mod reconcile;
mod rest;
mod roster;
mod stream;
mod survey;
mod sync;
mod token_reads;

pub use context::{Context, Instruments, StartError, provider};

use crate::api::{Redis, Valkey};
use futures::{StreamExt as _, stream::FuturesUnordered};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Keeps all watched resources true until `shutdown`; then finishes the passes that are under way.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let namespaces = context.namespaces();
    let mut streams = FuturesUnordered::new();
    for namespace in namespaces {
        streams.push(futures::future::join(
            stream::keep::<Valkey>(context.clone(), namespace.clone(), shutdown.clone()),
            stream::keep::<Redis>(context.clone(), namespace, shutdown.clone()),
        ));
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
