//! Server-side apply of a request, and the field managers of all other writes. What cannot be merged is refused
//! before anything is written; the merge itself is in `fields`.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::api::reshape;
use crate::failure::{Answer, Failure};
use crate::field_error::FieldError;
use crate::fields::{FieldSet, Managers, Writer, typecheck};
use crate::protocol::request::{Target, WriteOptions};
use crate::schema;
use crate::storage::object::Metadata;
use crate::versions::group_version;
use crate::write::Edit;
use crate::write::decode::{check_name, check_namespace};
use crate::write::draft::{refuse_invalid, schema_errors};

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
        Some("status") if target.resource.builtin.is_some() => &["spec"],
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
pub(crate) fn first_manager(target: &Target, sent: &Value, new: &Value, manager: &str) -> Managers {
    let mut managers = Managers::default();
    let blank = blank(target, new);
    let own = own_part(sent, &blank, new);
    managers.update(Some(merge_schema(target)), &blank, &own, &writer(target, manager));
    managers
}

/// A copy of what a client sent, for the kinds that [`own_part`] handles.
pub(crate) fn remember(target: &Target, sent: &Value) -> Value {
    let completed = ["Secret", "Service"].contains(&target.resource.kind.as_str());
    if completed && target.resource.builtin.is_some() { sent.clone() } else { Value::Null }
}

/// The object as far as its fields are the client's: fields that upstream completes late have no manager.
pub(crate) fn own_part<'o>(sent: &Value, live: &Value, new: &'o Value) -> Cow<'o, Value> {
    let mut own = Cow::Borrowed(new);
    match sent["kind"].as_str() {
        Some("Secret") => {
            own.to_mut().copy_field(sent, "data");
            own.to_mut().copy_field(sent, "stringData");
        }
        Some("Service") => {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if sent["spec"][field].is_null() && own["spec"].is_object() {
                    own.to_mut()["spec"].copy_field(&live["spec"], field);
                }
            }
        }
        _ => {}
    }
    own
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
        "ClusterRole" | "Role" => blank["rules"] = Value::Null,
        "Deployment" => {
            let template = json!({"metadata": {}, "spec": {"containers": []}});
            blank["spec"] = json!({"strategy": {}, "template": template});
            blank["status"] = json!({});
        }
        "NetworkPolicy" => blank["spec"] = json!({"podSelector": {}}),
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
