//! Rules for power schedules that a schema cannot express: whether they are schedules at all.

use serde_json::{Map, Value};

use super::Violation;
use super::bounds::shown;
use crate::field_path::FieldPath;
use crate::power_schedule;

/// The violation in the power schedule of a `spec`.
pub(super) fn check(spec: &Map<String, Value>) -> Option<Violation> {
    let schedule = spec.get("powerSchedule")?.as_object()?;
    let text = |field: &str| schedule.get(field).and_then(Value::as_str);
    let fault =
        power_schedule::parse(text("offAt")?, text("onAt")?, text("timeZone").unwrap_or("UTC")).err()?;
    let value = text(fault.field).map(|text| shown(&text.into())).unwrap_or_default();
    let field = FieldPath::of(&["spec", "powerSchedule", fault.field]);
    Some(Violation { field, value, rule: fault.rule })
}
