//! The steps from what a client sends to an object that can be stored. Guarantees that a request changes
//! only what its part of the API may change; storing the result is left to the caller.

use serde_json::{Value, json};

use super::api::reshape;
use super::builtin::{self, metadata::NameRule};
use super::delete::{FOREGROUND, ORPHAN};
use super::failure::{Answer, Failure};
use super::field_error::FieldError;
use super::fields::{FieldSet, Managers, Writer, typecheck};
use super::object::{Metadata, Object, now, object_mut};
use super::openapi;
use super::registry::{Resource, group_version};
use super::request::{FieldValidation, Target, WriteOptions};
use super::schema;
use super::write::Edit;

/// An object on its way to being stored.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) new: Value,
    /// The managers before the write, or after it if it is an apply.
    managers: Managers,
    applied: bool,
    pub(crate) warnings: Vec<String>,
}

impl Draft {
    /// What the edit makes of `live`.
    pub(crate) fn edit(target: &Target, live: &Value, edit: &Edit, options: &WriteOptions) -> Answer<Self> {
        let is_part = target.subresource.is_some();
        let (mut new, is_patch) = match edit {
            Edit::Replace(body) => (body.clone(), false),
            Edit::Patch(patch) => (patch.apply(live, merge_schema(target))?, true),
            Edit::Apply { .. } => {
                let mut managers = Managers::of(live);
                if managers.is_empty() {
                    managers.adopt(Some(merge_schema(target)), live, &writer(target, &options.manager));
                }
                let new = apply(target, &mut managers, live, edit, options)?;
                return Ok(Self { new, managers, applied: true, warnings: Vec::new() });
            }
        };
        check_kind(target, &mut new, is_patch)?;
        check_name(target, &mut new)?;
        check_namespace(target, &mut new)?;
        let warnings = decode(target, &mut new, options.validation, is_patch)?;
        let managers = Managers::of_update(live, &new, is_part);
        Ok(Self { new, managers, applied: false, warnings })
    }

    /// Refuses what is based on another version or another object than `live`.
    pub(crate) fn check_version(&mut self, target: &Target, live: &Object, edit: &Edit) -> Answer<()> {
        let (id, name) = (&target.resource.id, target.name());
        let replaces = matches!(edit, Edit::Replace(_));
        let (uid, stored) = (self.new.meta("uid"), live.value.meta("uid"));
        if replaces && !uid.is_empty() && uid != stored {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{}/{}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}",
                id.plural,
                live.value.meta("namespace").to_owned() + "/" + name
            );
            return Err(Failure::conflict(id, name, &why));
        }
        if !uid.is_empty() && uid != stored {
            let error = FieldError::invalid("metadata.uid", &json!(uid), "field is immutable");
            return Err(Failure::invalid(&id.group, &target.resource.kind, name, &[error]));
        }
        match self.new.meta("resourceVersion") {
            "" | "0" if replaces && !unconditional(&target.resource) && target.subresource.is_none() => {
                let error = FieldError::invalid(
                    "metadata.resourceVersion",
                    &json!(0),
                    "must be specified for an update",
                );
                // Upstream names the resource here, not the kind.
                Err(Failure::invalid(&id.group, &id.plural, name, &[error]))
            }
            "" | "0" => Ok(()),
            given if given == live.revision.to_string() => Ok(()),
            given if given.parse::<u64>().is_err() => {
                Err(Failure::unclassified(format!("strconv.ParseUint: parsing \"{given}\": invalid syntax")))
            }
            _ => Err(Failure::modified(id, name)),
        }
    }

    /// Takes over from `live` everything the request's part of the API does not change.
    pub(crate) fn confine(&mut self, target: &Target, live: &Value) {
        let mut kept = live.clone();
        match target.subresource.as_deref() {
            Some("status") => {
                kept.copy_field(&self.new, "status");
                self.new = kept;
            }
            Some("finalize") => {
                kept["spec"]["finalizers"] = self.new["spec"]["finalizers"].take();
                self.new = kept;
            }
            _ if target.resource.has(target.version, "status") => self.new.copy_field(live, "status"),
            _ => {}
        }
        builtin::metadata::carry_over(&mut self.new, live);
        let metadata = self.new.meta_mut();
        for field in ["resourceVersion", "generation", "selfLink"] {
            match live["metadata"].get(field) {
                Some(found) => metadata.insert(field.to_owned(), found.clone()),
                None => metadata.remove(field),
            };
        }
    }

    /// Notes who wrote what and counts the generation.
    pub(crate) fn finish(mut self, target: &Target, live: &Value, manager: &str) -> Self {
        if !self.applied && !self.managers.is_empty() {
            let writer = writer(target, manager);
            self.managers.update(Some(merge_schema(target)), live, &self.new, &writer);
        }
        self.managers.write_to(&mut self.new);
        self.warnings.extend(finalizer_warnings(target, live, &self.new));
        if target.resource.builtin.is_none()
            && !target.is_status()
            && counts(&target.resource, target.version, live, &self.new)
        {
            let generation = live["metadata"]["generation"].as_u64().unwrap_or_default() + 1;
            self.new.meta_mut().insert("generation".to_owned(), generation.into());
        }
        self
    }
}

/// Metadata that only the server writes.
const SERVER_FIELDS: [&str; 7] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
];

/// Whether an update may leave the version open.
fn unconditional(resource: &Resource) -> bool {
    resource.builtin.is_some()
        && !["leases", "customresourcedefinitions"].contains(&resource.id.plural.as_str())
}

/// Whether the change of a custom resource is one that `metadata.generation` counts.
fn counts(resource: &Resource, version: usize, live: &Value, new: &Value) -> bool {
    let has_status = resource.has(version, "status");
    let counted = |value: &Value| {
        let mut value = value.clone();
        object_mut(&mut value).retain(|key, _| key != "metadata" && !(has_status && key == "status"));
        value
    };
    counted(live) != counted(new)
}

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

/// Custom resources have to say what they are.
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

/// Drops what the schema does not know, fills in its defaults, and tells about the former as asked.
pub(crate) fn decode(
    target: &Target,
    new: &mut Value,
    validation: FieldValidation,
    is_patch: bool,
) -> Answer<Vec<String>> {
    let version = &target.resource.versions[target.version];
    let (group, kind) = (&target.resource.id.group, &target.resource.kind);
    let malformed = match version.schema {
        None => openapi::decode_error(group, &version.name, kind, new),
        Some(_) => openapi::metadata_decode_error(new),
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

/// Gives a new object its identity.
pub(crate) fn initialise(target: &Target, new: &mut Value) {
    let metadata = new.meta_mut();
    for field in SERVER_FIELDS {
        metadata.remove(field);
    }
    metadata.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".to_owned(), now().into());
    if target.resource.builtin.is_none() {
        metadata.insert("generation".to_owned(), 1.into());
    }
    if target.resource.has(target.version, "status") {
        object_mut(new).remove("status");
    }
}

/// Completes a new object and tells what is wrong with it.
pub(crate) fn create_errors(target: &Target, new: &mut Value) -> Vec<FieldError> {
    if target.resource.builtin.is_some() {
        return builtin::prepare_create(new);
    }
    let mut errors = builtin::metadata::validate_create(new, NameRule::Subdomain, target.resource.namespaced);
    errors.retain(|error| !is_finalizer_name(error));
    errors.extend(schema_errors(target, new, None));
    errors
}

/// Completes a changed object and tells what is wrong with it.
pub(crate) fn update_errors(target: &Target, new: &mut Value, live: &Value) -> Vec<FieldError> {
    let is_part = matches!(target.subresource.as_deref(), Some("status" | "finalize"));
    match target.resource.builtin {
        Some(_) if is_part => Vec::new(),
        Some(_) => builtin::prepare_update(new, live),
        None => {
            let mut errors = builtin::metadata::validate_update(new, live);
            errors.retain(|error| !is_finalizer_name(error));
            errors.extend(schema_errors(target, new, Some(live)));
            errors
        }
    }
}

/// Custom resources may have finalizers without a domain; clients are warned.
fn is_finalizer_name(error: &FieldError) -> bool {
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

fn schema_errors(target: &Target, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let compiled = target.resource.versions[target.version].schema.as_ref();
    compiled.map(|schema| schema.validate(new, old)).unwrap_or_default()
}

/// What the applied configuration makes of `live`.
pub(crate) fn apply(
    target: &Target,
    managers: &mut Managers,
    live: &Value,
    edit: &Edit,
    options: &WriteOptions,
) -> Answer<Value> {
    let Edit::Apply { config, force } = edit else { return Ok(live.clone()) };
    let mut config = config.clone();
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    if config["apiVersion"] != target.api_version() || config["kind"] != target.resource.kind {
        let text = |field: &str| config[field].as_str().unwrap_or_default();
        let slash = if text("apiVersion").contains('/') { "" } else { "/" };
        let given = format!("{slash}{}, Kind={}", text("apiVersion"), text("kind"));
        return Err(Failure::bad_request(format!("invalid object type: {given}")));
    }
    check_name(target, &mut config)?;
    let (schema, writer) = (merge_schema(target), writer(target, &options.manager));
    if let Some(why) = typecheck(schema, &config) {
        return Err(untyped(target, &config, &why));
    }
    let applied = managers.apply(Some(schema), live, &config, &writer, *force);
    let mut new = applied.map_err(|error| Failure::apply_conflict(error.message, error.causes))?;
    if target.resource.builtin.is_some() {
        schema::default(schema, &mut new);
    } else {
        // Where all entries of a list or map were removed is a null now, and upstream does not drop it.
        let errors = if has_null(&new) { schema_errors(target, &new, Some(live)) } else { Vec::new() };
        let nulls = |error: &FieldError| {
            error.reason == "FieldValueTypeInvalid" && error.message.ends_with(": \"null\"")
        };
        refuse_invalid(target, &new, &errors.into_iter().filter(nulls).collect::<Vec<_>>())?;
        reshape(&target.resource, target.version, &mut new);
    }
    check_namespace(target, &mut new)?;
    if options.manager == "kubectl" {
        update_last_applied(&config, &mut new);
    }
    Ok(new)
}

/// Keeps what client-side `kubectl apply` compares with up to date, where it has been used before.
fn update_last_applied(config: &Value, new: &mut Value) {
    const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    if let Some(applied) =
        new.pointer_mut("/metadata/annotations").and_then(|found| found.get_mut(ANNOTATION))
    {
        *applied = format!("{config}\n").into();
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().any(has_null),
        Value::Array(items) => items.iter().any(has_null),
        _ => false,
    }
}

/// Fails with what is wrong with an object, if anything is.
pub(crate) fn refuse_invalid(target: &Target, object: &Value, errors: &[FieldError]) -> Answer<()> {
    let resource = &target.resource;
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&resource.id.group, &resource.kind, object.meta("name"), errors))
}

/// What is applied does not fit the schema.
fn untyped(target: &Target, config: &Value, why: &str) -> Failure {
    let (namespace, name) = (config.meta("namespace"), config.meta("name"));
    let group = &target.resource.id.group;
    let version = &target.resource.versions[target.version].name;
    Failure::unclassified(format!(
        "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={}): {why}",
        target.resource.kind
    ))
}

/// How objects of the target merge.
pub(crate) fn merge_schema(target: &Target) -> &Value {
    &target.resource.versions[target.version].merge_schema
}

/// The field manager of a request.
pub(crate) fn writer(target: &Target, manager: &str) -> Writer {
    let ignored: &[&str] = match target.subresource.as_deref() {
        Some("status") => &["spec", "metadata"],
        _ if target.resource.id.plural == "namespaces" && target.resource.builtin.is_some() => {
            &["status", "spec"]
        }
        _ if target.resource.has(target.version, "status") => &["status"],
        _ => &[],
    };
    Writer {
        manager: manager.to_owned(),
        api_version: group_version(&target.resource.id.group, &target.resource.versions[target.version].name),
        subresource: target.subresource.clone().unwrap_or_default(),
        ignored: FieldSet::of(ignored),
    }
}

/// The managers of an object that is created by other means than an apply.
pub(crate) fn first_manager(target: &Target, new: &Value, manager: &str) -> Managers {
    let mut managers = Managers::default();
    managers.update(Some(merge_schema(target)), &blank(target, new), new, &writer(target, manager));
    managers
}

/// An object as it is before anything is set: the structures of built-in kinds are there from the start.
fn blank(target: &Target, new: &Value) -> Value {
    let mut blank = json!({"apiVersion": new["apiVersion"], "kind": new["kind"]});
    if target.resource.builtin.is_none() {
        return blank;
    }
    match target.resource.kind.as_str() {
        "Event" => {
            for field in ["involvedObject", "regarding", "source", "deprecatedSource"] {
                blank[field] = json!({});
            }
            for (key, value) in new.as_object().into_iter().flatten() {
                if value.is_null() || value == "" {
                    blank[key] = value.clone();
                }
            }
        }
        "CustomResourceDefinition" => blank["spec"] = json!({"names": {}}),
        _ => {
            for field in ["spec", "status"] {
                if new[field].is_object() {
                    blank[field] = json!({});
                }
            }
        }
    }
    blank
}

/// The stored form of an object.
pub(crate) fn to_storage(resource: &Resource, value: Value) -> Value {
    if resource.storage == resource.id { value } else { builtin::events::to_core(&value) }
}
