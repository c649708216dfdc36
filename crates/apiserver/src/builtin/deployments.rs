//! Deployments. They are stored and have no effect: no pod is started, and their status is what is written.

use serde_json::{Value, json};

use super::{label_selectors, pod_templates};
use crate::field_error::FieldError;
use crate::metadata::fields;

pub(super) fn default_create(deployment: &mut Value) {
    deployment["status"] = json!({});
    default(deployment);
}

pub(super) fn default(deployment: &mut Value) {
    let Some(spec) = fields(deployment, "spec") else { return };
    let mut set = |key: &str, value: Value| {
        spec.entry(key).or_insert(value);
    };
    set("replicas", json!(1));
    set("revisionHistoryLimit", json!(10));
    set("progressDeadlineSeconds", json!(600));
    set("strategy", json!({}));
    set("template", json!({}));
    pod_templates::default(&mut spec["template"]);
    let Some(strategy) = spec["strategy"].as_object_mut() else { return };
    if strategy.entry("type").or_insert_with(|| json!("RollingUpdate")) == "RollingUpdate" {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        for key in ["maxSurge", "maxUnavailable"] {
            crate::metadata::set_default(rolling, key, "25%");
        }
    }
}

pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let (spec, mut errors) = (&new["spec"], Vec::new());
    let (selector, template) = (&spec["selector"], &spec["template"]);
    if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else {
        label_selectors::validate("spec.selector", selector, &mut errors);
        if label_selectors::is_empty(selector) {
            let detail = "empty selector is invalid for deployment";
            errors.push(FieldError::invalid("spec.selector", selector, detail));
        }
    }
    let labels = &template["metadata"]["labels"];
    // A selector that is wrong in itself matches nothing, and that is not the template's fault.
    if (errors.is_empty() || selector.is_null()) && !label_selectors::matches(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, detail));
    }
    pod_templates::validate("spec.template", template, &mut errors);
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("spec.replicas", &spec["replicas"], detail));
    }
    let strategy = &spec["strategy"];
    if strategy["type"] == "Recreate" && !strategy["rollingUpdate"].is_null() {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
    }
    if old.is_some_and(|old| old["spec"]["selector"] != *selector) {
        errors.push(FieldError::invalid("spec.selector", selector, "field is immutable"));
    }
    errors
}
