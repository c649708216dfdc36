//! Checks a `CustomResourceDefinition` as a whole: its group, its versions, what it is called and
//! what it shows. The schemas of its versions are checked by their own module.

use serde_json::Value;

use super::structural;
use crate::field_error::{FieldError, quoted};
use crate::metadata::names;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What is wrong with the spec of a `CustomResourceDefinition` that has its defaults: names, versions,
/// schemas (which must be structural), defaults in schemas, and rules, which must compile.
pub fn check_crd(crd: &Value) -> Vec<FieldError> {
    let spec = &crd["spec"];
    let mut errors = Vec::new();
    check_group(text(spec, "group"), &mut errors);
    let scopes = ["Cluster", "Namespaced"];
    match text(spec, "scope") {
        "" => errors.push(FieldError::required("spec.scope", "")),
        scope if scopes.contains(&scope) => {}
        _ => errors.push(FieldError::not_supported("spec.scope", &spec["scope"], &scopes)),
    }
    check_versions(spec, &mut errors);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid("spec.preserveUnknownFields", &Value::Bool(true), detail));
    }
    let strategies = ["None", "Webhook"];
    if !strategies.contains(&text(&spec["conversion"], "strategy")) {
        let strategy = &spec["conversion"]["strategy"];
        errors.push(FieldError::not_supported("spec.conversion.strategy", strategy, &strategies));
    }
    check_names(&spec["names"], &mut errors);
    check_contents(spec, &mut errors);
    errors
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

fn versions(spec: &Value) -> &[Value] {
    spec["versions"].as_array().map_or(&[], Vec::as_slice)
}

fn check_group(group: &str, errors: &mut Vec<FieldError>) {
    let field = "spec.group";
    if group.is_empty() {
        errors.push(FieldError::required(field, ""));
        return;
    }
    let value = Value::from(group);
    let mut problems = names::subdomain(group);
    if problems.is_empty() && !group.contains('.') {
        problems.push("should be a domain with at least one dot".to_owned());
    }
    errors.extend(problems.iter().map(|problem| FieldError::invalid(field, &value, problem)));
}

fn check_versions(spec: &Value, errors: &mut Vec<FieldError>) {
    let versions = versions(spec);
    for (index, version) in versions.iter().enumerate() {
        let problems = names::old_label(text(version, "name"));
        let field = format!("spec.versions[{index}].name");
        errors.extend(problems.iter().map(|problem| FieldError::invalid(&field, &version["name"], problem)));
    }
    let repeated = |(index, version): (usize, &Value)| {
        versions[..index].iter().any(|other| other["name"] == version["name"])
    };
    if versions.iter().enumerate().any(repeated) {
        errors.push(FieldError::invalid_shown(
            "spec.versions",
            &shown(versions),
            "must contain unique version names",
        ));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid_shown("spec.versions", &shown(versions), detail));
    }
}

/// The versions as the API server prints them: without what they contain.
fn shown(versions: &[Value]) -> String {
    let version = |version: &Value| {
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":false,\"DeprecationWarning\":null,\"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            quoted(text(version, "name")),
            version["served"] == true,
            version["storage"] == true,
        )
    };
    format!("[{}]", versions.iter().map(version).collect::<Vec<_>>().join(","))
}

fn check_names(found: &Value, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        let field = format!("spec.names.{key}");
        let name = text(found, key);
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if key == "kind" || key == "listKind" {
            let problems = names::old_label(&name.to_lowercase());
            let detail =
                |problem: &String| format!("may have mixed case, but should otherwise match: {problem}");
            errors.extend(
                problems.iter().map(|problem| FieldError::invalid(&field, &found[key], &detail(problem))),
            );
        } else {
            let problems = names::old_label(name);
            errors.extend(problems.iter().map(|problem| FieldError::invalid(&field, &found[key], problem)));
        }
    }
    for key in ["shortNames", "categories"] {
        for (index, name) in found[key].as_array().into_iter().flatten().enumerate() {
            let problems = names::old_label(name.as_str().unwrap_or_default());
            let field = format!("spec.names.{key}[{index}]");
            errors.extend(problems.iter().map(|problem| FieldError::invalid(&field, name, problem)));
        }
    }
    if text(found, "kind") == text(found, "listKind") && !text(found, "kind").is_empty() {
        let detail = "kind and listKind may not be the same";
        errors.push(FieldError::invalid("spec.names.listKind", &found["listKind"], detail));
    }
}

/// Checks what each version contains. What all versions share is reported as a field of `spec`.
fn check_contents(spec: &Value, errors: &mut Vec<FieldError>) {
    let versions = versions(spec);
    let shared = |key: &str| versions.iter().all(|version| version.get(key) == versions[0].get(key));
    for (index, version) in versions.iter().enumerate() {
        let prefix =
            |key: &str| if shared(key) { "spec".to_owned() } else { format!("spec.versions[{index}]") };
        let again = |key: &str| index > 0 && shared(key);
        if !again("schema") {
            let schema = &version["schema"]["openAPIV3Schema"];
            let word = if shared("schema") { "validation" } else { "schema" };
            if schema.is_object() {
                structural::check(schema, &format!("{}.{word}.openAPIV3Schema", prefix("schema")), errors);
            } else {
                let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
                errors.push(FieldError::required(field, ""));
            }
        }
        if !again("subresources") {
            check_scale(&version["subresources"]["scale"], &prefix("subresources"), errors);
        }
        if !again("additionalPrinterColumns") {
            check_columns(&version["additionalPrinterColumns"], &prefix("additionalPrinterColumns"), errors);
        }
    }
}

fn check_scale(scale: &Value, prefix: &str, errors: &mut Vec<FieldError>) {
    if !scale.is_object() {
        return;
    }
    for (key, parent) in
        [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status."), ("labelSelectorPath", ".")]
    {
        let field = format!("{prefix}.subresources.scale.{key}");
        let path = text(scale, key);
        if path.is_empty() {
            if key != "labelSelectorPath" {
                errors.push(FieldError::required(field, ""));
            }
        } else if !path.starts_with('.') {
            errors.push(FieldError::invalid(
                field,
                &scale[key],
                "must be a simple json path starting with .",
            ));
        } else if !path.starts_with(parent) {
            let detail = format!("should be a json path under {}", parent.trim_end_matches('.'));
            errors.push(FieldError::invalid(field, &scale[key], &detail));
        }
    }
}

fn check_columns(columns: &Value, prefix: &str, errors: &mut Vec<FieldError>) {
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let field = |key: &str| format!("{prefix}.additionalPrinterColumns[{index}].{key}");
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        }
        let mut one_of = |key: &str, known: &[&str], may_miss: bool| {
            let found = text(column, key);
            if !(known.contains(&found) || may_miss && found.is_empty()) {
                let detail = format!("must be one of {}", known.join(","));
                errors.push(FieldError::invalid(field(key), &column[key], &detail));
            }
        };
        one_of("type", &COLUMN_TYPES, false);
        one_of("format", &COLUMN_FORMATS, true);
        let path = text(column, "jsonPath");
        if path.is_empty() {
            errors.push(FieldError::required(field("JSONPath"), ""));
        } else if !path.starts_with('.') {
            let detail = "must be a simple json path starting with .";
            errors.push(FieldError::invalid(field("JSONPath"), &column["jsonPath"], detail));
        }
    }
}
