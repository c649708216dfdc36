//! Rules for the shape of a connection: names of keys and ConfigMaps, and keys that would be written twice.
//!
//! The schema checks templates themselves. The API server cannot check the names of keys in a map, so the operator and
//! `valkeeper validate` do.

use serde_json::{Map, Value};

use super::bounds::shown;
use super::{Violation, syntax};
use crate::Kind;
use crate::connection_shape::preset_keys;
use crate::field_path::FieldPath;

/// The longest key of a Secret or ConfigMap.
const LONGEST: usize = 253;
/// What connection Secrets always have, after the prefix.
const USUAL: [&str; 5] = ["HOST", "PORT", "USER", "PASSWORD", "SSL"];
/// The entries of a service binding.
const BINDING: [&str; 7] = ["type", "provider", "host", "port", "username", "password", "uri"];
/// The longest key of a connection ConfigMap, after the prefix.
const LONGEST_IN_CONFIG_MAP: &str = "REPLICA_HOST";

const SECRET: &str = "connInfoSecretTarget";
const CONFIG_MAP: &str = "connInfoConfigMapTarget";

/// The violations in the targets of a `spec`.
pub(super) fn check(kind: Kind, spec: &Map<String, Value>) -> Vec<Violation> {
    let target = |name: &str| spec.get(name).and_then(Value::as_object);
    let mut found = Vec::new();
    if let Some(target) = target(SECRET) {
        found.extend(keys(kind, target));
    }
    if let Some(target) = target(CONFIG_MAP) {
        found.extend(config_map(target));
    }
    found
}

fn texts<'s>(target: &'s Map<String, Value>, list: &str) -> impl Iterator<Item = &'s str> {
    target.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn keys(kind: Kind, target: &Map<String, Value>) -> Vec<Violation> {
    let Some(keys) = target.get("keys").and_then(Value::as_object) else { return Vec::new() };
    let taken = taken(kind, target);
    let mut found = Vec::new();
    for key in keys.keys() {
        let rule = if key.is_empty() || key.len() > LONGEST || !syntax::is_secret_key_text(key) {
            "must be a key of a Secret: 1 to 253 letters, digits, -, _ and ."
        } else if taken.contains(key) {
            "is a key that the operator writes already: choose another name"
        } else {
            continue;
        };
        let field = FieldPath::of(&["spec", SECRET, "keys"]).key(key);
        found.push(Violation { field, value: String::new(), rule: rule.to_owned() });
    }
    found
}

/// The keys that the target requests otherwise.
fn taken(kind: Kind, target: &Map<String, Value>) -> Vec<String> {
    let prefix = target.get("prefix").and_then(Value::as_str).unwrap_or(kind.secret_prefix());
    let prefixed = USUAL.into_iter().chain(texts(target, "extraKeys")).map(|key| format!("{prefix}{key}"));
    let presets = texts(target, "presets").flat_map(|preset| preset_keys(preset, prefix));
    let bare = USUAL.into_iter().filter(|_| kind.wrote_bare_keys());
    let binds = target.get("serviceBinding") == Some(&Value::Bool(true));
    let binding = BINDING.into_iter().filter(|_| binds);
    prefixed.chain(presets).chain(bare.chain(binding).map(str::to_owned)).collect()
}

fn config_map(target: &Map<String, Value>) -> Vec<Violation> {
    let path = FieldPath::of(&["spec", CONFIG_MAP]);
    let mut found = Vec::new();
    let mut report = |field: FieldPath, value: &str, rule: &str| {
        let value = if value.is_empty() { String::new() } else { shown(&value.into()) };
        found.push(Violation { field, value, rule: rule.to_owned() });
    };
    let text = |name: &str| target.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(name) = text("name").filter(|name| !syntax::is_object_name(name)) {
        report(path.key("name"), name, "must be a possible name of a ConfigMap");
    }
    let possible = |prefix: &str| {
        syntax::is_secret_key_text(prefix) && prefix.len() + LONGEST_IN_CONFIG_MAP.len() <= LONGEST
    };
    if let Some(prefix) = text("prefix").filter(|prefix| !possible(prefix)) {
        report(path.key("prefix"), prefix, "must start a key of a ConfigMap: letters, digits, -, _ and .");
    }
    for map in ["labels", "annotations"] {
        let entries = target.get(map).and_then(Value::as_object).into_iter().flatten();
        for (key, value) in entries {
            let value = value.as_str().unwrap_or_default();
            let field = path.key(map).key(key);
            if !syntax::is_label_key(key) {
                report(field, "", "must have the key of a label, such as example.com/team");
            } else if map == "labels" && !syntax::is_label_value(value) {
                let rule = "must be the value of a label: up to 63 letters, digits, -, _ and .";
                report(field, value, rule);
            }
        }
    }
    found
}
