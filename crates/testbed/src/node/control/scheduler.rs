//! Binds pods to nodes, their claims first. `fit` decides where a pod may run; the binder binds claims on the node
//! that this scheduler names.

use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, PersistentVolume, Pod};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::binder::SELECTED_NODE;
use crate::node::cluster::{Cluster, Controller, ignore_races};
use crate::node::fit::{Scene, choose};

/// The scheduler.
#[derive(Default)]
pub(crate) struct Scheduler {
    /// What was bound before the watch shows it.
    assumed: Vec<Pod>,
}

impl Controller for Scheduler {
    const NAME: &'static str = "scheduler";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let pods = cluster.pods.state();
        self.assumed
            .retain(|assumed| pods.iter().any(|pod| pod.uid() == assumed.uid() && node_of(pod).is_none()));
        let mut waiting: Vec<&Arc<Pod>> = pods.iter().filter(|pod| waits(pod)).collect();
        waiting.retain(|pod| !self.assumed.iter().any(|assumed| assumed.uid() == pod.uid()));
        waiting.sort_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()));
        for pod in waiting {
            self.schedule(cluster, &pods, pod).await?;
        }
        Ok(())
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).filter(|name| !name.is_empty())
}

fn waits(pod: &Pod) -> bool {
    let ours =
        pod.spec.as_ref().is_some_and(|spec| spec.scheduler_name.as_deref() == Some("default-scheduler"));
    ours && node_of(pod).is_none() && pod.metadata.deletion_timestamp.is_none()
}

fn is_finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What became of the claims of a pod.
enum Claims {
    /// All are bound to these volumes.
    Bound(Vec<Arc<PersistentVolume>>),
    /// These wait for a node.
    Waiting(Vec<String>),
    Missing(String),
}

impl Scheduler {
    async fn schedule(&mut self, cluster: &Cluster, pods: &[Arc<Pod>], pod: &Pod) -> Result<(), kube::Error> {
        let (volumes, unbound) = match claims(cluster, pod) {
            Claims::Bound(volumes) => (volumes, Vec::new()),
            Claims::Waiting(names) => (Vec::new(), names),
            Claims::Missing(message) => return refuse(cluster, pod, &message).await,
        };
        let nodes = cluster.nodes.state();
        let nodes: Vec<&Node> = nodes.iter().map(AsRef::as_ref).collect();
        let bound = pods.iter().map(AsRef::as_ref).filter(|pod| node_of(pod).is_some() && !is_finished(pod));
        let bound: Vec<&Pod> = bound.chain(&self.assumed).collect();
        let volumes: Vec<&PersistentVolume> = volumes.iter().map(AsRef::as_ref).collect();
        let node = match choose(&Scene { pod, nodes: &nodes, bound: &bound, volumes: &volumes }) {
            Ok(node) => node,
            Err(message) => return refuse(cluster, pod, &message).await,
        };
        if !unbound.is_empty() {
            return select_node(cluster, pod, &unbound, &node).await;
        }
        self.bind(cluster, pod, node).await
    }

    async fn bind(&mut self, cluster: &Cluster, pod: &Pod, node: String) -> Result<(), kube::Error> {
        let name = pod.name_any();
        let metadata = ObjectMeta { name: Some(name.clone()), uid: pod.uid(), ..ObjectMeta::default() };
        let target = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node.clone()),
            ..ObjectReference::default()
        };
        let binding = Binding { metadata, target };
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
        let answer: Result<serde_json::Value, _> =
            api.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        if ignore_races(answer)?.is_some() {
            let mut assumed = pod.clone();
            if let Some(spec) = &mut assumed.spec {
                spec.node_name = Some(node);
            }
            self.assumed.push(assumed);
        }
        Ok(())
    }
}

fn claims(cluster: &Cluster, pod: &Pod) -> Claims {
    let namespace = pod.namespace().unwrap_or_default();
    let (mut volumes, mut waiting) = (Vec::new(), Vec::new());
    let all = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    for source in all.filter_map(|volume| volume.persistent_volume_claim.as_ref()) {
        let name = &source.claim_name;
        let Some(claim) = cluster.claims.get(&ObjectRef::new(name).within(&namespace)) else {
            return Claims::Missing(format!("persistentvolumeclaim \"{name}\" not found"));
        };
        if claim.metadata.deletion_timestamp.is_some() {
            return Claims::Missing(format!("persistentvolumeclaim \"{name}\" is being deleted"));
        }
        let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
        let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
        let volume = volume.filter(|_| phase == Some("Bound"));
        match volume.and_then(|volume| cluster.volumes.get(&ObjectRef::new(volume))) {
            Some(volume) => volumes.push(volume),
            None => waiting.push(name.clone()),
        }
    }
    if waiting.is_empty() { Claims::Bound(volumes) } else { Claims::Waiting(waiting) }
}

/// Reports to the binder where the claims are needed.
async fn select_node(cluster: &Cluster, pod: &Pod, claims: &[String], node: &str) -> Result<(), kube::Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        Api::namespaced(cluster.client.clone(), &namespace);
    for name in claims {
        let known = cluster.claims.get(&ObjectRef::new(name).within(&namespace));
        if known.is_some_and(|claim| claim.annotations().contains_key(SELECTED_NODE)) {
            continue;
        }
        let patch = Patch::Merge(json!({"metadata": {"annotations": {SELECTED_NODE: node}}}));
        ignore_races(api.patch(name, &PatchParams::default(), &patch).await)?;
    }
    Ok(())
}

/// Reports why a pod is not bound.
async fn refuse(cluster: &Cluster, pod: &Pod, message: &str) -> Result<(), kube::Error> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let known = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "PodScheduled" && condition.message.as_deref() == Some(message));
    if known {
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &pod.namespace().unwrap_or_default());
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let patch = Patch::Strategic(json!({"status": {"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastTransitionTime": now,
    }]}}));
    ignore_races(api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await).map(drop)
}
