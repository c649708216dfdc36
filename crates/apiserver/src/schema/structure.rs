//! Traverses an object together with its schema to drop unknown fields, name them, or fill in defaults.
//! [`unknown_fields`] omits a field exactly when [`prune`] keeps it.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::definitions;
use crate::metadata;

/// What every object may have besides the fields of its schema.
const ROOT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// From here on, floating-point numbers do not distinguish consecutive whole numbers.
const MAXIMUM_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The paths of the fields that `schema` does not declare, such as `spec.ports[0].nope`.
pub fn unknown_fields(schema: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(
        Some(schema),
        &mut object.clone(),
        &mut Visit { path: String::new(), root: true, found: &mut found },
    );
    // The API server reads metadata before it applies the schema, and embedded metadata after.
    found.sort_by_cached_key(|path| {
        (!path.starts_with("metadata."), path.contains(".metadata."), path.clone())
    });
    found
}

/// Drops the fields that `schema` does not declare, and empty parts of the metadata.
pub fn prune(schema: &Value, object: &mut Value) {
    walk(Some(schema), object, &mut Visit { path: String::new(), root: true, found: &mut Vec::new() });
    metadata::normalize(object);
}

/// Drops unknown fields from a value inside of an object.
pub(super) fn prune_value(schema: &Value, value: &mut Value) {
    walk(Some(schema), value, &mut Visit { path: String::new(), root: false, found: &mut Vec::new() });
}

struct Visit<'a> {
    path: String,
    root: bool,
    found: &'a mut Vec<String>,
}

impl Visit<'_> {
    fn child(&mut self, path: String) -> Visit<'_> {
        Visit { path, root: false, found: &mut *self.found }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn walk(schema: Option<&Value>, value: &mut Value, visit: &mut Visit<'_>) {
    let inner = schema.and_then(definitions::contained);
    match value {
        Value::Object(fields) => walk_object(inner.or(schema), fields, visit),
        Value::Array(items) => {
            let item_schema = inner.or_else(|| schema.and_then(|schema| schema.get("items")));
            if item_schema.is_none() && schema.is_some_and(preserves) {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                let path = format!("{}[{index}]", visit.path);
                walk(item_schema, item, &mut visit.child(path));
            }
        }
        Value::Number(number) if number.is_f64() => {
            // A whole number is stored without a fraction.
            if let Some(whole) =
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < MAXIMUM_WHOLE)
            {
                *value = serde_json::from_str(&format!("{whole:.0}")).unwrap_or_default();
            }
        }
        _ => {}
    }
}

fn walk_object(schema: Option<&Value>, fields: &mut Map<String, Value>, visit: &mut Visit<'_>) {
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let additional =
        schema.and_then(|schema| schema.get("additionalProperties")).filter(|found| **found != false);
    let keeps_unknown = schema.is_some_and(preserves);
    let resource = visit.root || schema.is_some_and(|schema| flag(schema, "x-kubernetes-embedded-resource"));
    let mut dropped = Vec::new();
    for (key, value) in fields.iter_mut() {
        let path = visit.join(key);
        if resource && key == "metadata" {
            walk(Some(&METADATA), value, &mut visit.child(path));
        } else if let Some(property) = properties.and_then(|properties| properties.get(key)) {
            walk(Some(property), value, &mut visit.child(path));
        } else if let Some(additional) = additional {
            walk(additional.is_object().then_some(additional), value, &mut visit.child(path));
        } else if !(keeps_unknown || resource && ROOT_FIELDS.contains(&key.as_str())) {
            dropped.push(key.clone());
            visit.found.push(path);
        }
    }
    for key in dropped {
        fields.remove(&key);
    }
}

fn preserves(schema: &Value) -> bool {
    flag(schema, "x-kubernetes-preserve-unknown-fields")
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

/// The schema of `metadata`, the same for every kind.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    definitions::builtin_schema("", "v1", "Secret")
        .and_then(|schema| schema.pointer("/properties/metadata"))
        .cloned()
        .unwrap_or_else(|| json!({"x-kubernetes-preserve-unknown-fields": true}))
});

/// Fills in the defaults of `schema` where a field is absent, or null without being nullable.
pub fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (key, property) in properties {
                    default_field(property, fields, key);
                }
            }
            if let Some(additional) = schema.get("additionalProperties").filter(|found| found.is_object()) {
                let known = schema.get("properties").and_then(Value::as_object);
                let extra = |key: &String| known.is_none_or(|known| !known.contains_key(key));
                for (_, value) in fields.iter_mut().filter(|(key, _)| extra(key)) {
                    replace_null(additional, value);
                    default(additional, value);
                }
                let drops_null = !flag(additional, "nullable");
                fields.retain(|key, value| !(drops_null && value.is_null() && extra(key)));
            }
        }
        Value::Array(items) => {
            if let Some(item_schema) = schema.get("items") {
                for item in items {
                    replace_null(item_schema, item);
                    default(item_schema, item);
                }
            }
        }
        _ => {}
    }
}

fn default_field(property: &Value, fields: &mut Map<String, Value>, key: &str) {
    let nullable = flag(property, "nullable");
    match (fields.get_mut(key), property.get("default")) {
        (None, Some(found)) => {
            fields.insert(key.to_owned(), found.clone());
        }
        (Some(value), found) if value.is_null() && !nullable => match found {
            Some(found) => *value = found.clone(),
            // The API server drops a null that is neither allowed nor replaced.
            None => {
                fields.remove(key);
            }
        },
        _ => {}
    }
    if let Some(value) = fields.get_mut(key) {
        default(property, value);
    }
}

fn replace_null(schema: &Value, value: &mut Value) {
    if value.is_null()
        && !flag(schema, "nullable")
        && let Some(found) = schema.get("default")
    {
        *value = found.clone();
    }
}
