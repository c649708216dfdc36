//! The way to one instance, for who is not the reconciliation of its cluster.

use super::{known::Clusters, pod_seen::pod_seen};
use crate::ha::Fence;
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, runtime::reflector::Store};
use std::sync::Arc;
use valkeeper_api::ValkeyCluster;
use valkeeper_cluster::{Defaults, Desired, names};
use valkeeper_instance::client::InstanceClient;

/// A client of an instance of a cluster that was reconciled by this process; none if it has no pod that can be reached,
/// or another process leads.
pub(in crate::controller) fn instance(
    clusters: &Clusters,
    fence: &Fence,
    cluster: &ValkeyCluster,
    name: &str,
) -> Option<InstanceClient> {
    let desired = Desired::of(cluster, Defaults::default());
    let (known, shared) = clusters.recall(&desired.uid);
    let is_it = |pod: &Arc<Pod>| {
        pod.namespace().as_deref() == Some(&desired.namespace)
            && pod.name_any() == name
            && is_owned(&desired, pod)
    };
    let pod = shared.pods.iter().flat_map(Store::state).find(is_it)?;
    let seen = pod_seen(&pod, false);
    let reachable = seen.address.is_some() && !seen.ended;
    let door = known.door.filter(|_| reachable)?;
    door.commander(fence, &desired, names::ordinal(&desired.name, name)?, &seen).ok()
}

fn is_owned(desired: &Desired, pod: &Pod) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == desired.uid)
}
