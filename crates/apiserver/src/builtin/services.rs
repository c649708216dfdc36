//! Services. Addresses are allotted by the server, one family only, and no node ports.

use serde_json::{Map, Value, json};

use crate::field_error::FieldError;
use crate::metadata::names;
use crate::metadata::{self, fields};

/// Default of how long a client sticks to a pod, in seconds.
const AFFINITY_SECONDS: u64 = 10800;

/// Whether the service gets an address that it does not have yet.
pub fn needs_cluster_ip(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] != "ExternalName" && spec["clusterIP"].as_str().is_none_or(str::is_empty)
}

/// Gives the service its address.
pub fn set_cluster_ip(service: &mut Value, address: &str) {
    if let Some(spec) = fields(service, "spec") {
        spec.insert("clusterIP".to_owned(), json!(address));
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
}

pub(super) fn default_create(service: &mut Value) {
    service["status"] = json!({"loadBalancer": {}});
    default(service);
}

pub(super) fn default_update(new: &mut Value, old: &Value) {
    if let Some(spec) = fields(new, "spec") {
        if spec.get("type").is_some_and(|kind| kind == "ExternalName") {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(key);
            }
        } else {
            // An address that is not repeated stays.
            let address = spec.get("clusterIP").or_else(|| old["spec"].get("clusterIP")).cloned();
            if let Some(address) = address {
                spec.insert("clusterIPs".to_owned(), json!([address]));
                spec.insert("clusterIP".to_owned(), address);
            }
        }
    }
    if let Some(status) = old.get("status") {
        new["status"] = status.clone();
    }
    default(new);
}

fn default(service: &mut Value) {
    let Some(spec) = fields(service, "spec") else { return };
    let mut set = |key: &str, value: Value| spec.entry(key).or_insert(value).clone();
    let affinity = set("sessionAffinity", json!("None"));
    let kind = set("type", json!("ClusterIP"));
    if affinity == "ClientIP" {
        set("sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}));
    }
    if kind != "ExternalName" {
        set("internalTrafficPolicy", json!("Cluster"));
        set("ipFamilies", json!(["IPv4"]));
        set("ipFamilyPolicy", json!("SingleStack"));
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        set("externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set("allocateLoadBalancerNodePorts", json!(true));
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            default_port(port);
        }
    }
    if let Some(address) = spec.get("clusterIP").cloned() {
        spec.entry("clusterIPs").or_insert_with(|| json!([address]));
    }
}

fn default_port(port: &mut Map<String, Value>) {
    port.entry("protocol").or_insert_with(|| json!("TCP"));
    let target = port.get("targetPort");
    if target.is_none_or(|target| *target == 0 || *target == "")
        && let Some(number) = port.get("port").cloned()
    {
        port.insert("targetPort".to_owned(), number);
    }
}

pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let spec = &new["spec"];
    let mut errors = Vec::new();
    let kind = spec["type"].as_str().unwrap_or_default();
    let headless = spec["clusterIP"] == "None";
    let ports: &[Value] = spec["ports"].as_array().map_or(&[], Vec::as_slice);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        validate_port(ports, index, port, &mut errors);
    }
    metadata::validate_labels("spec.selector", &spec["selector"], &mut errors);
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kinds.contains(&kind) {
        errors.push(FieldError::not_supported("spec.type", &spec["type"], &kinds));
    }
    if kind == "ExternalName" {
        match spec["externalName"]
            .as_str()
            .map(|name| name.trim_end_matches('.'))
            .filter(|name| !name.is_empty())
        {
            None => errors.push(FieldError::required("spec.externalName", "")),
            Some(name) => {
                let shown = spec["externalName"].as_str().unwrap_or_default();
                FieldError::extend(&mut errors, "spec.externalName", shown, names::subdomain(name));
            }
        }
    }
    if let Some(old) = old.filter(|_| kind != "ExternalName")
        && old["spec"]["clusterIP"].as_str().is_some_and(|address| !address.is_empty())
        && spec["clusterIP"] != old["spec"]["clusterIP"]
    {
        errors.push(FieldError::invalid("spec.clusterIPs", &spec["clusterIPs"], "field is immutable"));
    }
    errors
}

fn validate_port(ports: &[Value], index: usize, port: &Value, errors: &mut Vec<FieldError>) {
    let field = format!("spec.ports[{index}]");
    let name = port["name"].as_str().unwrap_or_default();
    if name.is_empty() && ports.len() > 1 {
        errors.push(FieldError::required(format!("{field}.name"), ""));
    } else if !name.is_empty() && ports[..index].iter().any(|other| other["name"] == name) {
        errors.push(FieldError::duplicate(format!("{field}.name"), &port["name"]));
    }
    if !port["port"].as_i64().is_some_and(|number| (1..=65535).contains(&number)) {
        let value = if port["port"].is_null() { json!(0) } else { port["port"].clone() };
        errors.push(FieldError::invalid(
            format!("{field}.port"),
            &value,
            "must be between 1 and 65535, inclusive",
        ));
    }
    let protocols = ["SCTP", "TCP", "UDP"];
    if !port["protocol"].as_str().is_some_and(|protocol| protocols.contains(&protocol)) {
        errors.push(FieldError::not_supported(format!("{field}.protocol"), &port["protocol"], &protocols));
    }
}
