//! What a pod says: whether its server runs, has ended or has never been started, and why it does not start.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;
use valkeeper_cluster::{PodSeen, Problem, names, utc};

/// Reasons of a container that waits which are no trouble.
const FINE: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A pod of a cluster, or one that stands in its way.
pub(super) fn pod_seen(pod: &Pod, foreign: bool) -> PodSeen {
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    let finished = ["Failed", "Succeeded"].contains(&phase);
    let container =
        status.container_statuses.iter().flatten().find(|container| container.name == names::CONTAINER);
    let state = container.and_then(|container| container.state.as_ref());
    let running = state.is_some_and(|state| state.running.is_some());
    let ran = container.is_some_and(|container| {
        container.restart_count > 0
            || container.last_state.as_ref().is_some_and(|state| state.terminated.is_some())
    });
    let terminated = state.is_some_and(|state| state.terminated.is_some());
    let ready = status.conditions.iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
    PodSeen {
        uid: pod.uid().unwrap_or_default(),
        created: pod.metadata.creation_timestamp.as_ref().and_then(utc),
        revision: pod.annotations().get(names::REVISION).cloned().unwrap_or_default(),
        role: pod.labels().get(names::ROLE).cloned(),
        foreign,
        deleting: pod.metadata.deletion_timestamp.is_some(),
        ended: finished || terminated || (ran && !running),
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

/// Why a pod does not start, if that will not pass by itself.
pub(in crate::controller) fn problem(pod: &Pod) -> Option<Problem> {
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
