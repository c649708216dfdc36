//! How a value merges, by its schema: as a whole, by field, or by list entry. Values without a schema merge
//! by field, and their lists as a whole.

use serde_json::{Map, Value};

use super::set::Step;

/// How a value merges.
#[derive(Debug)]
pub(super) enum Shape {
    /// As a whole.
    Leaf,
    /// By field.
    Fields,
    /// By list entry.
    Entries,
}

pub(super) fn shape(schema: Option<&Value>, value: &Value) -> Shape {
    let of = |key: &str| schema.and_then(|schema| schema.get(key)).and_then(Value::as_str);
    match value {
        Value::Object(_) if of("x-kubernetes-map-type") != Some("atomic") => Shape::Fields,
        Value::Array(_) if matches!(of("x-kubernetes-list-type"), Some("map" | "set")) => Shape::Entries,
        _ => Shape::Leaf,
    }
}

/// The schema of a field, and whether the schema names that field.
pub(super) fn field<'s>(schema: Option<&'s Value>, name: &str) -> (Option<&'s Value>, bool) {
    let Some(schema) = schema else { return (None, false) };
    match schema.get("properties").and_then(|properties| properties.get(name)) {
        Some(found) => (Some(found), true),
        None => (schema.get("additionalProperties").filter(|found| found.is_object()), false),
    }
}

/// The schema one step further, and whether the step is a field that the schema names.
pub(super) fn descend<'s>(schema: Option<&'s Value>, step: &str) -> (Option<&'s Value>, bool) {
    match step.strip_prefix("f:") {
        Some(name) => field(schema, name),
        None => (schema.and_then(|schema| schema.get("items")), false),
    }
}

/// The entries of a list that merges by entry, each with the step that identifies it.
pub(super) fn entries<'v>(schema: Option<&Value>, list: &'v Value) -> Vec<(Step, &'v Value)> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|entry| (entry_step(schema, entry), entry)).collect()
}

fn entry_step(schema: Option<&Value>, entry: &Value) -> Step {
    let keys = schema.and_then(|schema| schema.get("x-kubernetes-list-map-keys")).and_then(Value::as_array);
    let (Some(keys), Some(fields)) = (keys, entry.as_object()) else { return format!("v:{entry}") };
    let item = schema.and_then(|schema| schema.get("items"));
    let found = keys.iter().filter_map(Value::as_str).filter_map(|key| {
        let value = fields.get(key).or_else(|| field(item, key).0?.get("default"))?;
        Some((key.to_owned(), value.clone()))
    });
    format!("k:{}", Value::Object(found.collect::<Map<_, _>>()))
}
