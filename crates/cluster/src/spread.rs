//! On which nodes the pods of a cluster should be.

use crate::desired::Desired;
use crate::names;
use serde_json::{Value, json};

/// The part of an instance's spec about its place.
pub(crate) fn placement(desired: &Desired) -> Value {
    let placement = desired.spec.placement.clone().unwrap_or_default();
    let constraint = |key: &str, required: bool| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": if required { "DoNotSchedule" } else { "ScheduleAnyway" },
            "labelSelector": {"matchLabels": {names::CLUSTER: desired.name}},
        })
    };
    let mut part = node_constraints(desired);
    part["topologySpreadConstraints"] = json!([
        constraint("topology.kubernetes.io/zone", placement.zones == "Required"),
        constraint("kubernetes.io/hostname", placement.hosts == "Required"),
    ]);
    part
}

/// Nodes that any pod of a cluster may be on.
pub(crate) fn node_constraints(desired: &Desired) -> Value {
    let placement = desired.spec.placement.clone().unwrap_or_default();
    let mut part = json!({});
    if let Some(selector) = &placement.node_selector {
        part["nodeSelector"] = json!(selector);
    }
    if let Some(tolerations) = &placement.tolerations {
        part["tolerations"] = json!(tolerations);
    }
    if let Some(class) = &placement.priority_class_name {
        part["priorityClassName"] = json!(class);
    }
    part
}
