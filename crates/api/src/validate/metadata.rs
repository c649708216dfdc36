//! Judges the `metadata` of a manifest as the API server does: names, labels, annotations, finalizers, owners.
//!
//! Stored objects have been validated already, so the operator checks only the types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Violation, bounds::shown, spelling, syntax};
use crate::{field_path::FieldPath, names, rules};

/// The fields of `metadata`.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The fields of an entry of `ownerReferences`.
const OWNER_FIELDS: [&str; 6] = ["apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"];

/// How many bytes the annotations of an object may have together.
const ANNOTATIONS: usize = 256 * 1024;

/// Reports unknown and ill-typed fields of `metadata`.
pub(super) fn types(metadata: Option<&Value>, found: &mut Vec<Violation>) {
    let path = FieldPath::of(&["metadata"]);
    let mut report =
        |field: FieldPath, rule: String| found.push(Violation { field, value: String::new(), rule });
    let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) else { return };
    for key in metadata.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !FIELDS.contains(&key.as_str()) {
            let hint = spelling::closest(key, FIELDS.into_iter());
            let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            report(path.key(key), format!("unknown field{hint}"));
        }
    }
    for maps in ["labels", "annotations"] {
        for (key, value) in metadata.get(maps).and_then(Value::as_object).into_iter().flatten() {
            if !value.is_string() && !value.is_null() {
                report(path.key(maps).key(key), "must be a string: write it in quotes".to_owned());
                return;
            }
        }
    }
    if let Err(error) = ObjectMeta::deserialize(without_nulls(metadata)) {
        report(path, error.to_string());
    }
}

/// A null in a map of texts is an empty text to the API server.
fn without_nulls(metadata: &Value) -> Value {
    let mut metadata = metadata.clone();
    for maps in ["labels", "annotations"] {
        if let Some(map) = metadata.get_mut(maps).and_then(Value::as_object_mut) {
            map.retain(|_, value| !value.is_null());
        }
    }
    metadata
}

/// What the API server refuses in the `metadata` of a new object.
pub(crate) fn check(manifest: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    let nothing = Value::Null;
    let metadata = manifest.get("metadata").unwrap_or(&nothing);
    let mut report = |keys: &[&str], value: &str, rule: &str| {
        let field = keys.iter().fold(FieldPath::of(&["metadata"]), |path, key| path.key(key));
        let value = if value.is_empty() { String::new() } else { shown(&Value::from(value)) };
        found.push(Violation { field, value, rule: rule.to_owned() });
    };
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("name"), text("generateName")) {
        (None, None) if !["name", "generateName"].iter().any(|key| is_mistyped(metadata.get(*key))) => {
            report(&["name"], "", "is required");
        }
        (None, Some(prefix)) if !is_name_prefix(prefix) => {
            report(&["generateName"], prefix, rules::NAME_RULE);
        }
        _ => {}
    }
    if let Some(namespace) = text("namespace").filter(|name| !syntax::is_namespace_name(name)) {
        report(&["namespace"], namespace, "must be a possible name of a namespace");
    }
    for map in ["labels", "annotations"] {
        for (key, value) in metadata.get(map).and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            // The API server compares keys of annotations in lower case.
            let comparable = if map == "labels" { key.clone() } else { key.to_lowercase() };
            if !syntax::is_label_key(&comparable) {
                report(&[map, key], "", "must have the key of a label, such as example.com/team");
            } else if map == "labels" && !syntax::is_label_value(value) {
                report(
                    &[map, key],
                    value,
                    "must be the value of a label: up to 63 letters, digits, -, _ and .",
                );
            }
        }
    }
    let annotations = metadata.get("annotations").and_then(Value::as_object).into_iter().flatten();
    let bytes = annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum::<usize>();
    if bytes > ANNOTATIONS {
        report(&["annotations"], "", "must not have more than 262144 bytes together");
    }
    found.extend(references(metadata));
    found.extend(deletion_policy(metadata));
    found
}

/// A name for anything but a service at the provider, whose names have stricter rules.
pub(crate) fn object_name(manifest: &Value) -> Option<Violation> {
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str)?;
    let rule =
        "must be lower-case letters, digits, - and ., starting and ending with a letter or digit".to_owned();
    let field = FieldPath::of(&["metadata", "name"]);
    let wrong = !name.is_empty() && !syntax::is_object_name(name);
    wrong.then(|| Violation { field, value: shown(&Value::from(name)), rule })
}

fn is_mistyped(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_string() && !value.is_null())
}

/// Whether a generated name that starts like this can be the name of a service.
fn is_name_prefix(prefix: &str) -> bool {
    prefix.starts_with(|first: char| first.is_ascii_lowercase())
        && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Finalizers and owners.
fn references(metadata: &Value) -> Vec<Violation> {
    let list = |key: &str| metadata.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
    let mut found = Vec::new();
    let path = FieldPath::of(&["metadata"]);
    let mut report = |field, rule: String| found.push(Violation { field, value: String::new(), rule });
    for (index, finalizer) in list("finalizers") {
        if finalizer.as_str().is_some_and(|finalizer| !syntax::is_label_key(finalizer)) {
            report(
                path.key("finalizers").index(index),
                "must be a name such as example.com/finalizer".to_owned(),
            );
        }
    }
    let mut controllers = 0;
    for (index, owner) in list("ownerReferences") {
        let field = path.key("ownerReferences").index(index);
        for required in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(required).and_then(Value::as_str).is_none_or(str::is_empty) {
                report(field.key(required), "is required".to_owned());
            }
        }
        for key in owner.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !OWNER_FIELDS.contains(&key.as_str()) {
                report(field.key(key), "unknown field".to_owned());
            }
        }
        controllers += usize::from(owner.get("controller") == Some(&Value::Bool(true)));
    }
    if controllers > 1 {
        report(path.key("ownerReferences"), "must have at most one controller".to_owned());
    }
    found
}

fn deletion_policy(metadata: &Value) -> Option<Violation> {
    let policy = metadata.get("annotations")?.get(names::DELETION_POLICY)?.as_str()?;
    let known = [names::DELETION_POLICY_ORPHAN, "Delete"].contains(&policy);
    let rule = format!("must be `{}` or `Delete`", names::DELETION_POLICY_ORPHAN);
    let field = FieldPath::of(&["metadata", "annotations", names::DELETION_POLICY]);
    (!known).then(|| Violation { field, value: String::new(), rule })
}
