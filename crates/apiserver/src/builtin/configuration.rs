//! Secrets and config maps.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::field_error::FieldError;
use crate::metadata::fields;
use crate::metadata::names;

const MAXIMUM_SIZE: usize = 1024 * 1024;
const IMMUTABLE: &str = "field is immutable when `immutable` is set";
const SERVICE_ACCOUNT: &str = "kubernetes.io/service-account.name";

/// Merges `stringData` into `data` and sets the type.
pub(super) fn default_secret(secret: &mut Value) {
    let texts = secret.as_object_mut().and_then(|secret| secret.remove("stringData"));
    if let Some(Value::Object(texts)) = texts
        && let Some(data) = fields(secret, "data")
    {
        let encoded = |text: &Value| Value::from(BASE64_STANDARD.encode(text.as_str().unwrap_or_default()));
        data.extend(texts.iter().map(|(key, text)| (key.clone(), encoded(text))));
    }
    drop_empty(secret);
    if secret["type"].as_str().is_none_or(str::is_empty) {
        secret["type"] = Value::from("Opaque");
    }
}

/// Drops data that contains nothing.
pub(super) fn drop_empty(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        let data = |key: &str| key == "data" || key == "binaryData";
        fields.retain(|key, value| !(data(key) && value.as_object().is_some_and(Map::is_empty)));
    }
}

pub(super) fn validate_secret(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(old) = old {
        if new["type"] != old["type"] {
            errors.push(FieldError::invalid("type", &new["type"], "field is immutable"));
        }
        validate_immutable(new, old, &["data"], &mut errors);
    }
    validate_keys(new, "data", &mut errors);
    let size: usize = values(new, "data").map(|(_, text)| decoded_length(text)).sum();
    if size > MAXIMUM_SIZE {
        errors.push(FieldError::too_long("data", MAXIMUM_SIZE as u64));
    }
    validate_type(new, &mut errors);
    errors
}

/// Required content of secrets of well-known types.
fn validate_type(secret: &Value, errors: &mut Vec<FieldError>) {
    let has = |key: &str| secret["data"].get(key).is_some();
    let mut require = |keys: &[&str]| {
        errors.extend(keys.iter().map(|key| FieldError::required(format!("data[{key}]"), "")));
    };
    match secret["type"].as_str().unwrap_or_default() {
        "kubernetes.io/service-account-token"
            if secret["metadata"]["annotations"][SERVICE_ACCOUNT].as_str().is_none_or(str::is_empty) =>
        {
            errors.push(FieldError::required(format!("metadata.annotations[{SERVICE_ACCOUNT}]"), ""));
        }
        "kubernetes.io/dockercfg" => validate_json(secret, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => validate_json(secret, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            require(&["username", "password"]);
        }
        "kubernetes.io/ssh-auth" if !has("ssh-privatekey") => require(&["ssh-privatekey"]),
        "kubernetes.io/tls" => {
            let missing: Vec<&str> = ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)).collect();
            require(&missing);
        }
        _ => {}
    }
}

fn validate_json(secret: &Value, key: &str, errors: &mut Vec<FieldError>) {
    let field = format!("data[{key}]");
    let Some(text) = secret["data"][key].as_str() else {
        errors.push(FieldError::required(field, ""));
        return;
    };
    let content = BASE64_STANDARD.decode(text).unwrap_or_default();
    if serde_json::from_slice::<Map<String, Value>>(&content).is_err() {
        let problem = match String::from_utf8_lossy(&content).trim_start().chars().next() {
            Some(first) if first != '{' => {
                format!("invalid character '{first}' looking for beginning of value")
            }
            _ => "unexpected end of JSON input".to_owned(),
        };
        errors.push(FieldError::invalid(field, &Value::from("<secret contents redacted>"), &problem));
    }
}

pub(super) fn validate_config_map(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(old) = old {
        validate_immutable(new, old, &["data", "binaryData"], &mut errors);
    }
    validate_keys(new, "data", &mut errors);
    for (key, _) in values(new, "data").filter(|(key, _)| new["binaryData"].get(key).is_some()) {
        let detail = "duplicate of key present in binaryData";
        errors.push(FieldError::invalid(format!("data[{key}]"), &Value::from(key), detail));
    }
    validate_keys(new, "binaryData", &mut errors);
    let texts: usize = values(new, "data").map(|(_, text)| text.len()).sum();
    let binary: usize = values(new, "binaryData").map(|(_, text)| decoded_length(text)).sum();
    if texts + binary > MAXIMUM_SIZE {
        errors.push(FieldError::too_long("[]", MAXIMUM_SIZE as u64));
    }
    errors
}

fn validate_immutable(new: &Value, old: &Value, data: &[&str], errors: &mut Vec<FieldError>) {
    if old["immutable"] != true {
        return;
    }
    if new["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", IMMUTABLE));
    }
    let empty = Value::Object(Map::new());
    for key in data {
        if new.get(key).unwrap_or(&empty) != old.get(key).unwrap_or(&empty) {
            errors.push(FieldError::forbidden(*key, IMMUTABLE));
        }
    }
}

fn validate_keys(object: &Value, field: &str, errors: &mut Vec<FieldError>) {
    for (key, _) in values(object, field) {
        FieldError::extend(errors, format!("{field}[{key}]"), key, names::config_key(key));
    }
}

fn values<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let entries = object[field].as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn decoded_length(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
