//! The columns of the built-in kinds.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{CREATED, Column, age};

pub(super) fn columns(kind: &str) -> Vec<Column> {
    let made = Column::made;
    let wide = |column: Column| Column { priority: 1, ..column };
    let mut columns = vec![Column::name()];
    match kind {
        "ConfigMap" => columns.push(made("Data", |object, _| count(object, &["data", "binaryData"]))),
        "CustomResourceDefinition" => {
            let created = made("Created At", |object, _| object["metadata"]["creationTimestamp"].clone());
            columns.push(Column { kind: "date".to_owned(), description: CREATED.to_owned(), ..created });
            return columns;
        }
        "Event" => return events(),
        "Lease" => columns.push(made("Holder", |object, _| text(object, "/spec/holderIdentity", ""))),
        "Namespace" => columns.push(made("Status", |object, _| text(object, "/status/phase", ""))),
        "NetworkPolicy" => {
            columns.push(made("Pod-Selector", |object, _| selector(&object["spec"]["podSelector"])));
        }
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
        _ => {}
    }
    columns.push(age_column());
    columns
}

fn age_column() -> Column {
    Column::made("Age", |object, now| ago(&object["metadata"]["creationTimestamp"], now))
}

fn events() -> Vec<Column> {
    let made = Column::made;
    let wide = |column: Column| Column { priority: 1, ..column };
    vec![
        made("Last Seen", |event, now| ago(last_seen(event), now)),
        made("Type", |event, _| text(event, "/type", "")),
        made("Reason", |event, _| text(event, "/reason", "")),
        made("Object", |event, _| {
            let object = either(event, "involvedObject", "regarding");
            let part = |key: &str| object[key].as_str().unwrap_or_default();
            Value::from(format!("{}/{}", part("kind").to_lowercase(), part("name")))
        }),
        wide(made("Subobject", |event, _| {
            text(either(event, "involvedObject", "regarding"), "/fieldPath", "")
        })),
        wide(made("Source", |event, _| source(event))),
        made("Message", |event, _| {
            Value::from(either(event, "message", "note").as_str().unwrap_or_default().trim())
        }),
        wide(made("First Seen", |event, now| ago(first_seen(event), now))),
        wide(made("Count", |event, _| times(event))),
        wide(Column::name()),
    ]
}

/// A field of an event in `v1`, or of the same meaning in `events.k8s.io/v1`.
fn either<'a>(event: &'a Value, core: &str, newer: &str) -> &'a Value {
    event.get(core).or_else(|| event.get(newer)).unwrap_or(&Value::Null)
}

fn last_seen(event: &Value) -> &Value {
    let series = &event["series"]["lastObservedTime"];
    let last = either(event, "lastTimestamp", "deprecatedLastTimestamp");
    if !series.is_null() {
        series
    } else if last.is_null() {
        first_seen(event)
    } else {
        last
    }
}

fn first_seen(event: &Value) -> &Value {
    let first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
    if first.is_null() { &event["eventTime"] } else { first }
}

fn times(event: &Value) -> Value {
    let series = &event["series"]["count"];
    let count = either(event, "count", "deprecatedCount");
    if !series.is_null() {
        return series.clone();
    }
    if count.is_null() || *count == 0 { Value::from(1) } else { count.clone() }
}

fn source(event: &Value) -> Value {
    let source = either(event, "source", "deprecatedSource");
    let reporter = either(event, "reportingComponent", "reportingController");
    let parts = match source["component"].as_str() {
        Some(component) => [Some(component), source["host"].as_str()],
        None => [reporter.as_str(), event["reportingInstance"].as_str()],
    };
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    Value::from(parts.join(", "))
}

fn ago(moment: &Value, now: DateTime<Utc>) -> Value {
    let age = moment.as_str().and_then(|moment| age::since(moment, now));
    Value::from(age.unwrap_or_else(|| "<unknown>".to_owned()))
}

fn text(object: &Value, pointer: &str, missing: &str) -> Value {
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
    let all: Vec<String> = service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect();
    if all.is_empty() { Value::from("<none>") } else { Value::from(all.join(",")) }
}

fn pairs(labels: &Value) -> Vec<String> {
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    labels.as_object().into_iter().flatten().map(pair).collect()
}

fn labels(labels: &Value) -> Value {
    let all = pairs(labels);
    if all.is_empty() { Value::from("<none>") } else { Value::from(all.join(",")) }
}

/// A label selector in the form of the command line: `a=b,c in (d,e),!f`.
fn selector(selector: &Value) -> Value {
    let mut parts = pairs(&selector["matchLabels"]);
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let values = values.join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    if parts.is_empty() { Value::from("<none>") } else { Value::from(parts.join(",")) }
}
