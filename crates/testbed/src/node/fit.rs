//! Where a pod may run: a pure decision from the pod, the nodes and the pods they have. Understands node
//! selectors and affinity, taints, anti-affinity, zones of volumes, and requests for CPU and memory.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume, Pod, PodAffinityTerm, Taint,
    Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};

/// What the decision is made of.
pub(super) struct Scene<'a> {
    pub(super) pod: &'a Pod,
    pub(super) nodes: &'a [&'a Node],
    /// All pods that are bound and not finished.
    pub(super) bound: &'a [&'a Pod],
    /// The volumes that the claims of the pod are bound to.
    pub(super) volumes: &'a [&'a PersistentVolume],
}

/// The node to run on, or why there is none.
pub(super) fn choose(scene: &Scene<'_>) -> Result<String, String> {
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(Load, String)> = None;
    for node in scene.nodes {
        if let Some(why) = refusal(scene, node) {
            *refusals.entry(why).or_default() += 1;
            continue;
        }
        let candidate = (load(scene, node), node.name_any());
        if best.as_ref().is_none_or(|best| candidate < *best) {
            best = Some(candidate);
        }
    }
    best.map(|(_, name)| name).ok_or_else(|| {
        let total = scene.nodes.len();
        let reasons: Vec<String> = refusals.iter().map(|(why, count)| format!("{count} {why}")).collect();
        if reasons.is_empty() {
            "no nodes available to schedule pods".to_owned()
        } else {
            format!("0/{total} nodes are available: {}.", reasons.join(", "))
        }
    })
}

/// Less is better: pods like this one in the zone and on the node, and all pods on the node.
type Load = (usize, usize, usize);

fn load(scene: &Scene<'_>, node: &Node) -> Load {
    let here: Vec<&&Pod> = on(scene, &node.name_any()).collect();
    let similar = |pod: &Pod| {
        pod.namespace() == scene.pod.namespace() && !scene.pod.labels().is_empty() && {
            let shared =
                scene.pod.labels().iter().filter(|(key, value)| pod.labels().get(*key) == Some(*value));
            2 * shared.count() >= scene.pod.labels().len()
        }
    };
    let zone = label(node, "topology.kubernetes.io/zone");
    let in_zone = scene.bound.iter().filter(|pod| {
        let name = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        let host = scene.nodes.iter().find(|node| Some(&node.name_any()) == name);
        host.is_some_and(|host| label(host, "topology.kubernetes.io/zone") == zone) && similar(pod)
    });
    (in_zone.count(), here.iter().filter(|pod| similar(pod)).count(), here.len())
}

fn on<'s>(scene: &'s Scene<'_>, name: &str) -> impl Iterator<Item = &'s &'s Pod> {
    let name = name.to_owned();
    scene
        .bound
        .iter()
        .filter(move |pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()) == Some(&name))
}

fn label(node: &Node, key: &str) -> String {
    node.labels().get(key).cloned().unwrap_or_default()
}

fn refusal(scene: &Scene<'_>, node: &Node) -> Option<String> {
    let spec = scene.pod.spec.as_ref()?;
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let host = node.spec.clone().unwrap_or_default();
    let cordoned = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    if host.unschedulable == Some(true) && !tolerates(tolerations, &cordoned) {
        return Some("node(s) were unschedulable".to_owned());
    }
    let taints = host.taints.unwrap_or_default();
    let hard = taints.iter().filter(|taint| taint.effect != "PreferNoSchedule");
    if let Some(taint) = hard.into_iter().find(|taint| !tolerates(tolerations, taint)) {
        return Some(format!("node(s) had untolerated taint(s) {{{}}}", taint.key));
    }
    let selected = spec.node_selector.iter().flatten().all(|(key, value)| label(node, key) == *value);
    let affinity = spec.affinity.clone().unwrap_or_default();
    let required =
        affinity.node_affinity.and_then(|found| found.required_during_scheduling_ignored_during_execution);
    if !selected || !required.is_none_or(|selector| matches_any(node, &selector.node_selector_terms)) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if scene.volumes.iter().any(|volume| !reaches(node, volume)) {
        return Some("node(s) had volume node affinity conflict".to_owned());
    }
    let apart = affinity
        .pod_anti_affinity
        .and_then(|found| found.required_during_scheduling_ignored_during_execution);
    if apart.iter().flatten().any(|term| is_taken(scene, node, term)) {
        return Some("node(s) didn't match pod anti-affinity rules".to_owned());
    }
    let limits = node.status.as_ref().and_then(|status| status.allocatable.clone()).unwrap_or_default();
    ["cpu", "memory"].into_iter().find_map(|name| {
        let limit = limits.get(name).and_then(|amount| nano(&amount.0))?;
        let used: i128 = on(scene, &node.name_any()).map(|pod| requested(pod, name)).sum();
        (used + requested(scene.pod, name) > limit).then(|| format!("Insufficient {name}"))
    })
}

pub(super) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let key = toleration.key.as_deref().unwrap_or_default();
        let exists = toleration.operator.as_deref() == Some("Exists");
        let value = toleration.value.as_deref().unwrap_or_default();
        (effect.is_empty() || effect == taint.effect)
            && ((key.is_empty() && exists)
                || (key == taint.key && (exists || value == taint.value.as_deref().unwrap_or_default())))
    })
}

fn matches_any(node: &Node, terms: &[NodeSelectorTerm]) -> bool {
    terms.iter().any(|term| {
        let labels = term.match_expressions.iter().flatten();
        let fields = term.match_fields.iter().flatten();
        labels.into_iter().all(|requirement| holds(node.labels().get(&requirement.key), requirement))
            && fields.into_iter().all(|requirement| holds(node.metadata.name.as_ref(), requirement))
    })
}

fn holds(value: Option<&String>, requirement: &NodeSelectorRequirement) -> bool {
    let listed =
        || value.is_some_and(|value| requirement.values.iter().flatten().any(|found| found == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

fn reaches(node: &Node, volume: &PersistentVolume) -> bool {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required.as_ref());
    required.is_none_or(|selector| matches_any(node, &selector.node_selector_terms))
}

/// Whether a pod that this one must not be beside is in the same part of the cluster.
fn is_taken(scene: &Scene<'_>, node: &Node, term: &PodAffinityTerm) -> bool {
    let here = label(node, &term.topology_key);
    scene.bound.iter().any(|pod| {
        let name = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        let host = scene.nodes.iter().find(|node| Some(&node.name_any()) == name);
        let near = host.is_some_and(|host| label(host, &term.topology_key) == here);
        let same = pod.namespace() == scene.pod.namespace();
        near && same && term.label_selector.as_ref().is_some_and(|selector| selects(selector, pod))
    })
}

/// Whether a selector selects a pod.
pub(super) fn selects(selector: &LabelSelector, pod: &Pod) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(pod.labels()))
}

/// Billionths of a resource that the containers of a pod ask for.
pub(super) fn requested(pod: &Pod, name: &str) -> i128 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let amounts = containers
        .filter_map(|container| nano(&container.resources.as_ref()?.requests.as_ref()?.get(name)?.0));
    amounts.sum()
}

/// An amount in billionths.
pub(super) fn nano(text: &str) -> Option<i128> {
    const ONE: i128 = 1_000_000_000;
    let end = text.find(|found: char| !(found.is_ascii_digit() || found == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => ONE,
        "k" => ONE * 1_000,
        "M" => ONE * 1_000_000,
        "G" => ONE * 1_000_000_000,
        "T" => ONE * 1_000_000_000_000,
        "Ki" => ONE << 10,
        "Mi" => ONE << 20,
        "Gi" => ONE << 30,
        "Ti" => ONE << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    Some(digits(whole)?.checked_mul(factor)? + digits(fraction)?.checked_mul(factor)? / scale)
}

#[cfg(test)]
mod tests;
