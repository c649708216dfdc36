//! What a pod shows: whether its server runs, has ended or has never been started, why it does not start, and how far it is
//! with other resources.

use crate::names;
use crate::quantity;
use crate::resize::{ResizeBegun, ResizeSeen, Resources};
use crate::times::utc;
use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;
use std::collections::BTreeMap;

/// Reasons of a container that waits which are no trouble.
const FINE: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// Its identity.
    pub uid: String,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
    /// What it is made of; empty while it is resized.
    pub revision: String,
    /// What it is made of but for the amounts of its resources; empty where it does not say.
    pub revision_without_resources: String,
    /// How far it is with other resources.
    pub resize: ResizeSeen,
    /// What its label says.
    pub role: Option<String>,
    /// It belongs to another owner.
    pub foreign: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// The kubelet reports that its server container does not run.
    pub ended: bool,
    /// It will never run again.
    pub finished: bool,
    /// Its server container has never been started.
    pub unstarted: bool,
    /// It was created for a cluster of one instance: when it starts, it may accept writes without the Lease.
    pub starts_alone: bool,
    /// Its readiness probe succeeds.
    pub ready: bool,
    /// Where it is.
    pub address: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// The zone of that node.
    pub zone: Option<String>,
    /// Why it does not start.
    pub problem: Option<Problem>,
}

/// Why a pod does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// It waits for a node.
    pub unscheduled: bool,
    /// In the words of Kubernetes.
    pub text: String,
}

impl PodSeen {
    /// From a pod of a cluster, or from one that stands in its way.
    pub fn of(pod: &Pod, foreign: bool) -> Self {
        let annotation = |name: &str| pod.annotations().get(name).cloned();
        let status = pod.status.clone().unwrap_or_default();
        let phase = status.phase.as_deref().unwrap_or_default();
        let finished = is_terminal(phase);
        let container = server(pod);
        let state = container.and_then(|container| container.state.as_ref());
        let running = state.is_some_and(|state| state.running.is_some());
        let ran = container.is_some_and(|container| {
            container.restart_count > 0
                || container.last_state.as_ref().is_some_and(|state| state.terminated.is_some())
        });
        let terminated = state.is_some_and(|state| state.terminated.is_some());
        let ready =
            status.conditions.iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
        Self {
            uid: pod.uid().unwrap_or_default(),
            created: pod.metadata.creation_timestamp.as_ref().and_then(utc),
            revision: annotation(names::REVISION).unwrap_or_default(),
            revision_without_resources: annotation(names::REVISION_WITHOUT_RESOURCES).unwrap_or_default(),
            resize: resize_seen(pod),
            role: pod.labels().get(names::ROLE).cloned(),
            foreign,
            deleting: pod.metadata.deletion_timestamp.is_some(),
            // What others say of a pod's end, no kubelet has seen.
            ended: terminated || (ran && !running && !finished),
            finished,
            unstarted: !finished && !running && !terminated && !ran,
            starts_alone: pod.annotations().contains_key(names::STARTS_ALONE),
            ready,
            address: status.pod_ip.clone().filter(|address| !address.is_empty()),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            zone: pod.labels().get("topology.kubernetes.io/zone").cloned(),
            problem: problem(pod),
        }
    }
}

/// Whether the pod gets other resources.
fn resize_seen(pod: &Pod) -> ResizeSeen {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let asked = containers.into_iter().find(|container| container.name == names::CONTAINER);
    let generation = pod.metadata.generation;
    let is_of_now = |seen: Option<i64>| seen.zip(generation).map(|(seen, generation)| seen >= generation);
    let status = pod.status.as_ref();
    let holds = |kind: &str| {
        let conditions = status.iter().flat_map(|status| status.conditions.iter().flatten());
        // An earlier request may have been another one.
        conditions.into_iter().any(|one| {
            one.type_ == kind && one.status == "True" && is_of_now(one.observed_generation) != Some(false)
        })
    };
    let began = pod.annotations().get(names::RESIZE_BEGAN).and_then(|began| began.split_once('/'));
    ResizeSeen {
        asked: asked.and_then(|container| container.resources.as_ref()).map(resources).unwrap_or_default(),
        actual: server(pod).and_then(|container| container.resources.as_ref()).map(resources),
        in_progress: holds("PodResizeInProgress"),
        pending: holds("PodResizePending"),
        is_known: status.and_then(|status| is_of_now(status.observed_generation)) == Some(true),
        began: began.map(|(revision, at)| ResizeBegun {
            revision: revision.to_owned(),
            // One that cannot be read was long ago.
            at: at.parse().unwrap_or_default(),
        }),
        refusal: None,
    }
}

fn resources(found: &ResourceRequirements) -> Resources {
    let amount = |amounts: &Option<BTreeMap<String, Quantity>>, name: &str| {
        amounts.as_ref().and_then(|amounts| amounts.get(name)).map(|Quantity(text)| text.clone())
    };
    Resources {
        memory: amount(&found.limits, "memory").and_then(|text| quantity::bytes(&text)).unwrap_or_default(),
        cpu: amount(&found.requests, "cpu").and_then(|text| quantity::milli(&text)),
    }
}

fn is_terminal(phase: &str) -> bool {
    ["Failed", "Succeeded"].contains(&phase)
}

/// Whether Kubernetes has given up the node of a pod: what it says of the pod's end then, no kubelet has said.
fn is_deleted_by_pod_gc(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| {
        condition.type_ == "DisruptionTarget" && condition.reason.as_deref() == Some("DeletionByPodGC")
    })
}

/// What the kubelet reports of the container of the server.
fn server(pod: &Pod) -> Option<&ContainerStatus> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    containers.into_iter().find(|container| container.name == names::CONTAINER)
}

/// Whether the kubelet has reported that the server has ended, and that no container of the pod is started any more.
pub fn has_terminated(pod: &Pod) -> bool {
    let state = server(pod).and_then(|container| container.state.as_ref());
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    state.is_some_and(|state| state.terminated.is_some())
        && phase.is_some_and(is_terminal)
        && !is_deleted_by_pod_gc(pod)
}

/// Why a pod does not start, if that will not pass by itself.
pub fn problem(pod: &Pod) -> Option<Problem> {
    let status = pod.status.as_ref()?;
    let unscheduled = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unscheduled {
        return Some(Problem { unscheduled: true, text: condition.message.clone().unwrap_or_default() });
    }
    let waiting = |container: &ContainerStatus| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| !FINE.contains(reason))?;
        let message = waiting.message.as_deref().unwrap_or_default();
        Some(format!("{reason}: {message}"))
    };
    let init = status.init_container_statuses.iter().flatten();
    let text = init.chain(status.container_statuses.iter().flatten()).find_map(waiting)?;
    Some(Problem { unscheduled: false, text })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;
    use serde_json::{Value, json};

    fn pod(phase: &str, state: &Value, conditions: &Value) -> Pod {
        let container = json!({
            "name": names::CONTAINER, "image": "x", "imageID": "x", "ready": false, "restartCount": 0, "state": state,
        });
        let status = json!({"phase": phase, "conditions": conditions, "containerStatuses": [container]});
        serde_json::from_value(json!({"metadata": {"name": "c-0"}, "status": status})).unwrap()
    }

    #[test]
    fn pod_has_terminated_when_its_kubelet_reports_it() {
        let (ended, runs) = (json!({"terminated": {"exitCode": 0}}), json!({"running": {}}));
        let collected = json!([{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}]);
        let evicted =
            json!([{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]);
        for (pod, is_over) in [
            (pod("Succeeded", &ended, &json!([])), true),
            (pod("Failed", &ended, &evicted), true),
            // Its container may be started again.
            (pod("Running", &ended, &json!([])), false),
            // Kubernetes gave up its node: no kubelet reported its end.
            (pod("Failed", &runs, &collected), false),
            (pod("Failed", &ended, &collected), false),
            (pod("Failed", &runs, &json!([])), false),
        ] {
            assert_eq!(has_terminated(&pod), is_over, "{pod:?}");
        }
        assert!(!PodSeen::of(&pod("Failed", &runs, &collected), false).ended, "its processes may run");
        assert!(!PodSeen::of(&pod("Failed", &runs, &json!([])), false).ended, "its processes may run");
        assert!(PodSeen::of(&pod("Failed", &ended, &json!([])), false).ended);
    }

    #[test]
    fn pod_shows_how_far_its_resize_is() {
        let resources = |memory: &str, cpu: &str| json!({"limits": {"memory": memory}, "requests": {"memory": memory, "cpu": cpu}});
        let container = json!({
            "name": names::CONTAINER, "image": "x", "imageID": "x", "ready": true, "restartCount": 0,
            "resources": resources("1Gi", "500m"),
        });
        let pod = |conditions: &Value| -> Pod {
            let annotations = json!({"valkeeper.io/resize-began": "abc/2026-11-28T12:00:00Z"});
            let containers = json!([
                {"name": "beside", "resources": resources("9Gi", "9")},
                {"name": names::CONTAINER, "resources": resources("2Gi", "1")},
            ]);
            serde_json::from_value(json!({
                "metadata": {"name": "c-0", "annotations": annotations, "generation": 3}, "spec": {"containers": containers},
                "status": {"conditions": conditions, "containerStatuses": [container]},
            }))
            .unwrap()
        };
        let deferred = json!([{
            "type": "PodResizePending", "status": "True", "reason": "Deferred", "message": "Node didn't have enough resource: memory",
        }]);
        let seen = PodSeen::of(&pod(&deferred), false).resize;
        assert_eq!(seen.asked, Resources { memory: 2 << 30, cpu: Some(1000) });
        assert_eq!(seen.actual, Some(Resources { memory: 1 << 30, cpu: Some(500) }));
        assert_eq!((seen.pending, seen.in_progress), (true, false));
        let at = DateTime::from_timestamp(1_795_867_200, 0).unwrap();
        assert_eq!(seen.began, Some(ResizeBegun { revision: "abc".to_owned(), at }));
        // It is about what the pod asked for before.
        let earlier = json!([{"type": "PodResizePending", "status": "True", "observedGeneration": 2}]);
        assert!(!PodSeen::of(&pod(&earlier), false).resize.pending);
        let running = json!([{"type": "PodResizeInProgress", "status": "True"}]);
        let seen = PodSeen::of(&pod(&running), false).resize;
        assert_eq!((seen.pending, seen.in_progress), (false, true));
    }
}
