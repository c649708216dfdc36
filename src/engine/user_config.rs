//! Which settings have to be sent. Only keys that the spec declares are compared, because the provider
//! echoes its own defaults for all others; a key that the spec stopped declaring is reset, to its
//! default or to `null` where the provider takes that (provider behaviour: `user_config` on update).

use super::desired::Desired;
use crate::api::PropertyFacts;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What the provider puts in the place of a value it does not want to show.
pub(super) const HIDDEN: &str = "<redacted>";

/// The settings to send so that `observed` becomes what `desired` declares.
pub(super) fn changes(desired: &Desired, observed: &Map<String, Value>) -> Map<String, Value> {
    let facts = desired.kind.user_config_facts();
    let create_only = |key: &str| facts.iter().any(|fact| fact.name == key && fact.create_only);
    let mut changes = Map::new();
    for (key, wanted) in &desired.user_config {
        let current = observed.get(key).unwrap_or(&Value::Null);
        if !create_only(key) && (!same(key, wanted, current) || has_removed_member(desired, key, current)) {
            changes.insert(key.clone(), wanted.clone());
        }
    }
    for fact in facts.iter().filter(|fact| !fact.create_only) {
        if desired.was_removed(&format!("userConfig.{}", fact.name))
            && let Some(value) = reset(fact, observed.get(fact.name).unwrap_or(&Value::Null))
        {
            changes.insert(fact.name.to_owned(), value);
        }
    }
    changes
}

fn reset(fact: &PropertyFacts, current: &Value) -> Option<Value> {
    let default = fact.default.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let unset = fact.unset.and_then(|text| serde_json::from_str(text).ok());
    let target = default.or(fact.nullable.then_some(Value::Null)).or(unset)?;
    (!same(fact.name, &target, current)).then_some(target)
}

/// Sending a key replaces its whole value, so a member that the spec dropped goes with it.
fn has_removed_member(desired: &Desired, key: &str, current: &Value) -> bool {
    let Value::Object(members) = current else { return false };
    members
        .iter()
        .any(|(member, value)| !value.is_null() && desired.was_removed(&format!("userConfig.{key}.{member}")))
}

fn same(key: &str, wanted: &Value, current: &Value) -> bool {
    match (wanted, current) {
        (Value::Array(wanted), Value::Array(current)) if key == "ip_filter" => {
            networks(wanted) == networks(current)
        }
        (Value::Object(wanted), Value::Object(current)) => wanted
            .iter()
            .all(|(member, value)| same(member, value, current.get(member).unwrap_or(&Value::Null))),
        (Value::Number(wanted), Value::Number(current)) => wanted.as_f64() == current.as_f64(),
        (_, Value::String(text)) if text == HIDDEN => true,
        _ => wanted == current,
    }
}

/// The provider returns each entry in the form it was sent in, text or object, and their order means
/// nothing.
fn networks(entries: &[Value]) -> BTreeSet<(&str, &str)> {
    entries
        .iter()
        .map(|entry| match entry {
            Value::String(network) => (network.as_str(), ""),
            other => (text_of(other, "network"), text_of(other, "description")),
        })
        .collect()
}

fn text_of<'a>(entry: &'a Value, member: &str) -> &'a str {
    entry.get(member).and_then(Value::as_str).unwrap_or_default()
}
