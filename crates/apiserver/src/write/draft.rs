//! The steps from what a client sends to an object that can be stored. Guarantees that a request changes
//! only what its part of the API may change; storing the result is left to the caller.

use serde_json::{Value, json};

use crate::builtin;
use crate::failure::{Answer, Failure};
use crate::field_error::FieldError;
use crate::fields::Managers;
use crate::metadata::{self, NameRule};
use crate::protocol::request::{Target, WriteOptions};
use crate::registry::Resource;
use crate::schema;
use crate::storage::object::{Metadata, Object, now, object_mut};
use crate::write::Edit;
use crate::write::apply::{apply, merge_schema, own_part, remember, writer};
use crate::write::decode::{
    check_kind, check_name, check_namespace, decode, finalizer_warnings, is_finalizer_name,
};

/// An object on its way to being stored.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) new: Value,
    /// The managers before the write, or after it if it is an apply.
    managers: Managers,
    applied: bool,
    /// The object before the server completed it, where that matters to who owns its fields.
    sent: Value,
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
                return Ok(Self { new, managers, applied: true, sent: Value::Null, warnings: Vec::new() });
            }
        };
        check_kind(target, &mut new, is_patch)?;
        check_name(target, &mut new)?;
        check_namespace(target, &mut new)?;
        let warnings = decode(target, &mut new, options.validation, is_patch)?;
        let managers = Managers::of_update(live, &new, is_part);
        Ok(Self { sent: remember(target, &new), new, managers, applied: false, warnings })
    }

    /// Refuses what is based on another version or another object than `live`.
    pub(crate) fn check_version(&mut self, target: &Target, live: &Object, edit: &Edit) -> Answer<()> {
        let (id, name) = (&target.resource.id, target.name());
        let replaces = matches!(edit, Edit::Replace(_));
        let (uid, stored) = (self.new.meta("uid"), live.value.meta("uid"));
        if replaces && !uid.is_empty() && uid != stored {
            return Err(other_uid(target, uid, stored));
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
        let part = target.subresource.as_deref();
        match part {
            Some("status" | "finalize") => {
                let mut kept = live.clone();
                if target.resource.builtin.is_some() {
                    kept.copy_field(&self.new, "metadata");
                }
                if part == Some("status") {
                    kept.copy_field(&self.new, "status");
                } else {
                    kept["spec"].copy_field(&self.new["spec"], "finalizers");
                    if kept["spec"]["finalizers"] == json!([]) {
                        kept["spec"] = json!({});
                    }
                }
                self.new = kept;
            }
            Some("resize") => self.new = builtin::pods::confine_resize(live, &self.new),
            _ if target.resource.has(target.version, "status") => self.new.copy_field(live, "status"),
            _ => {}
        }
        metadata::carry_over(&mut self.new, live);
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
            let own = own_part(&self.sent, live, &self.new);
            self.managers.update(Some(merge_schema(target)), live, &own, &writer);
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

/// The update is meant for another object than the stored one, which has no UID if there is none.
pub(crate) fn other_uid(target: &Target, given: &str, stored: &str) -> Failure {
    let (id, key) = (&target.resource.id, target.key());
    let slash = if key.namespace.is_empty() { "" } else { "/" };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}/{}{slash}{}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {stored}",
        id.plural, key.namespace, key.name
    );
    Failure::conflict(id, target.name(), &why)
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
    resource.builtin.is_some_and(|builtin| builtin.unconditional_update)
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
    // Kubelets register a node together with its status.
    let registers = target.resource.builtin.is_some() && target.resource.kind == "Node";
    if target.resource.has(target.version, "status") && !registers {
        object_mut(new).remove("status");
        // A status may have a default, which is there from the start.
        if let Some(compiled) = &target.resource.versions[target.version].schema {
            schema::default(compiled.schema(), new);
        }
    }
}

/// Completes a new object and returns its errors.
pub(crate) fn create_errors(target: &Target, new: &mut Value) -> Vec<FieldError> {
    if target.resource.builtin.is_some() {
        return builtin::prepare_create(new);
    }
    let mut errors = metadata::validate_create(new, NameRule::Subdomain, target.resource.namespaced);
    errors.retain(|error| !is_finalizer_name(error));
    errors.extend(schema_errors(target, new, None));
    errors
}

/// Completes a changed object and returns its errors.
pub(crate) fn update_errors(target: &Target, new: &mut Value, live: &Value) -> Vec<FieldError> {
    let is_part = matches!(target.subresource.as_deref(), Some("status" | "finalize"));
    match target.resource.builtin {
        Some(_) if is_part => builtin::prepare_part(new, live),
        Some(_) if target.subresource.as_deref() == Some("resize") => builtin::prepare_resize(new, live),
        Some(_) => builtin::prepare_update(new, live),
        None => {
            let mut errors = metadata::validate_update(new, live);
            errors.retain(|error| !is_finalizer_name(error));
            errors.extend(schema_errors(target, new, Some(live)));
            errors
        }
    }
}

/// What is wrong with a custom resource.
pub(crate) fn schema_errors(target: &Target, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let compiled = target.resource.versions[target.version].schema.as_ref();
    compiled.map(|schema| schema.validate(new, old)).unwrap_or_default()
}

/// Fails with what is wrong with an object, if anything is.
pub(crate) fn refuse_invalid(target: &Target, object: &Value, errors: &[FieldError]) -> Answer<()> {
    let resource = &target.resource;
    if errors.is_empty() {
        return Ok(());
    }
    // Upstream validates, and names, the kind that is stored.
    Err(Failure::invalid(&resource.storage.group, &resource.kind, object.meta("name"), errors))
}

/// The stored form of an object.
pub(crate) fn to_storage(resource: &Resource, value: Value) -> Value {
    if resource.storage == resource.id { value } else { builtin::events::to_core(&value) }
}
