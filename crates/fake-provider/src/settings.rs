//! Fields that create and update share: `user_config`, maintenance, e-mails, and tags.

use serde_json::{Map, Value, json};

use crate::clock::Instant;
use crate::config::Config;
use crate::migration::Migration;
use crate::network;
use crate::reply::Fail;
use crate::schema::{check_user_config, repr, user_config_schema};
use crate::service::{Service, State};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Returns what the server fills into `user_config`.
pub(crate) fn defaults(service_type: &str) -> Map<String, Value> {
    let mut filled = Map::new();
    if let Some(properties) = user_config_schema(service_type)["properties"].as_object() {
        for (key, schema) in properties {
            if let Some(value) = schema.get("default") {
                filled.insert(key.clone(), value.clone());
            }
        }
    }
    // Observed in answers although the schema has no default.
    let version = if service_type == "valkey" { "9.1" } else { "7.0" };
    filled.insert(format!("{service_type}_io_threads"), json!(1));
    filled.insert(format!("{service_type}_persistence"), json!("rdb"));
    filled.insert(format!("{service_type}_version"), json!(version));
    filled
}

/// Merges sent settings per top-level key and returns the state that the change leads to.
pub(crate) fn merge_user_config(
    service: &mut Service,
    sent: &Map<String, Value>,
    create: bool,
    config: &Config,
    now: Instant,
) -> Result<Option<State>, Fail> {
    check_user_config(&service.kind, sent)?;
    let version_key = format!("{}_version", service.kind);
    let schema = user_config_schema(&service.kind);
    let mut target = None;
    for (key, value) in sent {
        if !create && schema["properties"][key]["createOnly"] == Value::Bool(true) {
            // "Ignored or 400": the harder variant, also for an unchanged value that GET echoes.
            return Err(bad(key, "can only be set at creation"));
        }
        if *key == version_key {
            if !create && is_downgrade(service.user_config.get(key), value) {
                return Err(bad(key, "a downgrade is not supported"));
            }
            // Null resets nothing: no default is published, so the running version stays.
            if value.is_null() {
                continue;
            }
            if service.user_config.get(key) != Some(value) {
                target = Some(State::Rebuilding);
            }
        }
        let value = if key == "ip_filter" { check_filter(value, config.normalize)? } else { value.clone() };
        if key == "migration" {
            set_migration(service, &value, config, now);
        }
        match (value.is_null(), defaults(&service.kind).remove(key)) {
            (false, _) => service.user_config.insert(key.clone(), value),
            (true, Some(default)) => service.user_config.insert(key.clone(), default),
            (true, None) => service.user_config.remove(key),
        };
    }
    Ok(target)
}

fn bad(key: &str, text: &str) -> Fail {
    Fail::bad_request(format!("Invalid 'user_config': Invalid input for {key}: {text}"))
}

fn is_downgrade(present: Option<&Value>, wanted: &Value) -> bool {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    match (present.and_then(number), number(wanted)) {
        (Some(present), Some(wanted)) => wanted < present,
        _ => false,
    }
}

fn check_filter(filter: &Value, normalize: bool) -> Result<Value, Fail> {
    let mut filter = filter.clone();
    for item in filter.as_array_mut().into_iter().flatten() {
        let network = if item.is_string() { item } else { &mut item["network"] };
        let text = network.as_str().unwrap_or_default().to_owned();
        if !network::is_network(&text) {
            return Err(bad("ip_filter", &format!("'{text}' is not a valid network")));
        }
        // Without normalization, entries come back in the form they were sent.
        if normalize {
            *network = network::normalized(&text).into();
        }
    }
    Ok(filter)
}

fn set_migration(service: &mut Service, settings: &Value, config: &Config, now: Instant) {
    if settings.is_null() {
        service.migration = None;
    } else if !service.migration.as_ref().is_some_and(|running| running.is_same(settings)) {
        service.migration = Some(Migration::new(settings.clone(), now, config));
    }
}

/// Sets the maintenance window.
pub(crate) fn set_maintenance(service: &mut Service, window: &Map<String, Value>) -> Result<(), Fail> {
    if let Some(dow) = window.get("dow").and_then(Value::as_str) {
        if !DAYS.contains(&dow) {
            let days = repr(&json!(DAYS));
            let text = format!("Invalid input for maintenance: Invalid dow, must be one of {days}");
            return Err(Fail::bad_request(text));
        }
        dow.clone_into(&mut service.dow);
    }
    if let Some(time) = window.get("time").and_then(Value::as_str) {
        // An empty time answers 400 as well; the reference does not specify the provider's answer.
        if chrono::NaiveTime::parse_from_str(time, "%H:%M:%S").is_err() || time.len() != 8 {
            let text = format!("Invalid input for maintenance: Invalid time '{time}', must be HH:MM:SS");
            return Err(Fail::bad_request(text));
        }
        time.clone_into(&mut service.time);
    }
    Ok(())
}

/// Sets the technical e-mail addresses.
pub(crate) fn set_emails(service: &mut Service, emails: &[Value], normalize: bool) -> Result<(), Fail> {
    let mut result = Vec::new();
    for item in emails {
        let email = item["email"].as_str().unwrap_or_default();
        if !email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
            return Err(Fail::bad_request(format!(
                "Invalid input for tech_emails: '{email}' is not an email"
            )));
        }
        let email = if normalize { email.to_lowercase() } else { email.to_owned() };
        result.push(json!({"email": email}));
    }
    service.tech_emails = result;
    Ok(())
}

/// Validates tags. Null values are legal in a merge only.
pub(crate) fn check_tags(tags: &Value, nulls: bool) -> Result<Map<String, Value>, Fail> {
    let Some(map) = tags.as_object() else {
        return Err(Fail::bad_request(format!(
            "Invalid input for tags: {} is not of type 'object'",
            repr(tags)
        )));
    };
    for (key, value) in map {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key_fits =
            key.len() <= 64 && key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(legal);
        let value_fits = match value {
            Value::String(text) => text.chars().count() <= 64,
            other => nulls && other.is_null(),
        };
        if !key_fits || !value_fits {
            return Err(Fail::bad_request(format!(
                "Invalid input for tags: '{key}': {} is not valid",
                repr(value)
            )));
        }
    }
    Ok(map.clone())
}

/// A number as a whole one, also when it is written with a fraction of zero.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
        format!("{number:.0}").parse().ok()
    })
}
