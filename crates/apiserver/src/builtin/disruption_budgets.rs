//! Disruption budgets of pods. They are stored and protect nothing.

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::metadata::set_default;

pub(super) fn default_create(budget: &mut Value) {
    budget["status"] =
        json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
    default(budget);
}

pub(super) fn default(budget: &mut Value) {
    set_default(budget, "spec", json!({}));
}

pub(super) fn validate(budget: &Value) -> Vec<FieldError> {
    let spec = &budget["spec"];
    if spec["minAvailable"].is_null() || spec["maxUnavailable"].is_null() {
        return Vec::new();
    }
    // In the order of upstream's type.
    let shown = ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"]
        .into_iter()
        .filter(|key| !spec[key].is_null())
        .map(|key| format!("\"{key}\":{}", spec[key]));
    let shown = format!("{{{}}}", shown.collect::<Vec<_>>().join(","));
    vec![FieldError::invalid_shown("spec", &shown, "minAvailable and maxUnavailable cannot be both set")]
}
