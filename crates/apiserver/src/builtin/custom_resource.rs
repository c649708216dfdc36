//! `CustomResourceDefinition`s: defaults, what an update may change, and the status of one that is accepted.

use serde_json::{Value, json};

use crate::field_error::FieldError;
use crate::metadata::fields;
use crate::schema;

pub(super) fn default_create(crd: &mut Value) {
    default(crd);
    let stored =
        crd["spec"]["versions"].as_array().into_iter().flatten().find(|version| version["storage"] == true);
    let stored: Vec<Value> = stored.map(|version| version["name"].clone()).into_iter().collect();
    crd["status"] =
        json!({"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored});
}

pub(super) fn default_update(new: &mut Value, old: &Value) {
    default(new);
    new["status"] = old["status"].clone();
    let storage =
        new["spec"]["versions"].as_array().into_iter().flatten().find(|version| version["storage"] == true);
    if let Some(name) = storage.map(|version| version["name"].clone())
        && let Some(stored) = new.pointer_mut("/status/storedVersions").and_then(Value::as_array_mut)
        && !stored.contains(&name)
    {
        stored.push(name);
    }
}

fn default(crd: &mut Value) {
    let Some(spec) = fields(crd, "spec") else { return };
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !kind.is_empty() {
        names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    }
}

pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = schema::check_crd(new);
    let text = |pointer: &str| new.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if old.is_none()
        && text("/metadata/name") != format!("{}.{}", text("/spec/names/plural"), text("/spec/group"))
    {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &new["metadata"]["name"], detail));
    }
    if let Some(old) = old {
        check_stored(new, &mut errors);
        for path in ["group", "scope", "names/kind", "names/plural"] {
            let pointer = format!("/spec/{path}");
            let (new, old) = (new.pointer(&pointer), old.pointer(&pointer));
            if new != old {
                let field = format!("spec.{}", path.replace('/', "."));
                let value = new.cloned().unwrap_or_default();
                errors.push(FieldError::invalid(field, &value, "field is immutable"));
            }
        }
    }
    errors
}

/// A version that objects may be stored in must stay.
fn check_stored(crd: &Value, errors: &mut Vec<FieldError>) {
    let served = |name: &Value| {
        crd["spec"]["versions"]
            .as_array()
            .is_some_and(|list| list.iter().any(|version| version["name"] == *name))
    };
    for (index, name) in crd["status"]["storedVersions"].as_array().into_iter().flatten().enumerate() {
        if !served(name) {
            let shown = name.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {shown} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {shown} and removes {shown} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("status.storedVersions[{index}]"), name, &detail));
        }
    }
}

/// Writes the status of a definition whose names are free, as of `now` (RFC 3339).
pub fn establish(crd: &mut Value, now: &str) {
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
    let fresh = [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    let names = crd["spec"]["names"].clone();
    let Some(status) = fields(crd, "status") else { return };
    status.insert("acceptedNames".to_owned(), names);
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    for condition in fresh {
        let known = |list: &Vec<Value>| {
            list.iter().any(|found| found["type"] == condition["type"] && found["status"] == "True")
        };
        match conditions.as_array_mut() {
            Some(list) if !known(list) => {
                list.retain(|found| found["type"] != condition["type"]);
                list.push(condition);
            }
            Some(_) => {}
            None => *conditions = json!([condition]),
        }
    }
}
