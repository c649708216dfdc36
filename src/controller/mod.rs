//! The shell around the engine: watches the custom resources, keeps each one's place in the queue,
//! gathers what the engine needs to see, performs the one step it decides on, and publishes what is
//! true afterwards. All decisions are the engine's.

mod announcements;
mod attempt;
mod authorities;
mod backup;
mod connection_secret;
mod context;
mod counts;
mod edits;
mod error;
mod managed_service;
mod memory;
mod project_poll;
mod project_vpc;
mod reconcile;
mod refusals;
mod schedule;
mod secret_tracker;
mod service_user;
mod token_use;
mod tokens;
mod user;
mod valkey_cluster;
mod watch;
mod work_item;

pub use context::{Context, Instruments, StartError, provider};
pub use managed_service::{
    observe::service as observed_service,
    preview::{self, Action, Changed, Ordered, Preview},
};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use kube::{
    Api,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use reconcile::{Reconciled, WatchHandle};
use schedule::scheduler::{Request, Scheduler};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use valkeeper_api::{
    ProjectVpc, Redis, ServiceUser, Valkey, ValkeyBackup, ValkeyCluster, ValkeyScheduledBackup, ValkeyUser,
};
use watch::{decode::decode, malformed, store::Watched, sync};

/// Objects per page of the first list.
const PAGE: u32 = 100;

/// Reconciles all watched resources until `shutdown`; then finishes the reconciliations in progress.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let namespaces = context.namespaces();
    let mut streams = FuturesUnordered::new();
    for namespace in namespaces {
        let watch = (context.clone(), namespace, shutdown.clone());
        streams.push(keep::<Valkey>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        if context.secret_tracker.is_some() {
            streams.push(watch::secrets::keep(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        }
        streams.push(keep::<Redis>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        if context.settings.self_hosted {
            streams.push(keep::<ValkeyCluster>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
            streams.push(keep::<ValkeyBackup>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
            streams.push(
                keep::<ValkeyScheduledBackup>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed(),
            );
            streams.push(keep::<ValkeyUser>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
            streams
                .push(valkey_cluster::watch_pods(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        }
        if !context.settings.no_project_vpcs {
            streams.push(keep::<ProjectVpc>(watch.0.clone(), watch.1.clone(), watch.2.clone()).boxed());
        }
        if !context.settings.no_service_users {
            streams.push(keep::<ServiceUser>(watch.0, watch.1, watch.2).boxed());
        }
    }
    let waiting_stops = async {
        shutdown.cancelled().await;
        // Reconciliations in progress finish; those that only wait for a permit do not begin.
        context.queue.close();
        context.cluster_queue.close();
    };
    let reconciliations = async { while streams.next().await.is_some() {} };
    let pollers = project_poll::ProjectPollers::keep(context.clone(), shutdown.clone());
    futures::future::join3(waiting_stops, reconciliations, pollers).await;
}

/// Watches one kind in one namespace (`None`: in all) and reconciles them until `shutdown`.
async fn keep<K: Reconciled>(context: Arc<Context>, namespace: Option<String>, shutdown: CancellationToken) {
    let api: Api<DeserializeGuard<K>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (malformed, to_mark) = mpsc::unbounded_channel();
    let marking = malformed::keep_marking::<K>(context.client.clone(), context.settings.retry, to_mark);
    let watch = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let watch = sync::observed(watch, K::NAME, &context, namespace.as_deref());
    let (requester, mut wakes) = mpsc::unbounded_channel();
    let wakes = futures::stream::poll_fn(move |cx| wakes.poll_recv(cx)).map(Request::One);
    let gone = context.clone();
    let mut watched = Watched::new(move |object| gone.forget(object.uid(), object.name()));
    context.owners.add(watched.store());
    K::watched(&context, watched.store());
    let handle = Arc::new(WatchHandle { store: watched.store(), requester });
    let watched = decode(watch, malformed).filter_map(move |event| std::future::ready(watched.handle(event)));
    let reconciliations = Scheduler::new(move |reference, call| {
        reconcile::process(context.clone(), handle.clone(), reference, call).boxed()
    });
    let reconciliations = reconciliations.give(futures::stream::select(wakes, watched), shutdown);
    futures::future::join(reconciliations, marking).await;
}
