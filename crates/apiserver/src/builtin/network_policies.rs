//! Network policies: defaults only. What they select is not checked.

use serde_json::{Value, json};

use crate::metadata::{fields, set_default};

pub(super) fn default(policy: &mut Value) {
    let Some(spec) = fields(policy, "spec") else { return };
    spec.entry("podSelector").or_insert_with(|| json!({}));
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    spec.entry("policyTypes").or_insert(types);
    for direction in ["ingress", "egress"] {
        for rule in spec.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten() {
            for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                set_default(port, "protocol", "TCP");
            }
        }
    }
}
