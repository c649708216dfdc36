//! Roles and their bindings. They are stored and grant nothing: every client may do everything.

use serde_json::{Value, json};

use crate::field_error::{FieldError, quoted};
use crate::metadata::names;
use crate::metadata::{fields, set_default};

const GROUP: &str = "rbac.authorization.k8s.io";

/// A role without rules gets an empty list.
pub(super) fn default_role(role: &mut Value) {
    if role["rules"].as_array().is_none_or(Vec::is_empty) {
        role["rules"] = Value::Null;
    }
}

pub(super) fn default_binding(binding: &mut Value) {
    if let Some(reference) = fields(binding, "roleRef") {
        let group = reference.entry("apiGroup").or_insert_with(|| json!(""));
        if group == "" {
            *group = json!(GROUP);
        }
    }
    for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if subject["kind"] == "User" || subject["kind"] == "Group" {
            set_default(subject, "apiGroup", GROUP);
        }
    }
}

pub(super) fn validate_role(role: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, rule) in list(&role["rules"]).iter().enumerate() {
        let field = |name: &str| format!("rules[{index}].{name}");
        let has = |name: &str| !list(&rule[name]).is_empty();
        if !has("verbs") {
            errors.push(FieldError::required(field("verbs"), "verbs must contain at least one value"));
        }
        if has("nonResourceURLs") {
            let detail = match role["kind"].as_str() {
                Some("Role") => "namespaced rules cannot apply to non-resource URLs",
                _ if ["apiGroups", "resources", "resourceNames"].into_iter().any(has) => {
                    "rules cannot apply to both regular resources and non-resource URLs"
                }
                _ => continue,
            };
            errors.push(FieldError::invalid(field("nonResourceURLs"), &rule["nonResourceURLs"], detail));
            continue;
        }
        if !has("apiGroups") {
            let detail = "resource rules must supply at least one api group";
            errors.push(FieldError::required(field("apiGroups"), detail));
        }
        if !has("resources") {
            let detail = "resource rules must supply at least one resource";
            errors.push(FieldError::required(field("resources"), detail));
        }
    }
    errors
}

pub(super) fn validate_binding(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let (reference, cluster, mut errors) = (&new["roleRef"], new["kind"] == "ClusterRoleBinding", Vec::new());
    let kinds: &[&str] = if cluster { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
    check_one_of("roleRef.apiGroup", text(reference, "apiGroup"), &[GROUP], &mut errors);
    check_one_of("roleRef.kind", text(reference, "kind"), kinds, &mut errors);
    if text(reference, "name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for (index, subject) in list(&new["subjects"]).iter().enumerate() {
        validate_subject(&format!("subjects[{index}]"), subject, cluster, &mut errors);
    }
    if old.is_some_and(|old| old["roleRef"] != *reference) {
        let part = |key: &str| quoted(text(reference, key));
        // Upstream shows its internal type.
        let shown = format!(
            "{{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}",
            part("apiGroup"),
            part("kind"),
            part("name")
        );
        errors.push(FieldError::invalid_shown("roleRef", &shown, "cannot change roleRef"));
    }
    errors
}

fn validate_subject(field: &str, subject: &Value, cluster: bool, errors: &mut Vec<FieldError>) {
    let name = text(subject, "name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{field}.name"), ""));
    }
    let group = format!("{field}.apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                FieldError::extend(errors, format!("{field}.name"), name, names::subdomain(name));
            }
            check_one_of(group, text(subject, "apiGroup"), &[""], errors);
            if cluster && text(subject, "namespace").is_empty() {
                errors.push(FieldError::required(format!("{field}.namespace"), ""));
            }
        }
        "User" | "Group" => check_one_of(group, text(subject, "apiGroup"), &[GROUP], errors),
        kind => check_one_of(format!("{field}.kind"), kind, &["ServiceAccount", "User", "Group"], errors),
    }
}

fn check_one_of(field: impl Into<String>, value: &str, supported: &[&str], errors: &mut Vec<FieldError>) {
    if !supported.contains(&value) {
        errors.push(FieldError::not_supported(field, &Value::from(value), supported));
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
