//! Which resources a kubelet grants the containers of a pod that asks for others while it runs. Pure: from the pod, its
//! neighbours and the node. Nothing here limits what processes use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};
use kube::ResourceExt as _;

use super::fit::{nano, requested};

/// What is granted, by container, and why nothing else is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Granted {
    pub(super) resources: BTreeMap<String, ResourceRequirements>,
    pub(super) pending: Option<Pending>,
}

/// Why a resize is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What the containers of a pod ask for.
fn asked(spec: &PodSpec) -> BTreeMap<String, ResourceRequirements> {
    let of = |container: &k8s_openapi::api::core::v1::Container| {
        (container.name.clone(), container.resources.clone().unwrap_or_default())
    };
    spec.containers.iter().map(of).collect()
}

impl Granted {
    /// What a pod is started with, for which the scheduler found room.
    pub(super) fn at_start(spec: &PodSpec) -> Self {
        Self { resources: asked(spec), pending: None }
    }

    /// What is granted now that the pod asks for this, beside these pods, on a node with so much of each resource.
    pub(super) fn next(&self, pod: &Pod, all: &[&Pod], node: &BTreeMap<&str, String>) -> Self {
        let asked = asked(&pod.spec.clone().unwrap_or_default());
        if asked == self.resources {
            return Self { resources: asked, pending: None };
        }
        let is_over = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase.is_some_and(|phase| ["Failed", "Succeeded"].contains(&phase))
        };
        let others = all.iter().filter(|other| other.uid() != pod.uid() && !is_over(other));
        let lacks = |beside: i128, name: &str| {
            let room = node.get(name).and_then(|amount| nano(amount)).unwrap_or_default();
            beside + requested(pod, name) > room
        };
        let pending = ["cpu", "memory"].into_iter().find_map(|name| {
            let beside = others.clone().map(|other| requested(other, name)).sum();
            let (reason, message) = match (lacks(0, name), lacks(beside, name)) {
                (true, _) => ("Infeasible", format!("Node didn't have enough capacity: {name}")),
                (_, true) => ("Deferred", format!("Node didn't have enough resource: {name}")),
                _ => return None,
            };
            Some(Pending { reason, message })
        });
        match pending {
            Some(pending) => Self { resources: self.resources.clone(), pending: Some(pending) },
            None => Self { resources: asked, pending: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(uid: &str, memory: &str) -> Pod {
        let resources = json!({"limits": {"memory": memory}, "requests": {"memory": memory}});
        let spec = json!({"containers": [{"name": "c", "resources": resources}]});
        serde_json::from_value(json!({"metadata": {"uid": uid}, "spec": spec})).unwrap()
    }

    #[test]
    fn resize_is_granted_where_the_node_has_room() {
        let (node, other) = ([("memory", "4Gi".to_owned()), ("cpu", "4".to_owned())].into(), pod("b", "2Gi"));
        let granted = Granted::at_start(pod("a", "1Gi").spec.as_ref().unwrap());
        for (memory, expected) in [("2Gi", None), ("3Gi", Some("Deferred")), ("5Gi", Some("Infeasible"))] {
            let asks = pod("a", memory);
            let next = granted.next(&asks, &[&pod("a", "1Gi"), &other], &node);
            assert_eq!(next.pending.as_ref().map(|pending| pending.reason), expected, "{memory}");
            let given = next.resources["c"].limits.as_ref().unwrap()["memory"].0.clone();
            assert_eq!(given, if expected.is_none() { memory } else { "1Gi" });
        }
    }
}
