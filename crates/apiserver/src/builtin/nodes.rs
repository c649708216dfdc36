//! Nodes, priority classes and endpoint slices: what pods run on, in which order, and where they are reached.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::metadata::names;
use crate::metadata::{fields, set_default};

/// A new node contains its status: kubelets register with it.
pub(super) fn default_node(node: &mut Value) {
    fields(node, "spec");
    let Some(status) = fields(node, "status") else { return };
    if let Some(capacity) = status.get("capacity").cloned() {
        status.entry("allocatable").or_insert(capacity);
    }
    status.entry("daemonEndpoints").or_insert_with(|| json!({"kubeletEndpoint": {"Port": 0}}));
    let info = status.entry("nodeInfo").or_insert_with(|| json!({}));
    for key in [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ] {
        set_default(info, key, "");
    }
}

pub(super) fn validate_node(node: &Value) -> Vec<FieldError> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let mut errors = Vec::new();
    for (index, taint) in node["spec"]["taints"].as_array().into_iter().flatten().enumerate() {
        let field = format!("spec.taints[{index}]");
        let key = taint["key"].as_str().unwrap_or_default();
        FieldError::extend(&mut errors, format!("{field}.key"), key, names::qualified_name(key));
        if !taint["effect"].as_str().is_some_and(|effect| EFFECTS.contains(&effect)) {
            errors.push(FieldError::not_supported(format!("{field}.effect"), &taint["effect"], &EFFECTS));
        }
    }
    errors
}

pub(super) fn default_priority(class: &mut Value) {
    set_default(class, "preemptionPolicy", "PreemptLowerPriority");
    set_default(class, "value", 0);
}

pub(super) fn validate_priority(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let changed = old.is_some_and(|old| old["value"] != new["value"]);
    let error = || FieldError::forbidden("value", "may not be changed in an update.");
    changed.then(error).into_iter().collect()
}

pub(super) fn default_slice(slice: &mut Value) {
    for port in slice.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set_default(port, "name", "");
        set_default(port, "protocol", "TCP");
    }
    set_default(slice, "endpoints", json!([]));
}

pub(super) fn validate_slice(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let (kind, mut errors) = (&new["addressType"], Vec::new());
    let kinds = ["FQDN", "IPv4", "IPv6"];
    if kind.as_str().is_none_or(str::is_empty) {
        errors.push(FieldError::required("addressType", ""));
    } else if !kind.as_str().is_some_and(|kind| kinds.contains(&kind)) {
        errors.push(FieldError::not_supported("addressType", kind, &kinds));
    }
    for (index, endpoint) in new["endpoints"].as_array().into_iter().flatten().enumerate() {
        let addresses = endpoint["addresses"].as_array().map_or(&[][..], Vec::as_slice);
        let field = format!("endpoints[{index}].addresses");
        if addresses.is_empty() {
            errors.push(FieldError::required(field.as_str(), "must contain at least 1 address"));
        }
        for (index, address) in addresses.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let parsed = address.as_str().and_then(|address| address.parse::<IpAddr>().ok());
            let detail = match (kind.as_str(), parsed) {
                (Some("IPv4" | "IPv6"), None) => {
                    "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
                }
                (Some("IPv4"), Some(IpAddr::V6(_))) => "must be an IPv4 address",
                (Some("IPv6"), Some(IpAddr::V4(_))) => "must be an IPv6 address",
                _ => continue,
            };
            errors.push(FieldError::invalid(field, address, detail));
        }
    }
    if old.is_some_and(|old| old["addressType"] != *kind) {
        errors.push(FieldError::invalid("addressType", kind, "field is immutable"));
    }
    errors
}
