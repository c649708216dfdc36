//! Nodes that fall silent: marked as unreachable once their heartbeat has not been seen to change for the
//! grace period, and their pods deleted when these no longer tolerate it. Compares no clocks but its own. While all
//! nodes are silent, nothing is deleted: it is the API then that was out of reach.

use std::collections::HashMap;
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::endpoints::is_ready;
use crate::node::cluster::{Cluster, Controller, ignore_races};
use crate::node::fit::tolerates;
use crate::node::kubelet;

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// What was seen of each node.
#[derive(Default)]
pub(crate) struct Lifecycle {
    heartbeats: HashMap<String, (String, Instant)>,
    unreachable: HashMap<String, Instant>,
}

impl Controller for Lifecycle {
    const NAME: &'static str = "node lifecycle";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let (silent, responding): (Vec<_>, Vec<_>) =
            cluster.nodes.state().into_iter().partition(|node| self.is_silent(cluster, node));
        for node in &silent {
            mark(cluster, node).await?;
            // Counted from the mark, which an API out of reach delays.
            let since = *self.unreachable.entry(node.name_any()).or_insert_with(Instant::now);
            if !responding.is_empty() {
                evict(cluster, node, since).await?;
            }
        }
        for node in responding {
            self.unreachable.remove(&node.name_any());
            if kubelet::is_ready(&node) {
                clear(cluster, &node).await?;
            }
        }
        Ok(())
    }
}

impl Lifecycle {
    fn is_silent(&mut self, cluster: &Cluster, node: &Node) -> bool {
        let lease = cluster.leases.get(&ObjectRef::new(&node.name_any()).within(kubelet::LEASES));
        let renewed =
            lease.and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref().map(|time| time.0.to_string()));
        let renewed = renewed.unwrap_or_default();
        let known =
            self.heartbeats.entry(node.name_any()).or_insert_with(|| (renewed.clone(), Instant::now()));
        if known.0 != renewed {
            *known = (renewed, Instant::now());
        }
        known.1.elapsed() > cluster.pace.grace()
    }
}

fn taints(node: &Node) -> Vec<Taint> {
    node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default()
}

async fn set_taints(cluster: &Cluster, node: &Node, taints: Vec<Taint>) -> Result<(), kube::Error> {
    let api: Api<Node> = Api::all(cluster.client.clone());
    let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
    let patch = json!({"metadata": {"resourceVersion": node.resource_version()}, "spec": {"taints": taints}});
    ignore_races(api.patch(&node.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await).map(drop)
}

/// Marks a node that is silent, and its pods as not ready.
async fn mark(cluster: &Cluster, node: &Node) -> Result<(), kube::Error> {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    if kubelet::is_ready(node) {
        let api: Api<Node> = Api::all(cluster.client.clone());
        let patch = Patch::Strategic(json!({"status": {"conditions": [{
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.", "lastTransitionTime": now,
        }]}}));
        ignore_races(api.patch_status(&node.name_any(), &PatchParams::default(), &patch).await)?;
    }
    for pod in on(cluster, node).into_iter().filter(|pod| is_ready(pod)) {
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
        let patch = Patch::Strategic(json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": now},
        ]}}));
        ignore_races(api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await)?;
    }
    let mut taints = taints(node);
    if taints.iter().any(|taint| taint.key == UNREACHABLE) {
        return Ok(());
    }
    for effect in ["NoSchedule", "NoExecute"] {
        let taint = Taint { key: UNREACHABLE.to_owned(), effect: effect.to_owned(), ..Taint::default() };
        taints.push(taint);
    }
    set_taints(cluster, node, taints).await
}

/// Takes the marks back.
async fn clear(cluster: &Cluster, node: &Node) -> Result<(), kube::Error> {
    let mut taints = taints(node);
    let before = taints.len();
    taints.retain(|taint| taint.key != UNREACHABLE && taint.key != NOT_READY);
    if taints.len() == before { Ok(()) } else { set_taints(cluster, node, taints).await }
}

fn on(cluster: &Cluster, node: &Node) -> Vec<std::sync::Arc<Pod>> {
    let name = node.name_any();
    let here =
        |pod: &std::sync::Arc<Pod>| pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) == Some(&name);
    cluster.pods.state().into_iter().filter(here).collect()
}

/// Deletes the pods that have tolerated the silence for as long as they do.
async fn evict(cluster: &Cluster, node: &Node, since: Instant) -> Result<(), kube::Error> {
    let taint = Taint { key: UNREACHABLE.to_owned(), effect: "NoExecute".to_owned(), ..Taint::default() };
    for pod in on(cluster, node).into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.clone()).unwrap_or_default();
        let mut matching = tolerations.iter().filter(|found| tolerates(std::slice::from_ref(found), &taint));
        let stays = match matching.next() {
            Some(toleration) => toleration
                .toleration_seconds
                .is_none_or(|seconds| since.elapsed() < cluster.pace.seconds(seconds)),
            None => false,
        };
        if stays {
            continue;
        }
        let options = DeleteParams {
            preconditions: Some(Preconditions { uid: pod.uid(), resource_version: None }),
            ..DeleteParams::default()
        };
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
        ignore_races(api.delete(&pod.name_any(), &options).await)?;
    }
    Ok(())
}
