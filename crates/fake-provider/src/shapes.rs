//! Odd but legal variations of service objects.

use serde_json::{Map, Value, json};

use crate::config::Shapes;

/// Varies a service object.
pub(crate) fn apply(shapes: &Shapes, body: &mut Value) {
    if shapes.extra_fields {
        add_extras(body);
    }
    if let Some(state) = &shapes.unknown_state {
        body["state"] = state.clone().into();
    }
    if let Value::Object(map) = body {
        for field in &shapes.null_fields {
            if map.contains_key(field) {
                map.insert(field.clone(), Value::Null);
            }
        }
        for field in &shapes.absent_fields {
            map.remove(field);
        }
    }
    if shapes.floats {
        floats(body);
    }
}

fn add_extras(body: &mut Value) {
    let extra = json!({"since": 2027, "list": [1, null, {}]});
    body["future_field"] = extra.clone();
    body["maintenance"]["future_field"] = extra.clone();
    body["metadata"]["future_field"] = extra.clone();
    body["features"]["future_field"] = true.into();
    if let Some(users) = body["users"].as_array_mut() {
        for user in users.iter_mut() {
            user["future_field"] = extra.clone();
        }
    }
    if let Some(components) = body["components"].as_array_mut()
        && !components.is_empty()
    {
        components.insert(
            0,
            json!({"component": "future_component", "host": "future.example.com",
            "port": 1, "route": "future_route", "usage": "future_usage"}),
        );
    }
    if let Some(list) = body["service_notifications"].as_array_mut() {
        list.push(json!({"level": "future", "type": "future", "message": "x", "metadata": {}}));
    }
}

/// Converts integers to floats.
fn floats(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = float.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(floats),
        Value::Object(map) => map.values_mut().for_each(floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Applies an RFC 7396 merge patch.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(map) = target {
        for (key, value) in patch {
            if value.is_null() {
                map.remove(key);
            } else {
                merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
