//! Checks one value against one property of a schema, with messages in the words of the provider's
//! validator. Guarantees that the values of secrets are not repeated in a message.

use super::Schema;
use serde_json::Value;

impl Schema {
    /// `Err` carries `path: reason`.
    pub(super) fn check_value(&self, path: &str, value: &Value, property: &Value) -> Result<(), String> {
        let types = types(property);
        if !types.is_empty() && !types.iter().any(|expected| is_of_type(value, expected)) {
            let expected = types.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
            return Err(format!("{path}: {} is not of type {expected}", shown(value, property)));
        }
        if value.is_null() {
            return Ok(());
        }
        if let Some(allowed) = property["enum"].as_array()
            && !allowed.contains(value)
        {
            return Err(format!(
                "{path}: {} is not one of {}",
                shown(value, property),
                repr(&property["enum"])
            ));
        }
        check_number(path, value, property)?;
        self.check_text(path, value, property)?;
        self.check_array(path, value, property)?;
        self.check_object(path, value, property)
    }

    fn check_text(&self, path: &str, value: &Value, property: &Value) -> Result<(), String> {
        let Some(text) = value.as_str() else { return Ok(()) };
        if let Some(limit) = property["maxLength"].as_u64()
            && text.chars().count() as u64 > limit
        {
            return Err(format!("{path}: {} is too long", shown(value, property)));
        }
        if let Some(pattern) = property["pattern"].as_str()
            && self.patterns.get(pattern).is_some_and(|regex| !regex.is_match(text))
        {
            return Err(format!("{path}: {} does not match '{pattern}'", shown(value, property)));
        }
        Ok(())
    }

    fn check_array(&self, path: &str, value: &Value, property: &Value) -> Result<(), String> {
        let Some(items) = value.as_array() else { return Ok(()) };
        if property["maxItems"].as_u64().is_some_and(|limit| items.len() as u64 > limit) {
            return Err(format!("{path}: {} is too long", repr(value)));
        }
        items.iter().try_for_each(|item| self.check_value(path, item, &property["items"]))
    }

    fn check_object(&self, path: &str, value: &Value, property: &Value) -> Result<(), String> {
        let (Some(object), Some(properties)) = (value.as_object(), property["properties"].as_object()) else {
            return Ok(());
        };
        for required in property["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                return Err(format!("{path}: '{required}' is a required property"));
            }
        }
        for (name, nested) in object {
            let Some(nested_property) = properties.get(name) else {
                return Err(format!(
                    "{path}: Additional properties are not allowed ('{name}' was unexpected)"
                ));
            };
            self.check_value(name, nested, nested_property)?;
        }
        Ok(())
    }
}

fn types(property: &Value) -> Vec<&str> {
    match &property["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of_type(value: &Value, expected: &str) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn check_number(path: &str, value: &Value, property: &Value) -> Result<(), String> {
    let Some(number) = value.as_i64() else { return Ok(()) };
    if let Some(minimum) = property["minimum"].as_i64()
        && number < minimum
    {
        return Err(format!("{path}: {number} is less than the minimum of {minimum}"));
    }
    if let Some(maximum) = property["maximum"].as_i64()
        && number > maximum
    {
        return Err(format!("{path}: {number} is greater than the maximum of {maximum}"));
    }
    Ok(())
}

/// The value for a message, unless it is a secret.
fn shown(value: &Value, property: &Value) -> String {
    if property["secret"] == Value::Bool(true) { "<redacted>".to_owned() } else { repr(value) }
}

/// A value in the notation of the provider's implementation language.
fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| format!("'{key}': {}", repr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
