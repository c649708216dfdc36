//! Whether a JSON document has the types that a built-in kind demands. An API server finds out when it
//! decodes a request, before it validates anything; these are its words for what does not fit.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::schemas::{DEFINITIONS, REFERENCE};

/// Texts that have a type of their own: in which type, which field, of what type.
const NAMED_TEXTS: [(&str, &str, &str); 4] = [
    ("Secret", "type", "v1.SecretType"),
    ("ServicePort", "protocol", "v1.Protocol"),
    ("ServiceSpec", "sessionAffinity", "v1.ServiceAffinity"),
    ("ServiceSpec", "type", "v1.ServiceType"),
];

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Why the object cannot be decoded as the built-in kind, as the text after `cannot be handled as a Secret: `.
pub fn decode_error(group: &str, version: &str, kind: &str, object: &Value) -> Option<String> {
    let wanted = serde_json::json!({"group": group, "version": version, "kind": kind});
    let named = |schema: &Value| {
        schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|list| list.contains(&wanted))
    };
    let (name, schema) = DEFINITIONS.iter().find(|(_, schema)| named(schema))?;
    check(schema, object, &Position { container: short(name), path: "" })
}

/// Why the metadata of an object of any kind cannot be decoded.
pub fn metadata_decode_error(object: &Value) -> Option<String> {
    check(DEFINITIONS.get(OBJECT_META)?, &object["metadata"], &Position { container: "ObjectMeta", path: "" })
}

/// Where a value is: in a field of which type, and under which path without indexes.
struct Position<'a> {
    container: &'a str,
    path: &'a str,
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn check(schema: &Value, value: &Value, position: &Position<'_>) -> Option<String> {
    if value.is_null() || schema["x-kubernetes-int-or-string"] == true {
        return None;
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.strip_prefix(REFERENCE)) {
        let target = DEFINITIONS.get(name)?;
        return match short(name) {
            time @ ("Time" | "MicroTime") => time_error(value, time == "MicroTime"),
            "Quantity" => quantity_error(value),
            // Free-form, or contained in themselves.
            "FieldsV1" | "IntOrString" | "JSONSchemaProps" => None,
            _ if target["type"] != "object" => None,
            container if !value.is_object() => Some(mismatch(value, position, &format!("v1.{container}"))),
            container => check(target, value, &Position { container, path: position.path }),
        };
    }
    match (schema["type"].as_str()?, value) {
        ("object", Value::Object(fields)) => {
            fields.iter().find_map(|(key, value)| match schema["properties"].get(key) {
                Some(property) => {
                    let path = if position.path.is_empty() {
                        key.clone()
                    } else {
                        format!("{}.{key}", position.path)
                    };
                    check(property, value, &Position { container: position.container, path: &path })
                }
                None => check(&schema["additionalProperties"], value, position),
            })
        }
        ("array", Value::Array(items)) => {
            items.iter().find_map(|item| check(&schema["items"], item, position))
        }
        ("string", Value::String(text)) if schema["format"] == "byte" => {
            base64_error(text.as_bytes()).map(|at| format!("illegal base64 data at input byte {at}"))
        }
        ("integer", Value::Number(number)) => {
            let fits = number
                .as_i64()
                .is_some_and(|number| schema["format"] != "int32" || i32::try_from(number).is_ok());
            (!fits).then(|| mismatch(value, position, &type_name(schema)))
        }
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => None,
        _ => Some(mismatch(value, position, &type_name(schema))),
    }
}

/// Why a value is not an amount such as `1`, `100m` or `2Gi`.
fn quantity_error(value: &Value) -> Option<String> {
    static QUANTITY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$").ok()
    });
    let matches = |text: &str| QUANTITY.as_ref().is_some_and(|quantity| quantity.is_match(text));
    let fits = value.is_number() || value.as_str().is_some_and(matches);
    let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    (!fits).then(|| why.to_owned())
}

fn mismatch(value: &Value, position: &Position<'_>, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        _ => "object".to_owned(),
    };
    let Position { container, path } = position;
    let named =
        |entry: &&(&str, &str, &str)| entry.0 == *container && path.rsplit('.').next() == Some(entry.1);
    let wanted = NAMED_TEXTS.iter().find(named).map_or(wanted, |entry| entry.2);
    format!("json: cannot unmarshal {found} into Go struct field {container}.{path} of type {wanted}")
}

/// The name that Go has for the type of a schema.
fn type_name(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return format!("v1.{}", short(name));
    }
    match schema["type"].as_str().unwrap_or_default() {
        "boolean" => "bool".to_owned(),
        "integer" => schema["format"].as_str().unwrap_or("int64").to_owned(),
        "number" => "float64".to_owned(),
        "array" => format!("[]{}", type_name(&schema["items"])),
        "object" => format!("map[string]{}", type_name(&schema["additionalProperties"])),
        _ if schema["format"] == "byte" => "[]uint8".to_owned(),
        _ => "string".to_owned(),
    }
}

/// Where base64 with padding goes wrong, by the rules of Go's decoder.
fn base64_error(text: &[u8]) -> Option<usize> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let mut at = 0;
    loop {
        let mut count = 0;
        while count < 4 {
            let Some(&byte) = text.get(at) else { return (count > 0).then(|| at - count) };
            at += 1;
            match byte {
                b'\n' | b'\r' => {}
                b'=' if count < 2 => return Some(at - 1),
                b'=' => {
                    if count == 2 {
                        match text.get(at) {
                            None => return Some(text.len()),
                            Some(b'=') => at += 1,
                            Some(_) => return Some(at - 1),
                        }
                    }
                    return (at < text.len()).then_some(at);
                }
                _ if known(byte) => count += 1,
                _ => return Some(at - 1),
            }
        }
    }
}

/// Why a text is not a moment, with microseconds or without.
fn time_error(value: &Value, micro: bool) -> Option<String> {
    let Some(text) = value.as_str() else {
        let found = if value.is_number() { "number" } else { "object" };
        return Some(format!("json: cannot unmarshal {found} into Go value of type string"));
    };
    let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    let (rest, part) = unparsed(text, micro)?;
    Some(format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{rest}\" as \"{part}\""))
}

/// What is left of the text where it stops following the layout, and the part of the layout it fails.
fn unparsed(text: &str, micro: bool) -> Option<(&str, &'static str)> {
    let mut rest = text;
    for part in ["2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05"] {
        let length = part.len();
        let digits = part.starts_with(|character: char| character.is_ascii_digit());
        let found = rest.get(..length).filter(|found| {
            if digits { found.bytes().all(|byte| byte.is_ascii_digit()) } else { *found == part }
        });
        if found.is_none() {
            return Some((rest, part));
        }
        rest = &rest[length..];
    }
    let fraction =
        rest.strip_prefix('.').map_or(0, |digits| digits.bytes().take_while(u8::is_ascii_digit).count());
    if micro && fraction != 6 {
        return Some((rest, ".000000"));
    }
    if fraction > 0 {
        rest = &rest[fraction + 1..];
    }
    let offset = |rest: &str| rest.len() == 6 && rest.starts_with(['+', '-']) && rest.as_bytes()[3] == b':';
    if rest == "Z" || offset(rest) {
        return None;
    }
    Some((rest, "Z07:00"))
}
