//! The normal form of values: two that mean the same are equal in it, however they are written.

use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The key of a migration in the settings.
pub(super) const MIGRATION: &str = "migration";

/// What the provider puts in the place of a value it does not want to show.
pub(super) const HIDDEN: &str = "<redacted>";

/// A value of the settings, without the password of a migration.
pub(super) fn setting(key: &str, value: &Value) -> Value {
    match value {
        Value::Array(entries) if key == "ip_filter" => json!(networks(entries)),
        Value::Array(entries) => entries.iter().map(|entry| setting("", entry)).collect(),
        Value::Object(members) => {
            let secret = |member: &str| key == MIGRATION && member == "password";
            let shown = members.iter().filter(|(member, value)| !value.is_null() && !secret(member));
            let members: Map<_, _> =
                shown.map(|(member, value)| (member.clone(), setting(member, value))).collect();
            Value::Object(members)
        }
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), |number| json!(number)),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Whether a setting that is declared as `wanted` has its value where the provider shows `current`.
pub(super) fn same(key: &str, wanted: &Value, current: &Value) -> bool {
    match (wanted, current) {
        (Value::Object(wanted), Value::Object(current)) => wanted
            .iter()
            .all(|(member, value)| same(member, value, current.get(member).unwrap_or(&Value::Null))),
        (_, Value::String(text)) if text == HIDDEN => true,
        _ => setting(key, wanted) == setting(key, current),
    }
}

/// Addresses without regard to case and order.
pub(super) fn emails(addresses: &[String]) -> BTreeSet<String> {
    addresses.iter().map(|address| address.to_lowercase()).collect()
}

/// The provider returns each entry as text or as an object, perhaps without host bits, and in any order.
fn networks(entries: &[Value]) -> BTreeSet<(String, String)> {
    let text = |entry: &Value, member: &str| {
        entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let pair = |entry: &Value| match entry {
        Value::String(text) => (network(text), String::new()),
        other => (network(&text(other, "network")), text(other, "description")),
    };
    entries.iter().map(pair).collect()
}

fn network(text: &str) -> String {
    text.parse::<IpNet>().map_or_else(|_| text.to_owned(), |network| network.trunc().to_string())
}
