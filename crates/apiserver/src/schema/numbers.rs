//! The bounds of a number, and its form.

use serde_json::{Number, Value};

use crate::field_error::FieldError;

pub(super) fn check(schema: &Value, number: &Number, path: &str, errors: &mut Vec<FieldError>) {
    let Some(actual) = number.as_f64() else { return };
    let value = Value::Number(number.clone());
    let mut fail = |detail: String| {
        errors.push(FieldError::invalid(path, &value, &format!("{path} in body should be {detail}")));
    };
    if let Some(factor) = schema["multipleOf"].as_f64().filter(|factor| *factor > 0.0)
        && (actual / factor).fract() != 0.0
    {
        fail(format!("a multiple of {}", schema["multipleOf"]));
    }
    if let Some(maximum) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if actual > maximum || (exclusive && actual >= maximum) {
            let or_equal = if exclusive { "" } else { "or equal to " };
            fail(format!("less than {or_equal}{}", schema["maximum"]));
        }
    }
    if let Some(minimum) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if actual < minimum || (exclusive && actual <= minimum) {
            let or_equal = if exclusive { "" } else { "or equal to " };
            fail(format!("greater than {or_equal}{}", schema["minimum"]));
        }
    }
    if schema["format"] == "int32" && number.as_i64().is_none_or(|number| i32::try_from(number).is_err()) {
        let detail = format!("Checked value must be of type integer with format int32 in {path}");
        errors.push(FieldError::invalid("<nil>", &Value::from(""), &detail));
    }
}

/// From here on, floating-point numbers do not distinguish consecutive whole numbers.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// Writes whole numbers as such: an API server takes `5.0` for an integer and serves `5`.
pub fn without_empty_fractions(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(without_empty_fractions),
        Value::Array(items) => items.iter_mut().for_each(without_empty_fractions),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < LARGEST);
            if let Some(whole) = whole.and_then(|whole| format!("{whole:.0}").parse::<i64>().ok()) {
                *number = whole.into();
            }
        }
        _ => {}
    }
}
