//! Patches of an object: JSON patch, JSON merge patch and strategic merge patch. Guarantees the API
//! server's failures for patches that are malformed or do not fit; server-side apply is in `fields`.

use serde_json::{Map, Value};

use crate::failure::{Answer, Failure};
use crate::protocol::request::Target;

/// A patch of a supported type.
#[derive(Clone, Debug)]
pub(crate) enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
}

/// The content type of server-side apply.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

impl Patch {
    pub(crate) fn parse(content_type: &str, body: &[u8], target: &Target) -> Answer<Self> {
        let undecodable = |error| Failure::bad_request(format!("error decoding patch: {error}"));
        let object = || match serde_json::from_slice::<Value>(body) {
            Ok(patch) if patch.is_object() => Ok(patch),
            Ok(_) => Err(undecodable("json: cannot unmarshal into an object".to_owned())),
            Err(error) => Err(undecodable(error.to_string())),
        };
        match content_type {
            "application/json-patch+json" => {
                serde_json::from_slice(body).map(Self::Json).map_err(|error| undecodable(error.to_string()))
            }
            "application/merge-patch+json" => object().map(Self::Merge),
            "application/strategic-merge-patch+json" if target.resource.builtin.is_some() => {
                object().map(Self::Strategic)
            }
            _ => {
                let mut accepted = vec!["application/json-patch+json", "application/merge-patch+json", APPLY];
                if target.resource.builtin.is_some() {
                    accepted.push("application/strategic-merge-patch+json");
                }
                Err(Failure::unsupported_media_type(&accepted.join(", ")))
            }
        }
    }

    /// What the patch makes of `live`.
    pub(crate) fn apply(&self, live: &Value, schema: &Value) -> Answer<Value> {
        let mut new = live.clone();
        match self {
            // `new` is a copy: there is nothing to undo, which the library does not always manage.
            Self::Json(patch) => {
                json_patch::patch_unsafe(&mut new, patch).map_err(|_| Failure::unprocessable())?;
            }
            Self::Merge(patch) => json_patch::merge(&mut new, patch),
            Self::Strategic(patch) => merge(Some(schema), &mut new, patch),
        }
        if new.is_object() { Ok(new) } else { Err(Failure::unprocessable()) }
    }
}

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Merges strategically: lists merge by entry where their schema requests it.
fn merge(schema: Option<&Value>, live: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *live = patch.clone();
        return;
    };
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => return *live = without_directives(patch),
        Some("delete") => return *live = Value::Null,
        _ => {}
    }
    let fields = crate::storage::object::object_mut(live);
    if let Some(retained) = changes.get(RETAIN).and_then(Value::as_array) {
        fields.retain(|key, _| retained.iter().any(|retained| retained == key));
    }
    let ordered =
        changes.iter().filter_map(|(key, order)| Some((key.strip_prefix(ORDER)?, order.as_array()?)));
    let ordered: Vec<(&str, &Vec<Value>, Value)> =
        ordered.map(|(list, order)| (list, order, fields.get(list).cloned().unwrap_or_default())).collect();
    for (key, change) in changes.iter().filter(|(key, _)| !key.starts_with('$')) {
        merge_field(property(schema, key), fields, key, change);
    }
    for (key, change) in changes {
        if let Some(list) = key.strip_prefix(DELETE)
            && let (Some(Value::Array(entries)), Some(gone)) = (fields.get_mut(list), change.as_array())
        {
            entries.retain(|entry| !gone.contains(entry));
        }
    }
    for (list, order, before) in ordered {
        if let Some(Value::Array(entries)) = fields.get_mut(list) {
            let before = before.as_array().map_or(&[][..], Vec::as_slice);
            reorder(entries, order, before, merge_key(property(schema, list)));
        }
    }
}

fn merge_field(schema: Option<&Value>, fields: &mut Map<String, Value>, key: &str, change: &Value) {
    let deleted = change.get(DIRECTIVE).is_some_and(|directive| directive == "delete");
    if change.is_null() || (deleted && change.is_object()) {
        fields.remove(key);
        return;
    }
    match change {
        Value::Object(_) => merge(schema, fields.entry(key).or_insert_with(|| Map::new().into()), change),
        Value::Array(changes) if merges(schema) => {
            let live = fields.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(entries) = live {
                merge_entries(schema, entries, changes);
            } else {
                *live = without_directives(change);
            }
        }
        _ => {
            fields.insert(key.to_owned(), without_directives(change));
        }
    }
}

fn merge_entries(schema: Option<&Value>, entries: &mut Vec<Value>, changes: &[Value]) {
    if changes.iter().any(|change| change.get(DIRECTIVE).is_some_and(|directive| directive == "replace")) {
        let replaces = |change: &&Value| {
            change.as_object().is_none_or(|fields| fields.len() > 1 || !fields.contains_key(DIRECTIVE))
        };
        *entries = changes.iter().filter(replaces).map(without_directives).collect();
        return;
    }
    let key = merge_key(schema);
    let item = schema.and_then(|schema| schema.get("items"));
    let before = entries.clone();
    for change in changes {
        let found = entries.iter().position(|entry| same_entry(entry, change, key));
        let deletes = change.get(DIRECTIVE).is_some_and(|directive| directive == "delete");
        match found {
            Some(index) if deletes => drop(entries.remove(index)),
            Some(index) if change.is_object() => merge(item, &mut entries[index], change),
            None if !deletes => {
                let mut entry = if change.is_object() { Map::new().into() } else { change.clone() };
                merge(item, &mut entry, change);
                entries.push(entry);
            }
            _ => {}
        }
    }
    reorder(entries, changes, &before, key);
}

/// Puts the entries that `order` names in that order. Each remaining entry precedes the first of these that it
/// preceded in `before`.
fn reorder(entries: &mut Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) {
    let place = |list: &[Value], entry: &Value| list.iter().position(|other| same_entry(other, entry, key));
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        entries.drain(..).partition(|entry| place(order, entry).is_some());
    named.sort_by_key(|entry| place(order, entry));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (named.peek(), others.peek()) {
            (Some(named), Some(other)) => match (place(before, other), place(before, named)) {
                (Some(other), Some(named)) => other < named,
                _ => false,
            },
            (None, _) => true,
            (Some(_), None) => false,
        };
        let next = if other_first { others.next() } else { named.next() };
        let Some(next) = next else { return };
        entries.push(next);
    }
}

fn same_entry(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => a.get(key).is_some() && a.get(key) == b.get(key),
        None => a == b,
    }
}

fn property<'s>(schema: Option<&'s Value>, key: &str) -> Option<&'s Value> {
    let schema = schema?;
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    named.or_else(|| schema.get("additionalProperties"))
}

fn merges(schema: Option<&Value>) -> bool {
    let strategy =
        schema.and_then(|schema| schema.get("x-kubernetes-patch-strategy")).and_then(Value::as_str);
    strategy.is_some_and(|strategy| strategy.split(',').any(|part| part == "merge"))
}

fn merge_key(schema: Option<&Value>) -> Option<&str> {
    schema?.get("x-kubernetes-patch-merge-key")?.as_str()
}

fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !key.starts_with("$patch") && *key != RETAIN)
            .map(|(key, value)| (key.clone(), without_directives(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_directives).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strategic(live: &Value, patch: &Value) -> Value {
        let schema = json!({"properties": {
            "ports": {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "port", "items": {}},
            "finalizers": {"x-kubernetes-patch-strategy": "merge"},
        }});
        Patch::Strategic(patch.clone()).apply(live, &schema).unwrap()
    }

    #[test]
    fn a_value_cannot_move_into_itself() {
        let live = json!({"metadata": {"name": "a"}, "data": {"a": "b"}});
        let patch =
            json!([{"op": "remove", "path": "/data/a"}, {"op": "move", "from": "/data", "path": "/data/x"}]);
        let patch = Patch::Json(serde_json::from_value(patch).unwrap());
        assert!(patch.apply(&live, &Value::Null).is_err());
        let patch = json!([{"op": "add", "path": "/data", "value": 1}, {"op": "move", "from": "", "path": "/data/x"}]);
        let patch = Patch::Json(serde_json::from_value(patch).unwrap());
        assert!(patch.apply(&live, &Value::Null).is_err());
    }

    #[test]
    fn entries_with_the_same_key_merge() {
        let live = json!({"ports": [{"port": 1, "name": "a"}, {"port": 2}]});
        let patch = json!({"ports": [{"port": 1, "name": "b"}, {"port": 3}]});
        assert_eq!(
            strategic(&live, &patch),
            json!({"ports": [{"port": 1, "name": "b"}, {"port": 3}, {"port": 2}]})
        );
    }

    #[test]
    fn directives_delete_replace_and_order() {
        let live = json!({"ports": [{"port": 1}, {"port": 2}], "finalizers": ["a", "b"], "labels": {"x": "y"}, "other": [1]});
        let patch = json!({
            "ports": [{"port": 2, "$patch": "delete"}, {"port": 3}],
            "$setElementOrder/ports": [{"port": 3}, {"port": 1}],
            "$deleteFromPrimitiveList/finalizers": ["a"],
            "labels": {"$patch": "replace", "z": "z"},
            "other": [2],
        });
        let expected = json!({"ports": [{"port": 3}, {"port": 1}], "finalizers": ["b"], "labels": {"z": "z"}, "other": [2]});
        assert_eq!(strategic(&live, &patch), expected);
    }
}
