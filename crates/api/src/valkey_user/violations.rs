//! Judges the spec of a `ValkeyUser`: the bounds of its schema, and names that are not free.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

use super::{NAME_PATTERN, NAME_RULE, OWN_USERS, USERNAME_RULE, ValkeyUser};
use crate::crd;
use crate::field_path::FieldPath;
use crate::validate::{Violation, bounds::Bounds, metadata, of_object, sorted};

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::valkey_user_schema()));

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn violations(object: &ValkeyUser) -> Vec<Violation> {
    of_object(object, of_spec)
}

/// Every rule that a manifest breaks, unknown fields among them, in the order of its fields.
pub fn manifest_violations(manifest: &Value) -> Vec<Violation> {
    let mut violations = of_spec(manifest);
    violations.extend(metadata::check(manifest));
    BOUNDS.unknown_in_status(manifest, &mut violations);
    sorted(violations)
}

fn of_spec(manifest: &Value) -> Vec<Violation> {
    let mut violations = BOUNDS.check(manifest);
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let name = text("/metadata/name");
    if let Some(name) = name.filter(|name| !matches(NAME_PATTERN, name)) {
        violations.push(wrong(&["metadata", "name"], name, NAME_RULE));
    }
    if let Some(user) = text("/spec/username").or(name).filter(|user| matches(OWN_USERS, user)) {
        violations.push(wrong(&["spec", "username"], user, USERNAME_RULE));
    }
    violations
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn wrong(field: &[&str], value: &str, rule: &str) -> Violation {
    Violation { field: FieldPath::of(field), value: Value::from(value).to_string(), rule: rule.to_owned() }
}
