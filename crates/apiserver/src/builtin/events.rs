//! One event in its two shapes: `v1` and `events.k8s.io/v1`. The server stores the first.

use serde_json::{Map, Value};

use crate::field_error::FieldError;
use crate::metadata::names;

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
    let mut event = rename(event, "v1", RENAMED.map(|(core, newer)| (newer, core)));
    default(&mut event);
    event
}

/// Fields that are written even when empty.
pub(super) fn default(event: &mut Value) {
    if event["apiVersion"] != "v1" {
        return;
    }
    if let Some(fields) = event.as_object_mut() {
        for time in ["eventTime", "firstTimestamp", "lastTimestamp"] {
            fields.entry(time).or_insert(Value::Null);
        }
        for text in ["reportingComponent", "reportingInstance"] {
            fields.entry(text).or_insert_with(|| Value::from(""));
        }
        fields.entry("source").or_insert_with(|| Map::new().into());
    }
}

/// Shapes an event of `v1` as `events.k8s.io/v1`.
#[must_use]
pub fn from_core(event: &Value) -> Value {
    let mut event = rename(event, "events.k8s.io/v1", RENAMED);
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|_, value| value != "");
    }
    event
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

/// What is wrong with an event of either shape. The errors name the fields of `v1`.
pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let newer = new["apiVersion"] != "v1";
    let shape = |event: &Value| if newer { to_core(event) } else { event.clone() };
    let event = shape(new);
    let mut errors = validate_core(&event, if newer { "reportingController" } else { "reportingComponent" });
    if newer {
        match old {
            None => validate_newer(&event, &mut errors),
            Some(old) => validate_unchanged(&event, &shape(old), &mut errors),
        }
    }
    errors
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn validate_core(event: &Value, controller: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let involved = &event["involvedObject"]["namespace"];
    let (namespace, other) = (text(&event["metadata"], "namespace"), involved.as_str().unwrap_or_default());
    let recorded = !event["eventTime"].is_null();
    let agree = match (other.is_empty(), recorded) {
        (true, false) => namespace == "default",
        (true, true) => ["default", "kube-system"].contains(&namespace),
        (false, false) => namespace == other,
        (false, true) => true,
    };
    if !agree {
        let value = Value::from(other);
        errors.push(FieldError::invalid(
            "involvedObject.namespace",
            &value,
            "does not match event.namespace",
        ));
    }
    if recorded {
        let name = text(event, "reportingComponent");
        if name.is_empty() {
            errors.push(FieldError::required(controller, ""));
        }
        FieldError::extend(&mut errors, controller, name, names::qualified_name(name));
        for field in ["reportingInstance", "action", "reason"] {
            match text(event, field).len() {
                0 => errors.push(FieldError::required(field, "")),
                1..=128 => {}
                _ => errors.push(unshown(field, "can have at most 128 characters")),
            }
        }
        if text(event, "message").len() > 1024 {
            errors.push(unshown("message", "can have at most 1024 characters"));
        }
    }
    if event["series"]["count"].as_i64().is_some_and(|count| count < 2) {
        errors.push(unshown("series.count", "should be at least 2"));
    }
    errors
}

fn unshown(field: &str, detail: &str) -> FieldError {
    FieldError::invalid(field, &Value::from(""), detail)
}

/// What `events.k8s.io/v1` demands of a new event besides.
fn validate_newer(event: &Value, errors: &mut Vec<FieldError>) {
    if event["eventTime"].is_null() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = text(event, "type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.push(unshown("type", &format!("has invalid value: {kind}")));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        let empty = event[field].is_null()
            || event[field] == 0
            || event[field].as_object().is_some_and(Map::is_empty);
        if !empty {
            errors.push(unshown(field, "needs to be unset"));
        }
    }
}

/// Only the series of a recorded event may change.
fn validate_unchanged(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let fields = [
        ("involvedObject", "involvedObject"),
        ("reason", "reason"),
        ("message", "message"),
        ("source", "source"),
        ("firstTimestamp", "firstTimestamp"),
        ("lastTimestamp", "lastTimestamp"),
        ("count", "count"),
        ("type", "type"),
        ("related", "related"),
        ("action", "action"),
        ("reportingComponent", "reportingController"),
        ("reportingInstance", "reportingInstance"),
        ("eventTime", "eventTime"),
    ];
    for (field, shown) in fields {
        if new[field] != old[field] {
            errors.push(FieldError::invalid(shown, &new[field], "field is immutable"));
        }
    }
}
