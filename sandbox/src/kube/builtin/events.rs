//! One event in its two shapes: `v1` and `events.k8s.io/v1`. The server stores the first.

use serde_json::{Map, Value};

/// Fields of the same meaning: in `v1`, in `events.k8s.io/v1`.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Shapes an event of `events.k8s.io/v1` as `v1`.
#[must_use]
pub fn to_core(event: &Value) -> Value {
    rename(event, "v1", RENAMED.map(|(core, newer)| (newer, core)))
}

/// Shapes an event of `v1` as `events.k8s.io/v1`.
#[must_use]
pub fn from_core(event: &Value) -> Value {
    rename(event, "events.k8s.io/v1", RENAMED)
}

fn rename(event: &Value, api_version: &str, names: [(&str, &str); 7]) -> Value {
    let name = |key: &String| {
        names.iter().find(|(from, _)| from == key).map_or_else(|| key.clone(), |(_, to)| (*to).to_owned())
    };
    let mut fields: Map<String, Value> =
        event.as_object().into_iter().flatten().map(|(key, value)| (name(key), value.clone())).collect();
    fields.insert("apiVersion".to_owned(), Value::from(api_version));
    Value::Object(fields)
}
