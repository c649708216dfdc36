//! Judges the spec of a `ValkeyBackup`: the bounds of its schema, and its destination.

use serde_json::Value;
use std::sync::LazyLock;

use super::{ValkeyBackup, destination};
use crate::crd;
use crate::validate::{Violation, bounds::Bounds, metadata, of_object, sorted};

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::valkey_backup_schema()));

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn violations(object: &ValkeyBackup) -> Vec<Violation> {
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
    violations.extend(destination::violations(manifest, &["spec", "destination"]));
    violations
}
