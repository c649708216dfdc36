//! Whether a schema is structural: every field has a type, nothing depends on a value, and defaults obey
//! the schema they are part of. The words and paths are the API server's; what it estimates of the cost of
//! rules, and the types of expressions, are not checked.

use serde_json::{Map, Value, json};

use super::structure::prune_value;
use super::validate::additional_schema;
use super::{CompiledSchema, rules};
use crate::field_error::FieldError;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const UNSUPPORTED: [&str; 7] =
    ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref", "$schema"];

/// Checks the schema of a version.
pub(super) fn check(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match schema["type"].as_str() {
        None | Some("") => {
            errors.push(FieldError::required(format!("{path}.type"), "must not be empty at the root"));
        }
        Some("object") => {}
        Some(_) => {
            errors.push(FieldError::invalid(
                format!("{path}.type"),
                &schema["type"],
                "must be object at the root",
            ));
        }
    }
    if schema["nullable"] == true {
        errors.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    check_root_properties(schema, path, errors);
    check_node(schema, path, None, errors);
}

/// What every object has may be restricted, but not redefined.
fn check_root_properties(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let properties = &schema["properties"];
    for name in ["apiVersion", "kind"] {
        let found = &properties[name]["type"];
        if found.is_string() && found != "string" {
            errors.push(FieldError::invalid(
                format!("{path}.properties[{name}].type"),
                found,
                "must be string",
            ));
        }
    }
    let metadata = &properties["metadata"]["properties"];
    if metadata.as_object().into_iter().flatten().any(|(name, _)| name != "name" && name != "generateName") {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(format!("{path}.properties[metadata]"), detail));
    }
}

/// Checks a schema and those in it. `uncorrelated` is the list around it whose items have no identity.
fn check_node(schema: &Value, path: &str, uncorrelated: Option<&str>, errors: &mut Vec<FieldError>) {
    let Some(fields) = schema.as_object() else { return };
    check_keywords(fields, path, errors);
    check_extensions(schema, path, errors);
    check_default(schema, path, errors);
    rules::check(schema, path, uncorrelated, errors);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        require_type(property, &path, "must not be empty for specified object fields", errors);
        check_node(property, &path, uncorrelated, errors);
    }
    if let Some(additional) = additional_schema(schema) {
        let path = format!("{path}.additionalProperties");
        require_type(additional, &path, "must not be empty for specified object fields", errors);
        check_node(additional, &path, uncorrelated, errors);
    }
    if schema["items"].is_object() {
        let keyed = schema["x-kubernetes-list-type"] == "map";
        let uncorrelated = uncorrelated.or((!keyed).then_some(path));
        let path = format!("{path}.items");
        require_type(&schema["items"], &path, "must not be empty for specified array items", errors);
        check_node(&schema["items"], &path, uncorrelated, errors);
    }
    let types_allowed = schema["x-kubernetes-int-or-string"] == true;
    each_branch(schema, path, &mut |branch, path| check_branch(branch, path, types_allowed, errors));
}

fn each_branch(schema: &Value, path: &str, visit: &mut dyn FnMut(&Value, &str)) {
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in schema[key].as_array().into_iter().flatten().enumerate() {
            visit(branch, &format!("{path}.{key}[{index}]"));
        }
    }
    if schema["not"].is_object() {
        visit(&schema["not"], &format!("{path}.not"));
    }
}

fn require_type(schema: &Value, path: &str, detail: &str, errors: &mut Vec<FieldError>) {
    let untyped = schema["type"].as_str().is_none_or(str::is_empty);
    let open = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    if untyped && !open && schema["x-kubernetes-embedded-resource"] != true {
        errors.push(FieldError::required(format!("{path}.type"), detail));
    }
}

fn check_keywords(schema: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    for key in UNSUPPORTED.iter().filter(|key| schema.contains_key(**key)) {
        errors.push(FieldError::forbidden(format!("{path}.{key}"), &format!("{key} is not supported")));
    }
    let get = |key: &str| schema.get(key).unwrap_or(&Value::Null);
    if get("uniqueItems") == true {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), detail));
    }
    let named = get("properties").as_object().is_some_and(|properties| !properties.is_empty());
    if named && !get("additionalProperties").is_null() && get("additionalProperties") != false {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
    }
    let kind = get("type").as_str().unwrap_or_default();
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(format!("{path}.type"), get("type"), &TYPES));
    }
    if get("items").is_array() {
        let detail = "items must be a schema object and not an array";
        errors.push(FieldError::forbidden(format!("{path}.items"), detail));
    } else if kind == "array" && get("items").is_null() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    check_pattern(get("pattern"), path, errors);
}

fn check_pattern(pattern: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(problem) = pattern.as_str().and_then(|pattern| regex::Regex::new(pattern).err()) {
        let problem = problem.to_string();
        let reason = match problem.lines().last().unwrap_or_default().trim_start_matches("error: ") {
            "unclosed group" => "missing closing )",
            "unopened group" => "unexpected )",
            "unclosed character class" => "missing closing ]",
            "repetition operator missing expression" => "missing argument to repetition operator",
            other => other,
        };
        let shown = pattern.as_str().unwrap_or_default();
        let detail = format!(
            "must be a valid regular expression, but isn't: error parsing regexp: {reason}: `{shown}`"
        );
        errors.push(FieldError::invalid(format!("{path}.pattern"), pattern, &detail));
    }
}

fn check_extensions(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |key: &str| format!("{path}.{key}");
    let preserve = &schema["x-kubernetes-preserve-unknown-fields"];
    if *preserve == false {
        let field = field("x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(field, preserve, "must be true or undefined"));
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        if schema["properties"].as_object().is_none_or(Map::is_empty) && *preserve != true {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            errors.push(FieldError::required(field("properties"), detail));
        }
        if schema["type"] != "object" {
            let detail = "must be object if x-kubernetes-embedded-resource is true";
            errors.push(FieldError::required(field("type"), detail));
        }
    }
    let known = ["atomic", "granular"];
    if let Some(found) = schema["x-kubernetes-map-type"].as_str().filter(|found| !known.contains(found)) {
        errors.push(FieldError::not_supported(field("x-kubernetes-map-type"), &Value::from(found), &known));
    }
    check_list(schema, path, errors);
}

fn check_list(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let keys = &schema["x-kubernetes-list-map-keys"];
    let named = keys.as_array().is_some_and(|keys| !keys.is_empty());
    let kind = schema["x-kubernetes-list-type"].as_str();
    let known = ["atomic", "set", "map"];
    if let Some(kind) = kind {
        if !known.contains(&kind) {
            let field = format!("{path}.x-kubernetes-list-type");
            errors.push(FieldError::not_supported(field, &Value::from(kind), &known));
        }
        if schema["type"] != "array" {
            let detail = "must be array if x-kubernetes-list-type is specified";
            errors.push(FieldError::invalid(format!("{path}.type"), &schema["type"], detail));
        }
        let items = &schema["items"];
        if kind == "set" && items["type"] == "object" && items["x-kubernetes-map-type"] != "atomic" {
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            let field = format!("{path}.items.x-kubernetes-map-type");
            errors.push(FieldError::invalid(field, &items["x-kubernetes-map-type"], detail));
        }
    }
    if kind == Some("map") {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        if !named {
            errors.push(FieldError::required(field, "must not be empty if x-kubernetes-list-type is map"));
        } else if keys.as_array().into_iter().flatten().any(|key| item_property(schema, key).is_none()) {
            errors.push(FieldError::invalid(field, keys, "entries must all be names of item properties"));
        }
        for key in keys.as_array().into_iter().flatten() {
            check_map_key(schema, key, path, errors);
        }
    } else if named {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(FieldError::required(format!("{path}.x-kubernetes-list-type"), detail));
    }
}

fn item_property<'a>(schema: &'a Value, key: &Value) -> Option<&'a Value> {
    schema["items"]["properties"].get(key.as_str()?)
}

fn check_map_key(schema: &Value, key: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(property) = item_property(schema, key) else { return };
    let field = format!("{path}.items.properties[{}]", key.as_str().unwrap_or_default());
    let required = schema["items"]["required"].as_array().is_some_and(|required| required.contains(key));
    if !required && property["default"].is_null() {
        let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
        errors.push(FieldError::required(format!("{field}.default"), detail));
    }
    if property["type"] == "object" || property["type"] == "array" {
        let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(format!("{field}.type"), &property["type"], detail));
    }
}

/// A default must be what the rest of its schema allows.
fn check_default(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(value) = schema.get("default").filter(|value| !value.is_null()) else { return };
    let path = format!("{path}.default");
    let mut known = value.clone();
    prune_value(schema, &mut known);
    if known != *value {
        errors.push(FieldError::invalid(path, value, "must not have unknown fields"));
        return;
    }
    for mut error in CompiledSchema::new(schema).validate(&known, None) {
        let unchecked = error.field == "<nil>" && error.message.starts_with("Invalid value: null");
        if unchecked {
            continue;
        }
        error.field = match error.field.as_str() {
            "" | "<nil>" => path.clone(),
            field if field.starts_with('[') => format!("{path}{field}"),
            field => format!("{path}.{field}"),
        };
        error.message = error.message.replace("<nil> in body", " in body");
        errors.push(error);
    }
}

/// A branch of `allOf`, `anyOf`, `oneOf` or `not` may only restrict values.
fn check_branch(branch: &Value, path: &str, types_allowed: bool, errors: &mut Vec<FieldError>) {
    let Some(fields) = branch.as_object() else { return };
    let words = |key: &str| match key {
        "additionalProperties" | "default" | "x-kubernetes-list-type" | "x-kubernetes-map-type" => {
            Some("undefined")
        }
        "description" | "title" | "type" | "x-kubernetes-list-map-keys" | "x-kubernetes-validations" => {
            Some("empty")
        }
        "nullable"
        | "x-kubernetes-embedded-resource"
        | "x-kubernetes-int-or-string"
        | "x-kubernetes-preserve-unknown-fields" => Some("false"),
        _ => None,
    };
    for (key, value) in fields {
        let nothing = *value == false || value.is_null() || *value == json!("");
        let allowed = nothing || (types_allowed && key == "type");
        if let Some(word) = words(key).filter(|_| !allowed) {
            let detail = format!("must be {word} to be structural");
            errors.push(FieldError::forbidden(format!("{path}.{key}"), &detail));
        }
    }
    check_pattern(&branch["pattern"], path, errors);
    for (name, property) in branch["properties"].as_object().into_iter().flatten() {
        check_branch(property, &format!("{path}.properties[{name}]"), false, errors);
    }
    check_branch(&branch["items"], &format!("{path}.items"), false, errors);
    each_branch(branch, path, &mut |branch, path| check_branch(branch, path, types_allowed, errors));
}
