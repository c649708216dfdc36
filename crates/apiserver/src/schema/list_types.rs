//! Lists that are sets (no value twice) or maps (no keys twice).

use serde_json::{Map, Value};

use super::validate::additional_schema;
use crate::field_error::FieldError;

/// The names of the fields that identify an item, in a list that is a map.
pub(super) fn map_keys(schema: &Value) -> Option<Vec<&str>> {
    let keys =
        schema.get("x-kubernetes-list-map-keys").filter(|_| schema["x-kubernetes-list-type"] == "map")?;
    Some(keys.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// Finds what occurs twice, in the value and everything in it.
pub(super) fn check(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let (inner_schema, child) = match (schema["properties"].get(key), additional_schema(schema)) {
                    (Some(property), _) if path.is_empty() => (property, key.clone()),
                    (Some(property), _) => (property, format!("{path}.{key}")),
                    (None, Some(additional)) => (additional, format!("{path}[{key}]")),
                    (None, None) => continue,
                };
                check(inner_schema, inner, &child, errors);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), errors);
            }
            check_unique(schema, items, path, errors);
        }
        _ => {}
    }
}

fn check_unique(schema: &Value, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let identities: Vec<Value> = if let Some(keys) = map_keys(schema) {
        let identity = |item: &Value| -> Map<String, Value> {
            keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect()
        };
        items.iter().map(|item| Value::Object(identity(item))).collect()
    } else if schema["x-kubernetes-list-type"] == "set" {
        items.to_vec()
    } else {
        return;
    };
    for (index, identity) in identities.iter().enumerate() {
        if identities[..index].contains(identity) {
            errors.push(FieldError::duplicate(format!("{path}[{index}]"), identity));
        }
    }
}
