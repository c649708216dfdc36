//! Validation of request bodies and of `user_config` with the published schemas.

use serde_json::{Map, Value, json};

use crate::reply::Fail;

const VALKEY: &str = include_str!("../schemas/valkey.json");
const REDIS: &str = include_str!("../schemas/redis.json");

/// Returns the `user_config` schema of a service type.
pub(crate) fn user_config_schema(service_type: &str) -> Value {
    let text = match service_type {
        "valkey" => VALKEY,
        "redis" => REDIS,
        _ => "{}",
    };
    serde_json::from_str(text).unwrap_or_default()
}

/// Returns the schema of the body of a service create or update.
pub(crate) fn service_body(create: bool) -> Value {
    let text = |limit: u32| json!({"type": "string", "maxLength": limit});
    let mut properties = json!({
        "plan": text(128),
        // The CLI sends `cloud: null` on create. The reference does not cover an update.
        "cloud": {"type": if create { json!(["string", "null"]) } else { json!("string") }, "maxLength": 256},
        "project_vpc_id": {"type": ["string", "null"], "maxLength": 36},
        "disk_space_mb": {"type": "integer", "minimum": 0},
        "maintenance": {"type": "object", "additionalProperties": false, "properties": {
            "dow": {"type": "string"}, "time": {"type": "string"}}},
        "termination_protection": {"type": "boolean"},
        "tech_emails": {"type": "array", "maxItems": 10, "items": {"type": "object",
            "required": ["email"], "additionalProperties": false, "properties": {"email": text(254)}}},
        "user_config": {"type": "object"},
        "cmk_id": {"type": ["string", "null"], "maxLength": 36},
        "group_name": text(36),
    });
    let extra = if create {
        json!({"service_name": {"type": "string", "minLength": 1, "maxLength": 64},
            "service_type": text(64), "tags": {"type": "object"}, "copy_tags": {"type": "boolean"},
            "service_integrations": {"type": "array", "maxItems": 64, "items": {"type": "object"}},
            "static_ips": {"type": "array", "maxItems": 128, "items": text(256)}})
    } else {
        json!({"powered": {"type": "boolean"}, "karapace": {"type": "boolean"},
            "schema_registry_authz": {"type": "boolean"}, "disaster_recovery_role": text(64)})
    };
    merge(&mut properties, extra);
    let required = if create { json!(["service_name", "service_type", "plan"]) } else { json!([]) };
    // The raw constraints of the bodies are unknown. Unknown keys answer 400, the harder variant.
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn merge(target: &mut Value, extra: Value) {
    if let (Value::Object(target), Value::Object(extra)) = (target, extra) {
        target.extend(extra);
    }
}

/// Validates the sent part of `user_config`.
pub(crate) fn check_user_config(service_type: &str, sent: &Map<String, Value>) -> Result<(), Fail> {
    let schema = user_config_schema(service_type);
    validate(&schema, &Value::Object(sent.clone()), "user_config")
        .map_err(|text| Fail::bad_request(format!("Invalid 'user_config': {text}")))
}

/// Validates a value; the error text has the form of the provider.
pub(crate) fn validate(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let types = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_type(value, name)) {
        let names = types.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        return Err(format!("Invalid input for {path}: {} is not of type {names}", repr(value)));
    }
    let bad = |text: String| Err(format!("Invalid input for {path}: {} {text}", repr(value)));
    if let Some(options) = schema["enum"].as_array()
        && !value.is_null()
        && !options.contains(value)
    {
        return bad(format!("is not one of {}", repr(&schema["enum"])));
    }
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if schema["minimum"].as_f64().is_some_and(|limit| number < limit) {
                return bad(format!("is less than the minimum of {}", schema["minimum"]));
            }
            if schema["maximum"].as_f64().is_some_and(|limit| number > limit) {
                return bad(format!("is greater than the maximum of {}", schema["maximum"]));
            }
            Ok(())
        }
        Value::String(text) => check_text(schema, text).or_else(bad),
        Value::Array(items) => check_items(schema, items, path),
        Value::Object(map) => check_object(schema, map, path),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn check_text(schema: &Value, text: &str) -> Result<(), String> {
    let length = text.chars().count() as u64;
    if schema["maxLength"].as_u64().is_some_and(|limit| length > limit) {
        return Err("is too long".into());
    }
    if schema["minLength"].as_u64().is_some_and(|limit| length < limit) {
        return Err("is too short".into());
    }
    match schema["pattern"].as_str() {
        Some(pattern) if matches_pattern(pattern, text) == Some(false) => {
            Err(format!("does not match '{pattern}'"))
        }
        _ => Ok(()),
    }
}

fn check_items(schema: &Value, items: &[Value], path: &str) -> Result<(), String> {
    if schema["maxItems"].as_u64().is_some_and(|limit| items.len() as u64 > limit) {
        return Err(format!("Invalid input for {path}: list is too long"));
    }
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| validate(&schema["items"], item, &format!("{path}.{index}")))
}

fn check_object(schema: &Value, map: &Map<String, Value>, path: &str) -> Result<(), String> {
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(key) {
            return Err(format!("Invalid input for {path}: '{key}' is a required property"));
        }
    }
    for (key, value) in map {
        match schema["properties"].get(key) {
            // Messages of top-level keys carry the bare key: "Invalid input for ip_filter: …".
            Some(inner) if path == "user_config" || path == "request" => validate(inner, value, key)?,
            Some(inner) => validate(inner, value, &format!("{path}.{key}"))?,
            None if schema["additionalProperties"] == Value::Bool(false) => {
                return Err(format!(
                    "Invalid input for {path}: Additional properties are not allowed ('{key}' was unexpected)"
                ));
            }
            None => {}
        }
    }
    Ok(())
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// Matches the patterns of the published schemas; `None` means that the pattern is unknown.
fn matches_pattern(pattern: &str, text: &str) -> Option<bool> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match pattern {
        "^[a-z0-9-]+$" => Some(!text.is_empty() && text.chars().all(lower)),
        "^[a-zA-Z0-9-_:.]+$" => {
            let legal = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
            Some(!text.is_empty() && text.chars().all(legal))
        }
        "^[KEg\\$lshzxentdmA]*$" => Some(text.chars().all(|c| "KEg$lshzxentdmA".contains(c))),
        "^[a-z][-a-z0-9]{0,63}$|^$" => Some(
            text.is_empty()
                || (text.len() <= 64
                    && text.starts_with(|c: char| c.is_ascii_lowercase())
                    && text.chars().all(lower)),
        ),
        _ => None,
    }
}

/// Formats a value as the provider's (Python) messages do.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let items: Vec<_> = map.iter().map(|(key, value)| format!("'{key}': {}", repr(value))).collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(value: &Value, found: &mut Vec<String>) {
        if let Some(pattern) = value["pattern"].as_str() {
            found.push(pattern.to_owned());
        }
        match value {
            Value::Object(map) => map.values().for_each(|inner| patterns(inner, found)),
            Value::Array(list) => list.iter().for_each(|inner| patterns(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_the_schemas_is_implemented() {
        for service_type in ["valkey", "redis"] {
            let mut found = Vec::new();
            patterns(&user_config_schema(service_type), &mut found);
            assert!(found.len() >= 4);
            assert!(found.iter().all(|pattern| matches_pattern(pattern, "x").is_some()));
        }
    }

    #[test]
    fn null_for_a_non_nullable_key_has_the_recorded_message() {
        let sent = json!({"ip_filter": null});
        let fail = check_user_config("valkey", sent.as_object().unwrap()).unwrap_err();
        let text = "Invalid 'user_config': Invalid input for ip_filter: None is not of type 'array'";
        assert_eq!(fail, Fail::new(400, text));
    }

    #[test]
    fn limits_enums_and_unknown_keys_are_checked() {
        let check = |sent: Value| check_user_config("valkey", sent.as_object().unwrap());
        assert!(check(json!({"backup_hour": null, "valkey_timeout": 0, "migration": null})).is_ok());
        assert!(check(json!({"ip_filter": ["10.0.0.0/8", {"network": "::/0"}]})).is_ok());
        for bad in [
            json!({"valkey_io_threads": 257}),
            json!({"valkey_io_threads": true}),
            json!({"valkey_maxmemory_policy": "none"}),
            json!({"redis_timeout": 3}),
            json!({"ip_filter": [{"description": "x"}]}),
            json!({"migration": {"host": "x"}}),
            json!({"valkey_notify_keyspace_events": "Q"}),
        ] {
            assert!(check(bad.clone()).is_err(), "{bad}");
        }
    }
}
