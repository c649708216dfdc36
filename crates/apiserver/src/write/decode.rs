//! Converts a request body to an object of a kind: checks its kind, its namespace and name against the URL, and its
//! fields against the schema. Failures are those of the API server; validation applies the rules of the kind.

use serde_json::Value;

use crate::api::reshape;
use crate::definitions;
use crate::failure::{Answer, Failure};
use crate::field_error::FieldError;
use crate::protocol::request::{FieldValidation, Target};
use crate::schema;
use crate::storage::object::{Metadata, object_mut};
use crate::write::delete::{FOREGROUND, ORPHAN};

/// Fills in or checks `apiVersion` and `kind`.
pub(crate) fn check_kind(target: &Target, new: &mut Value, is_patch: bool) -> Answer<()> {
    let (api_version, kind) = (target.api_version(), target.resource.kind.as_str());
    if target.resource.builtin.is_none() && !is_patch {
        check_typed(new, &api_version, kind)?;
    }
    let fields = object_mut(new);
    let given_version = fields.entry("apiVersion").or_insert_with(|| api_version.clone().into()).clone();
    let given_kind = fields.entry("kind").or_insert_with(|| kind.into()).clone();
    if given_version == api_version && given_kind == kind {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (given_version, given_kind) = (text(&given_version), text(&given_kind));
    let why = format!("{given_version}, Kind={given_kind} is not {api_version}, Kind={kind}");
    Err(if is_patch {
        undecodable(target, new, &why, true)
    } else {
        let version = given_version.rsplit('/').next().unwrap_or_default();
        Failure::bad_request(format!(
            "{given_kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
        ))
    })
}

/// Custom resources have to state their type.
fn check_typed(new: &Value, api_version: &str, kind: &str) -> Answer<()> {
    if new["kind"].as_str().is_none_or(str::is_empty) {
        return Err(Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{new}'"
        )));
    }
    let given = new["apiVersion"].as_str().unwrap_or_default();
    if given != api_version {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({given}) does not match the expected API version ({api_version})"
        )));
    }
    Ok(())
}

pub(crate) fn check_name(target: &Target, new: &mut Value) -> Answer<()> {
    match new.meta("name") {
        "" => {
            new.meta_mut().insert("name".to_owned(), target.name().into());
            Ok(())
        }
        given if given == target.name() => Ok(()),
        given => Err(Failure::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.name()
        ))),
    }
}

pub(crate) fn check_namespace(target: &Target, new: &mut Value) -> Answer<()> {
    let Some(namespace) = &target.namespace else {
        if target.resource.namespaced {
            return Ok(());
        }
        new.meta_mut().remove("namespace");
        return Ok(());
    };
    if !["", namespace.as_str()].contains(&new.meta("namespace")) {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(why));
    }
    new.meta_mut().insert("namespace".to_owned(), namespace.as_str().into());
    Ok(())
}

/// Drops undeclared fields, fills in defaults, and reports the dropped fields as requested.
pub(crate) fn decode(
    target: &Target,
    new: &mut Value,
    validation: FieldValidation,
    is_patch: bool,
) -> Answer<Vec<String>> {
    let version = &target.resource.versions[target.version];
    let (group, kind) = (&target.resource.id.group, &target.resource.kind);
    let malformed = match version.schema {
        None => definitions::decode_error(group, &version.name, kind, new),
        Some(_) => definitions::metadata_decode_error(new),
    };
    if let Some(why) = malformed {
        return Err(undecodable(target, new, &why, is_patch));
    }
    let schema = version.schema.as_ref().map_or(&version.merge_schema, |compiled| compiled.schema());
    let unknown = match validation {
        FieldValidation::Ignore => Vec::new(),
        _ => schema::unknown_fields(schema, new),
    };
    let texts: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    if validation == FieldValidation::Strict && !texts.is_empty() {
        return Err(undecodable(
            target,
            new,
            &format!("strict decoding error: {}", texts.join(", ")),
            is_patch,
        ));
    }
    new.meta_mut().retain(|_, value| !value.is_null());
    if version.schema.is_some() {
        schema::without_empty_fractions(new);
        reshape(&target.resource, target.version, new);
    } else {
        schema::prune(schema, new);
        schema::default(schema, new);
    }
    Ok(texts)
}

fn undecodable(target: &Target, new: &Value, why: &str, is_patch: bool) -> Failure {
    if is_patch {
        let error = FieldError::invalid("patch", &Value::String(new.to_string()), why);
        return Failure::invalid("", "", "", &[error]);
    }
    let kind = &target.resource.kind;
    let version = &target.resource.versions[target.version].name;
    Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
}

/// Custom resources may have finalizers without a domain; clients are warned.
pub(crate) fn is_finalizer_name(error: &FieldError) -> bool {
    error.field.starts_with("metadata.finalizers[")
}

pub(crate) fn finalizer_warnings(target: &Target, live: &Value, new: &Value) -> Vec<String> {
    let known = live.finalizers();
    let odd =
        |name: &&str| !name.contains('/') && ![FOREGROUND, ORPHAN].contains(name) && !known.contains(name);
    let names = new.finalizers().into_iter().filter(|_| target.resource.builtin.is_none()).filter(odd);
    names
        .map(|name| {
            format!(
                "metadata.finalizers: \"{name}\": prefer a domain-qualified finalizer name to avoid accidental \
                 conflicts with other finalizer writers"
            )
        })
        .collect()
}
