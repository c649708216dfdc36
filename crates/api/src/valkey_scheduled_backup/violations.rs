//! Judges the spec of a `ValkeyScheduledBackup`: the bounds of its schema, its name, its destination, its schedule and its time zone.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

use super::{NAME_PATTERN, NAME_RULE, Schedule, ScheduleError, ValkeyScheduledBackup};
use crate::crd;
use crate::field_path::FieldPath;
use crate::validate::{Violation, bounds::Bounds, metadata, of_object, sorted};
use crate::valkey_backup::destination;

static BOUNDS: LazyLock<Bounds> = LazyLock::new(|| Bounds::of(&crd::valkey_scheduled_backup_schema()));

/// Every rule that a decoded resource breaks, in the order of its fields.
pub fn violations(object: &ValkeyScheduledBackup) -> Vec<Violation> {
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
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let name = Regex::new(NAME_PATTERN).ok().zip(text("/metadata/name"));
    if let Some((_, name)) = name.filter(|(pattern, name)| !pattern.is_match(name)) {
        violations.push(wrong(&["metadata", "name"], name, NAME_RULE.to_owned()));
    }
    let (schedule, zone) = (text("/spec/schedule"), text("/spec/timeZone").unwrap_or("UTC"));
    if let Some((schedule, error)) =
        schedule.and_then(|schedule| Some((schedule, Schedule::parse(schedule, zone).err()?)))
    {
        violations.push(match error {
            ScheduleError::Fields(_) => wrong(&["spec", "schedule"], schedule, error.to_string()),
            ScheduleError::Zone => wrong(&["spec", "timeZone"], zone, error.to_string()),
        });
    }
    violations
}

fn wrong(field: &[&str], value: &str, rule: String) -> Violation {
    Violation { field: FieldPath::of(field), value: Value::from(value).to_string(), rule }
}
