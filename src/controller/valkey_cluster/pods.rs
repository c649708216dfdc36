//! The watch of pods that belong to clusters. A pod that changes schedules a reconciliation of its cluster.

use super::known::PodStore;
use crate::controller::{context::Context, watch::sync};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    runtime::{
        WatchStreamExt as _, reflector,
        watcher::{self, Event, watcher},
    },
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use valkeeper_api::valkey_cluster;
use valkeeper_cluster::{has_terminated, names};
use valkeeper_failover::protocol::Peer;

/// What probes, metrics and logs call this watch.
const NAME: &str = "Pod";

/// Watches the pods of one namespace (`None`: of all) until `shutdown`.
pub(in crate::controller) async fn watch(
    context: Arc<Context>,
    namespace: Option<String>,
    shutdown: CancellationToken,
) {
    let api: Api<Pod> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let config = watcher::Config::default().labels(names::CLUSTER);
    let watch = watcher(api, config).default_backoff().modify(|pod| {
        pod.metadata.managed_fields = None;
    });
    let (store, mut writer) = reflector::store();
    context.clusters.add_pods(PodStore { namespace: namespace.clone(), store });
    let watch = sync::observed(watch, NAME, &context, namespace.as_deref());
    let mut watch = std::pin::pin!(watch.take_until(shutdown.cancelled_owned()));
    while let Some(event) = watch.next().await {
        let Ok(event) = event else { continue };
        writer.apply_watcher_event(&event);
        match &event {
            Event::Apply(pod) | Event::Delete(pod) | Event::InitApply(pod) => {
                record_end(&context, pod);
                wake(&context, pod);
            }
            Event::Init | Event::InitDone => {}
        }
    }
}

/// Keeps the reported end of a pod that is deleted before the next reconciliation.
fn record_end(context: &Context, pod: &Pod) {
    let owner = pod.owner_references().iter().find(|owner| owner.kind == valkey_cluster::NAME);
    if let (Some(owner), Some(uid), true) = (owner, pod.uid(), has_terminated(pod)) {
        let peer = Peer { name: pod.name_any().as_str().into(), pod: uid.as_str().into() };
        context.clusters.record_terminated_pod(&owner.uid, peer);
    }
}

fn wake(context: &Context, pod: &Pod) {
    if let Some(cluster) = pod.labels().get(names::CLUSTER) {
        context.clusters.wakers.wake(&pod.namespace().unwrap_or_default(), cluster);
    }
}
