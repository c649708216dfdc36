//! The columns of events, in either of their shapes.

use serde_json::Value;

use super::Column;
use super::builtin::{ago, text, wide};

pub(super) fn columns() -> Vec<Column> {
    let made = Column::made;
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
