//! The status of disruption budgets: how many of the selected pods may be evicted now. Only the pods count, not the
//! replicas that their controllers want.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::endpoints::is_ready;
use crate::node::cluster::{Cluster, Controller, ignore_races};
use crate::node::fit::selects;

/// The controller.
#[derive(Default)]
pub(crate) struct Budgets;

impl Controller for Budgets {
    const NAME: &'static str = "disruption budgets";

    async fn reconcile(&mut self, cluster: &Cluster) -> Result<(), kube::Error> {
        let pods = cluster.pods.state();
        for budget in cluster.budgets.state() {
            let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
            let selected: Vec<&Arc<Pod>> = pods
                .iter()
                .filter(|pod| pod.namespace() == budget.namespace() && selects(&selector, pod))
                .collect();
            if let Some(status) = changed_status(&budget, &selected) {
                let api: Api<PodDisruptionBudget> =
                    Api::namespaced(cluster.client.clone(), &budget.namespace().unwrap_or_default());
                let version = budget.resource_version();
                let patch = json!({"metadata": {"resourceVersion": version}, "status": status});
                let patch = Patch::Merge(patch);
                ignore_races(api.patch_status(&budget.name_any(), &PatchParams::default(), &patch).await)?;
            }
        }
        Ok(())
    }
}

/// What the status should be, if it is not.
fn changed_status(budget: &PodDisruptionBudget, pods: &[&Arc<Pod>]) -> Option<Value> {
    let status = budget.status.clone().unwrap_or_default();
    let disrupted = status.disrupted_pods.clone().unwrap_or_default();
    // An eviction that was allowed counts until the pod is seen to be going.
    let pending: Vec<&String> = disrupted
        .keys()
        .filter(|name| {
            pods.iter().any(|pod| pod.name_any() == **name && pod.metadata.deletion_timestamp.is_none())
        })
        .collect();
    let finished = |pod: &Pod| {
        matches!(pod.status.as_ref().and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
    };
    let expected = pods.iter().filter(|pod| !finished(pod)).count();
    let healthy = pods.iter().filter(|pod| {
        is_ready(pod) && pod.metadata.deletion_timestamp.is_none() && !pending.contains(&&pod.name_any())
    });
    let (healthy, desired) = (count(healthy.count()), desired(budget, count(expected)));
    let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
    let expected = count(expected);
    let observed = budget.metadata.generation;
    let same = status.observed_generation == observed
        && status.disruptions_allowed == Some(allowed)
        && status.current_healthy == Some(healthy)
        && status.desired_healthy == Some(desired)
        && status.expected_pods == Some(expected)
        && disrupted.len() == pending.len();
    if same {
        return None;
    }
    let mut pods = json!({});
    for name in disrupted.keys() {
        let kept = pending.contains(&name);
        pods[name] = if kept { json!(disrupted[name]) } else { Value::Null };
    }
    Some(json!({
        "observedGeneration": observed, "disruptionsAllowed": allowed, "currentHealthy": healthy,
        "desiredHealthy": desired, "expectedPods": expected, "disruptedPods": pods,
    }))
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn desired(budget: &PodDisruptionBudget, expected: i32) -> i32 {
    let spec = budget.spec.clone().unwrap_or_default();
    match (&spec.min_available, &spec.max_unavailable) {
        (Some(minimum), _) => amount(minimum, expected),
        (None, Some(maximum)) => (expected - amount(maximum, expected)).max(0),
        (None, None) => 0,
    }
}

/// A number, or a share of the pods that is rounded up.
fn amount(value: &IntOrString, of: i32) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            i32::try_from((percent * i64::from(of) + 99) / 100).unwrap_or(of)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_allow_what_they_leave_over() {
        let budget = |spec: Value| -> PodDisruptionBudget {
            serde_json::from_value(json!({"metadata": {"name": "b", "generation": 1}, "spec": spec})).unwrap()
        };
        let pod = |name: &str, ready: &str| {
            Arc::new(
                serde_json::from_value::<Pod>(json!({
                    "metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]},
                }))
                .unwrap(),
            )
        };
        let pods = [pod("a", "True"), pod("b", "True"), pod("c", "False")];
        let pods: Vec<&Arc<Pod>> = pods.iter().collect();
        let table = [
            (json!({"minAvailable": 1}), 1),
            (json!({"minAvailable": 2}), 0),
            (json!({"minAvailable": "50%"}), 0),
            (json!({"minAvailable": "33%"}), 1),
            (json!({"maxUnavailable": 1}), 0),
            (json!({"maxUnavailable": 2}), 1),
        ];
        for (spec, expected) in table {
            let status = changed_status(&budget(spec.clone()), &pods).unwrap();
            assert_eq!(status["disruptionsAllowed"], expected, "{spec}");
        }
        let mut known = budget(json!({"minAvailable": 1}));
        let status = changed_status(&known, &pods).unwrap();
        known.status = serde_json::from_value(status).unwrap();
        assert_eq!(changed_status(&known, &pods), None);
    }
}
