//! The way to a cluster and to its instances, for who is not the reconciliation of that cluster.

use super::known::{Clusters, ObservedObjects, PodStore};
use crate::{cluster::metadata::is_controlled_by, ha::Fence};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use secrecy::SecretString;
use std::{collections::BTreeMap, sync::Arc};
use valkeeper_api::ValkeyCluster;
use valkeeper_cluster::{
    Defaults, Desired, Observed, PodSeen, ServingSeen, has_tls, may_serve, names, parameters,
};
use valkeeper_engine::{Connection, Replica};
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
            && is_controlled_by(&pod.metadata, &desired.uid)
    };
    let pod = shared.pods.iter().flat_map(PodStore::state).find(is_it)?;
    let seen = PodSeen::of(&pod, false);
    let reachable = seen.address.is_some() && !seen.ended;
    let door = known.door.filter(|_| reachable)?;
    door.commander(fence, &desired, names::ordinal(&desired.name, name)?, &seen).ok()
}

/// Whether every pod of this namespace is known that there was when its watch began.
pub(super) fn has_pods(pods: &[PodStore], namespace: &str) -> bool {
    let covers = |pods: &&PodStore| pods.namespace.as_deref().is_none_or(|covered| covered == namespace);
    let is_complete = |pods: &PodStore| matches!(pods.store.wait_until_ready().now_or_never(), Some(Ok(())));
    let mut covering = pods.iter().filter(covers).peekable();
    covering.peek().is_some() && covering.all(is_complete)
}

/// The instances of a cluster whose servers clients may reach, now or when they start, with a client for each that can be
/// asked; none if this process has not reconciled the cluster.
pub(in crate::controller) fn instances(
    clusters: &Clusters,
    fence: &Fence,
    desired: &Desired,
) -> Option<BTreeMap<String, Option<InstanceClient>>> {
    let (known, shared) = clusters.recall(&desired.uid);
    let door = known.door.filter(|_| has_pods(&shared.pods, &desired.namespace))?;
    let mut instances = BTreeMap::new();
    for pod in shared.pods.iter().flat_map(PodStore::state) {
        let name = pod.name_any();
        let Some(ordinal) = names::ordinal(&desired.name, &name) else { continue };
        let seen = PodSeen::of(&pod, false);
        if pod.namespace().as_deref() != Some(&desired.namespace)
            || !is_controlled_by(&pod.metadata, &desired.uid)
            || !may_serve(&seen)
        {
            continue;
        }
        let reachable = seen.address.is_some() && !seen.ended;
        let client = reachable.then(|| door.commander(fence, desired, ordinal, &seen).ok()).flatten();
        instances.insert(name, client);
    }
    // Where servers should run, their pods are not seen so far.
    let are_missing = instances.is_empty() && desired.is_powered();
    (!are_missing).then_some(instances)
}

/// How a user with this password reaches a cluster that was reconciled by this process, and what the Secrets of the cluster
/// have besides; none while either is not known.
pub(in crate::controller) fn reach(
    clusters: &Clusters,
    uses_addresses: bool,
    desired: &Desired,
    password: SecretString,
) -> Option<(Connection, BTreeMap<String, String>)> {
    let objects = clusters.recall(&desired.uid).0.objects?;
    let seen = seen(uses_addresses, &objects);
    let more = parameters::for_sentinel_clients(desired, &seen)?;
    Some((connection(desired, &seen, &objects.serving, password)?, more))
}

/// Addresses of Services, where Secrets have them instead of names.
pub(super) fn addresses(
    uses_addresses: bool,
    objects: Option<&ObservedObjects>,
) -> Option<BTreeMap<String, String>> {
    let known = || objects.map(|objects| objects.addresses.clone()).unwrap_or_default();
    uses_addresses.then(known)
}

/// What is seen of the way to a cluster.
pub(super) fn seen(uses_addresses: bool, objects: &ObservedObjects) -> Observed {
    Observed { addresses: addresses(uses_addresses, Some(objects)), ..Observed::default() }
}

/// How clients with this password reach a cluster.
pub(super) fn connection(
    desired: &Desired,
    seen: &Observed,
    serving: &ServingSeen,
    password: SecretString,
) -> Option<Connection> {
    let host = |service: String| parameters::host(desired, seen, &service);
    let port = parameters::port(desired)?.0.to_string();
    let replica = if desired.instances() > 1 {
        Replica::At { host: host(names::replica(&desired.name))?, port: port.clone() }
    } else {
        Replica::None
    };
    let leader = host(names::leader(&desired.name))?;
    if !has_tls(desired) {
        return Some(Connection::without_tls(leader, port, password, replica));
    }
    let ServingSeen::Present(serving) = serving else { return None };
    let authorities = serving.pair.authorities.iter().cloned().collect();
    Some(Connection::with_tls(leader, port, password, replica, authorities))
}
