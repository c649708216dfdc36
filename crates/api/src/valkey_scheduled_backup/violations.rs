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
    violations.extend(of_schedule(manifest, &["spec"]));
    violations
}

/// What is wrong with the fields `schedule` and `timeZone` at this place.
pub(crate) fn of_schedule(manifest: &Value, place: &[&str]) -> Option<Violation> {
    let fields = place.iter().try_fold(manifest, |value, name| value.get(name))?;
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let (schedule, zone) = (text("schedule")?, text("timeZone").unwrap_or("UTC"));
    let error = Schedule::parse(schedule, zone).err()?;
    let (field, value) = match error {
        ScheduleError::Fields(_) => ("schedule", schedule),
        ScheduleError::Zone => ("timeZone", zone),
    };
    Some(wrong(&[place, &[field]].concat(), value, error.to_string()))
}

fn wrong(field: &[&str], value: &str, rule: String) -> Violation {
    Violation { field: FieldPath::of(field), value: Value::from(value).to_string(), rule }
}
