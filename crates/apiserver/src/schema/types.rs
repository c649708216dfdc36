//! Whether a value has the type and is one of the values that its schema demands, in the API server's words.

use serde_json::Value;

use super::cel::shown_path;
use super::numbers;
use crate::field_error::FieldError;

/// Whether a value has the type of its place; notes it if not.
pub(super) fn check_type(schema: &Value, new: &Value, path: &str, errors: &mut Vec<FieldError>) -> bool {
    let actual = type_name(new);
    let wanted = if schema["x-kubernetes-int-or-string"] == true {
        Some("integer,string")
    } else {
        schema["type"].as_str()
    };
    let Some(wanted) = wanted else { return true };
    let whole = new.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = match wanted {
        "integer,string" => actual == "string" || whole,
        "integer" => whole,
        "number" => new.is_number(),
        other => actual == other,
    };
    if !fits {
        let detail = format!("{} in body must be of type {wanted}: \"{actual}\"", shown_path(path));
        errors.push(FieldError::type_invalid(shown_path(path), &Value::from(actual), &detail));
        // The API server continues with the checks of the actual type where it has some.
        if wanted == "integer" && actual == "number" {
            let detail = format!("Checked value must be of type integer (default format) in {path}");
            errors.push(FieldError::invalid("<nil>", &Value::from(""), &detail));
        }
        if let Value::Number(number) = new {
            numbers::check(schema, number, path, errors);
        }
        check_enum(schema, new, path, errors);
    }
    fits
}

/// The name of a value's type in messages.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Notes a value that is none of those listed.
pub(super) fn check_enum(schema: &Value, new: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(values) = schema["enum"].as_array() else { return };
    if !values.contains(new) {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        errors.push(FieldError::not_supported(path, new, &values.iter().map(plain).collect::<Vec<_>>()));
    }
}
