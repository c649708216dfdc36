//! The metadata of an object of any kind: names, labels, annotations, owners, finalizers. Used for built-in
//! kinds by [`prepare_create`](super::prepare_create) and its sibling, and by the server for custom resources.

use serde_json::{Map, Value};

pub(crate) mod names;
use crate::field_error::{FieldError, quoted};

const MAXIMUM_ANNOTATIONS: usize = 256 * 1024;
const IMMUTABLE: &str = "field is immutable";

/// Format of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// A DNS subdomain, RFC 1123: most kinds, and every custom resource.
    Subdomain,
    /// A DNS label, RFC 1123: namespaces and services.
    Label,
    /// Everything that can be a segment of a path: events, roles and their bindings.
    PathSegment,
}

impl NameRule {
    fn problems(self, name: &str) -> Vec<String> {
        match self {
            Self::Subdomain => names::subdomain(name),
            Self::Label => names::label(name),
            Self::PathSegment => names::path_segment(name),
        }
    }
}

/// Drops empty metadata: nulls, and empty texts, lists and maps.
pub(crate) fn normalize(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.retain(|_, value| !is_nothing(value));
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(owner) = owner.as_object_mut() {
            owner.retain(|_, value| !value.is_null());
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// What is wrong with the metadata of a new object.
pub(crate) fn validate_create(object: &Value, rule: NameRule, namespaced: bool) -> Vec<FieldError> {
    let metadata = &object["metadata"];
    let mut errors = Vec::new();
    if let Some(prefix) = metadata["generateName"].as_str().filter(|prefix| !prefix.is_empty()) {
        // The name continues after a trailing dash.
        let sample = match prefix.strip_suffix('-') {
            Some(stem) if !stem.is_empty() => format!("{}a", &prefix[..stem.len()]),
            _ => prefix.to_owned(),
        };
        FieldError::extend(&mut errors, "metadata.generateName", prefix, rule.problems(&sample));
    }
    match metadata["name"].as_str().filter(|name| !name.is_empty()) {
        None => errors.push(FieldError::required("metadata.name", "name or generateName is required")),
        Some(name) => FieldError::extend(&mut errors, "metadata.name", name, rule.problems(name)),
    }
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required("metadata.namespace", "")),
        (false, false) => {
            errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
        }
        _ => {}
    }
    validate_common(metadata, &mut errors);
    errors
}

/// What is wrong with the metadata of an object that replaces `old`.
///
/// Fields that the server owns (`uid`, `creationTimestamp`, `deletionTimestamp`) are to be carried over
/// before; see [`carry_over`].
pub(crate) fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let mut errors = Vec::new();
    if !old["deletionTimestamp"].is_null() {
        let known: Vec<&str> = texts(&old["finalizers"]).collect();
        let added: Vec<String> =
            texts(&new["finalizers"]).filter(|finalizer| !known.contains(finalizer)).map(quoted).collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    for field in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        if new[field] != old[field] {
            errors.push(FieldError::invalid(format!("metadata.{field}"), &new[field], IMMUTABLE));
        }
    }
    validate_common(new, &mut errors);
    errors
}

/// Takes over from `old` the metadata that an update cannot change and need not repeat.
pub(crate) fn carry_over(new: &mut Value, old: &Value) {
    let old = &old["metadata"];
    let Some(metadata) = new["metadata"].as_object_mut() else { return };
    let mut take = |field: &str| match old.get(field) {
        Some(value) => metadata.insert(field.to_owned(), value.clone()),
        None => metadata.remove(field),
    };
    take("uid");
    take("creationTimestamp");
    if !old["deletionTimestamp"].is_null() {
        take("deletionTimestamp");
    }
    if !metadata.contains_key("deletionGracePeriodSeconds")
        && let Some(seconds) = old.get("deletionGracePeriodSeconds")
    {
        metadata.insert("deletionGracePeriodSeconds".to_owned(), seconds.clone());
    }
}

fn validate_common(metadata: &Value, errors: &mut Vec<FieldError>) {
    if metadata["generation"].as_i64().is_some_and(|generation| generation < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("metadata.generation", &metadata["generation"], detail));
    }
    validate_labels("metadata.labels", &metadata["labels"], errors);
    validate_annotations(&metadata["annotations"], errors);
    validate_owners(&metadata["ownerReferences"], errors);
    validate_finalizers(&metadata["finalizers"], errors);
}

/// Checks keys and values of labels, or of a selector that consists of them.
pub(super) fn validate_labels(field: &str, labels: &Value, errors: &mut Vec<FieldError>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        FieldError::extend(errors, field, key, names::qualified_name(key));
        let text = value.as_str().unwrap_or_default();
        FieldError::extend(errors, field, text, names::label_value(text));
    }
}

fn validate_annotations(annotations: &Value, errors: &mut Vec<FieldError>) {
    let field = "metadata.annotations";
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        FieldError::extend(errors, field, key, names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAXIMUM_ANNOTATIONS {
        errors.push(FieldError::too_long(field, MAXIMUM_ANNOTATIONS as u64));
    }
}

fn validate_owners(owners: &Value, errors: &mut Vec<FieldError>) {
    let field = "metadata.ownerReferences";
    let text = |owner: &Value, key: &str| owner[key].as_str().unwrap_or_default().to_owned();
    let mut controller: Option<String> = None;
    for owner in owners.as_array().into_iter().flatten() {
        let api_version = text(owner, "apiVersion");
        if api_version.is_empty() || api_version.matches('/').count() > 1 || api_version.ends_with('/') {
            let value = Value::from(api_version.as_str());
            errors.push(FieldError::invalid(
                format!("{field}.apiVersion"),
                &value,
                "version must not be empty",
            ));
        }
        for key in ["kind", "name", "uid"].into_iter().filter(|key| text(owner, key).is_empty()) {
            errors.push(FieldError::invalid(format!("{field}.{key}"), &Value::from(""), "must not be empty"));
        }
        if api_version == "v1" && owner["kind"] == "Event" {
            errors.push(FieldError::invalid(
                field,
                owner,
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if owner["controller"] == true {
            let this = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            if let Some(first) = &controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                );
                errors.push(FieldError::invalid(field, owners, &detail));
            }
            controller.get_or_insert(this);
        }
    }
}

fn validate_finalizers(finalizers: &Value, errors: &mut Vec<FieldError>) {
    let field = "metadata.finalizers";
    let found: Vec<&str> = texts(finalizers).collect();
    for name in &found {
        FieldError::extend(errors, field, name, names::qualified_name(name));
    }
    if found.contains(&"orphan") && found.contains(&"foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(field, finalizers, detail));
    }
    for (index, name) in found.iter().enumerate() {
        if !name.contains('/') && !["orphan", "foregroundDeletion", "kubernetes"].contains(name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("{field}[{index}]"), &Value::from(*name), detail));
        }
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Sets a field of the object if it is absent.
pub(super) fn set_default(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.entry(key).or_insert_with(|| value.into());
    }
}

/// The fields of the object under `key`, which becomes an object if it is absent.
pub(super) fn fields<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    object.as_object_mut()?.entry(key).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}
