//! Judges the spec of a `ServiceUser`: the bounds of its schema, and what it says of Secrets.

use serde_json::{Map, Value};
use std::sync::LazyLock;

use super::{LONGEST_USERNAME, ServiceUser};
use crate::crd;
use crate::field_path::FieldPath;
use crate::validate::{Violation, bounds::Bounds, metadata, of_object, relations, sorted};

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::service_user_schema()));

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn violations(object: &ServiceUser) -> Vec<Violation> {
    of_object(object, of_spec)
}

/// Every rule that a manifest breaks, unknown fields among them, in the order of its fields.
pub fn manifest_violations(manifest: &Value) -> Vec<Violation> {
    let mut violations = of_spec(manifest);
    violations.extend(metadata::check(manifest));
    violations.extend(metadata::object_name(manifest));
    BOUNDS.unknown_in_status(manifest, &mut violations);
    sorted(violations)
}

fn of_spec(manifest: &Value) -> Vec<Violation> {
    let nothing = Map::new();
    let spec = manifest.get("spec").and_then(Value::as_object).unwrap_or(&nothing);
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
    let mut violations = BOUNDS.check(manifest);
    violations.extend(relations::secrets(name, spec));
    let is_username = spec.get("username").is_none_or(Value::is_null);
    if let Some(name) = name.filter(|name| is_username && name.chars().count() > LONGEST_USERNAME) {
        let rule = format!(
            "is also the name to log in with: at most {LONGEST_USERNAME} characters, or set spec.username"
        );
        let field = FieldPath::of(&["metadata", "name"]);
        violations.push(Violation { field, value: Value::from(name).to_string(), rule });
    }
    violations
}
