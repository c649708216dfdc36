//! Webhook configurations and admission policies. They are stored and have no effect: no webhook is called,
//! no expression evaluated.

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::metadata::names;
use crate::metadata::{fields, set_default};

/// Defaults of the rules and selectors of a webhook or a policy.
fn default_match(target: &mut Value, rules: &str) {
    set_default(target, "matchPolicy", "Equivalent");
    set_default(target, "namespaceSelector", json!({}));
    set_default(target, "objectSelector", json!({}));
    for key in [rules, "excludeResourceRules"] {
        for rule in target.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            set_default(rule, "scope", "*");
        }
    }
}

pub(super) fn default_webhooks(configuration: &mut Value) {
    let mutating = configuration["kind"] == "MutatingWebhookConfiguration";
    if let Some(object) = configuration.as_object_mut() {
        object
            .retain(|key, value| key != "webhooks" || value.as_array().is_none_or(|hooks| !hooks.is_empty()));
    }
    for webhook in configuration.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        default_match(webhook, "rules");
        set_default(webhook, "failurePolicy", "Fail");
        set_default(webhook, "timeoutSeconds", 10);
        if mutating {
            set_default(webhook, "reinvocationPolicy", "Never");
        }
        if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
            set_default(service, "port", 443);
        }
    }
}

pub(super) fn default_policy(policy: &mut Value) {
    if policy["kind"] == "ValidatingAdmissionPolicy" {
        set_default(policy, "status", json!({}));
    }
    set_default(policy, "spec", json!({}));
    let spec = &mut policy["spec"];
    set_default(spec, "failurePolicy", "Fail");
    if let Some(constraints) = spec.get_mut("matchConstraints") {
        default_match(constraints, "resourceRules");
    }
}

pub(super) fn default_policy_binding(binding: &mut Value) {
    let Some(spec) = fields(binding, "spec") else { return };
    if let Some(constraints) = spec.get_mut("matchResources") {
        default_match(constraints, "resourceRules");
    }
}

pub(super) fn validate_policy(policy: &Value) -> Vec<FieldError> {
    let constraints = &policy["spec"]["matchConstraints"];
    let field = match constraints["resourceRules"].as_array() {
        _ if constraints.is_null() => "spec.matchConstraints",
        Some(rules) if !rules.is_empty() => return Vec::new(),
        _ => "spec.matchConstraints.resourceRules",
    };
    vec![FieldError::required(field, "")]
}

pub(super) fn validate_webhooks(configuration: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, webhook) in configuration["webhooks"].as_array().into_iter().flatten().enumerate() {
        validate_webhook(&format!("webhooks[{index}]"), webhook, &mut errors);
    }
    errors
}

fn validate_webhook(field: &str, webhook: &Value, errors: &mut Vec<FieldError>) {
    let name = webhook["name"].as_str().unwrap_or_default();
    let problems = names::subdomain(name);
    if name.is_empty() {
        errors.push(FieldError::required(format!("{field}.name"), ""));
    } else if problems.is_empty() && name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.push(FieldError::invalid(format!("{field}.name"), &webhook["name"], detail));
    } else {
        FieldError::extend(errors, format!("{field}.name"), name, problems);
    }
    if webhook["sideEffects"].is_null() {
        let detail = "must specify one of None, NoneOnDryRun";
        errors.push(FieldError::required(format!("{field}.sideEffects"), detail));
    }
    for (key, supported) in [
        ("sideEffects", ["None", "NoneOnDryRun"]),
        ("failurePolicy", ["Fail", "Ignore"]),
        ("matchPolicy", ["Equivalent", "Exact"]),
    ] {
        if webhook[key].as_str().is_some_and(|given| !supported.contains(&given)) {
            errors.push(FieldError::not_supported(format!("{field}.{key}"), &webhook[key], &supported));
        }
    }
    if webhook["admissionReviewVersions"].as_array().is_none_or(Vec::is_empty) {
        let detail = "must specify one of v1, v1beta1";
        errors.push(FieldError::required(format!("{field}.admissionReviewVersions"), detail));
    }
    if webhook["timeoutSeconds"].as_i64().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.push(FieldError::invalid(
            format!("{field}.timeoutSeconds"),
            &webhook["timeoutSeconds"],
            detail,
        ));
    }
    let client = &webhook["clientConfig"];
    let field = format!("{field}.clientConfig");
    match (client["url"].as_str(), client["service"].as_object()) {
        (Some(url), None) => validate_url(&format!("{field}.url"), url, errors),
        (None, Some(_)) => validate_service(&format!("{field}.service"), &client["service"], errors),
        _ => errors.push(FieldError::required(field, "exactly one of url or service is required")),
    }
}

fn validate_url(field: &str, url: &str, errors: &mut Vec<FieldError>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut invalid = |value: &str, detail: String| {
        errors.push(FieldError::invalid(field, &Value::from(value), &detail));
    };
    if scheme != "https" {
        invalid(scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        invalid("", format!("host must be specified{FORM}"));
    }
    for (part, name) in
        [(user, "user information is"), (fragment, "fragments are"), (query, "query parameters are")]
    {
        if !part.is_empty() {
            invalid(part, format!("{name} not permitted in the URL"));
        }
    }
}

fn validate_service(field: &str, service: &Value, errors: &mut Vec<FieldError>) {
    for key in ["name", "namespace"] {
        if service[key].as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(format!("{field}.{key}"), ""));
        }
    }
    if service["port"].as_i64().is_some_and(|port| !(1..=65535).contains(&port)) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(format!("{field}.port"), &service["port"], detail));
    }
    let Some(path) = service["path"].as_str().filter(|path| !["", "/"].contains(path)) else { return };
    let field = format!("{field}.path");
    let mut invalid =
        |detail: &str| errors.push(FieldError::invalid(field.as_str(), &Value::from(path), detail));
    if !path.starts_with('/') {
        invalid("must start with a '/'");
    }
    // As upstream: the first character is taken for the slash.
    let steps = path.get(1..).unwrap_or_default();
    for (index, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            invalid(&format!("segment[{index}] may not be empty"));
        } else {
            for problem in names::subdomain(step) {
                invalid(&format!("segment[{index}]: {problem}"));
            }
        }
    }
}
