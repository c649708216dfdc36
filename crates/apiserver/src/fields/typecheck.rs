//! Whether a configuration can be applied at all: its fields are in the schema, its values have the types
//! that decide how they merge, and its lists name no entry twice. Anything else is left to validation.

use serde_json::Value;

use super::set::shown_step;
use super::shape::{entries, field};
use crate::field_error::quoted;

/// The first violation, in upstream's words: `.spec.nope: field not declared in schema`.
pub(crate) fn typecheck(schema: &Value, value: &Value) -> Option<String> {
    check(schema, value, "")
}

fn check(schema: &Value, value: &Value, path: &str) -> Option<String> {
    if value.is_null() || schema["x-kubernetes-int-or-string"] == true {
        return None;
    }
    let wrong = |expected: &str, got: String| Some(format!("{path}: expected {expected}, got {got}"));
    match (schema["type"].as_str()?, value) {
        ("object", Value::Object(fields)) => fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match field(Some(schema), name).0 {
                Some(schema) => check(schema, value, &path),
                None if keeps_unknown(schema) || is_bookkeeping(&path) => None,
                None => Some(format!("{path}: field not declared in schema")),
            }
        }),
        ("array", Value::Array(items)) => {
            let mut seen = Vec::new();
            if schema["x-kubernetes-list-type"].as_str().is_some_and(|kind| kind != "atomic") {
                for (step, _) in entries(Some(schema), value) {
                    if seen.contains(&step) {
                        return Some(format!("{path}: duplicate entries for key {}", shown_step(&step)));
                    }
                    seen.push(step);
                }
            }
            items.iter().enumerate().find_map(|(index, item)| {
                let place = seen.get(index).map_or_else(|| format!("[{index}]"), |step| shown_step(step));
                check(&schema["items"], item, &format!("{path}{place}"))
            })
        }
        ("object", _) => wrong("map", go_value(value)),
        ("array", _) => wrong("list", go_value(value)),
        ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("integer" | "number", Value::Number(_)) => None,
        ("string", _) => wrong("string", go_value(value)),
        ("boolean", _) => wrong("boolean", go_value(value)),
        ("integer" | "number", _) => wrong("numeric (int or float)", go_type(value).to_owned()),
        _ => None,
    }
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"] == true
}

fn is_bookkeeping(path: &str) -> bool {
    [".apiVersion", ".kind"].contains(&path)
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        _ => "map[string]interface {}",
    }
}

fn go_value(value: &Value) -> String {
    let shown = value.as_str().map_or_else(|| value.to_string(), quoted);
    format!("&value.valueUnstructured{{Value:{shown}}}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_merged_is_named() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer"},
            "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }});
        for (value, problem) in [
            (json!({"kind": "A", "n": 1, "s": ["a"], "free": {"x": {}}}), None),
            (json!({"nope": 1}), Some(".nope: field not declared in schema")),
            (json!({"n": "a"}), Some(".n: expected numeric (int or float), got string")),
            (json!({"s": ["a", "a"]}), Some(".s: duplicate entries for key [=\"a\"]")),
            (json!({"free": []}), Some(".free: expected map, got &value.valueUnstructured{Value:[]}")),
        ] {
            assert_eq!(typecheck(&schema, &value).as_deref(), problem);
        }
    }
}
