//! The columns of the built-in kinds.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{CREATED, Column, age, events, inert, pods, storage};

pub(super) fn columns(kind: &str) -> Vec<Column> {
    let made = Column::made;
    let mut columns = vec![Column::name()];
    match kind {
        "ConfigMap" => columns.push(made("Data", |object, _| count(object, &["data", "binaryData"]))),
        "CustomResourceDefinition" => {
            columns.push(Column { description: CREATED.to_owned(), ..created_column() });
            return columns;
        }
        "EndpointSlice" => return storage::slices(),
        "Event" => return events::columns(),
        "Lease" => columns.push(made("Holder", |object, _| text(object, "/spec/holderIdentity", ""))),
        "Namespace" => columns.push(made("Status", |object, _| text(object, "/status/phase", ""))),
        "NetworkPolicy" => {
            columns.push(made("Pod-Selector", |object, _| selector(&object["spec"]["podSelector"])));
        }
        "Node" => return pods::nodes(),
        "PersistentVolume" => return storage::volumes(),
        "PersistentVolumeClaim" => return storage::claims(),
        "Pod" => return pods::pods(),
        "PriorityClass" => return storage::priorities(),
        "StorageClass" => return storage::classes(),
        "Secret" => {
            columns.push(made("Type", |object, _| text(object, "/type", "")));
            columns.push(made("Data", |object, _| count(object, &["data"])));
        }
        "Service" => {
            columns.push(made("Type", |object, _| text(object, "/spec/type", "")));
            columns.push(made("Cluster-IP", |object, _| text(object, "/spec/clusterIP", "<none>")));
            columns.push(made("External-IP", |object, _| external_address(object)));
            columns.push(made("Port(s)", |object, _| ports(object)));
            columns.push(age_column());
            columns.push(wide(made("Selector", |object, _| labels(&object["spec"]["selector"]))));
            return columns;
        }
        _ => return inert::columns(kind),
    }
    columns.push(age_column());
    columns
}

/// The same column where `kubectl` shows it only in the wide output.
pub(super) fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

pub(super) fn created_column() -> Column {
    let created = Column::made("Created At", |object, _| object["metadata"]["creationTimestamp"].clone());
    Column { kind: "date".to_owned(), ..created }
}

pub(super) fn age_column() -> Column {
    Column::made("Age", |object, now| ago(&object["metadata"]["creationTimestamp"], now))
}

pub(super) fn ago(moment: &Value, now: DateTime<Utc>) -> Value {
    let age = moment.as_str().and_then(|moment| age::since(moment, now));
    Value::from(age.unwrap_or_else(|| "<unknown>".to_owned()))
}

pub(super) fn text(object: &Value, pointer: &str, missing: &str) -> Value {
    let found = object.pointer(pointer).and_then(Value::as_str).filter(|found| !found.is_empty());
    Value::from(found.unwrap_or(missing))
}

fn count(object: &Value, fields: &[&str]) -> Value {
    let entries = fields.iter().filter_map(|field| object[*field].as_object()).map(serde_json::Map::len);
    Value::from(entries.sum::<usize>().to_string())
}

fn external_address(service: &Value) -> Value {
    let spec = &service["spec"];
    if spec["type"] == "ExternalName" {
        return text(spec, "/externalName", "<none>");
    }
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let balanced = ingress.filter_map(|found| found["ip"].as_str().or(found["hostname"].as_str()));
    let external = spec["externalIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all: Vec<&str> = balanced.chain(external).collect();
    match (all.is_empty(), spec["type"] == "LoadBalancer") {
        (false, _) => Value::from(all.join(",")),
        (true, true) => Value::from("<pending>"),
        (true, false) => Value::from("<none>"),
    }
}

fn ports(service: &Value) -> Value {
    let port = |port: &Value| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_i64().filter(|number| *number > 0) {
            Some(node) => format!("{}:{node}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    };
    joined(service["spec"]["ports"].as_array().into_iter().flatten().map(port))
}

fn pair((key, value): (&String, &Value)) -> String {
    format!("{key}={}", value.as_str().unwrap_or_default())
}

fn labels(labels: &Value) -> Value {
    joined(labels.as_object().into_iter().flatten().map(pair))
}

/// A label selector in the form of the command line, sorted by key: `a=b,c in (d,e),!f`.
pub(super) fn selector(selector: &Value) -> Value {
    let required = selector["matchLabels"].as_object().into_iter().flatten();
    let mut parts: Vec<(&str, String)> =
        required.map(|(key, value)| (key.as_str(), pair((key, value)))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let shown = match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key, shown));
    }
    parts.sort_by_key(|(key, _)| *key);
    joined(parts.into_iter().map(|(_, shown)| shown))
}

fn joined(parts: impl IntoIterator<Item = String>) -> Value {
    let all: Vec<String> = parts.into_iter().collect();
    if all.is_empty() { Value::from("<none>") } else { Value::from(all.join(",")) }
}
