//! Definitions: their names are accepted, their resources served, and their objects deleted before them.

use std::sync::{Arc, PoisonError};

use serde_json::{Value, json};

use super::{delete, target, target_of};
use crate::api::Api;
use crate::builtin;
use crate::failure::GroupResource;
use crate::fields::{FieldSet, Managers, Writer};
use crate::storage::object::{Metadata, Object, now};
use crate::storage::store::{Change, Key};
use crate::write::delete::{CUSTOM_RESOURCES, release};

fn definitions() -> GroupResource {
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions")
}

pub(super) fn follow(api: &Api, change: &Change) {
    if change.resource == definitions() {
        let object = &change.object;
        let newly = change.previous.as_ref().is_some_and(|previous| !previous.value.deleting());
        if !change.deleted && object.value.deleting() && newly {
            let spec = &object.value["spec"];
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = GroupResource { group: part(&spec["group"]), plural: part(&spec["names"]["plural"]) };
            empty(api, &id);
            finish(api, &id);
        }
    } else if change.deleted
        && api.registry.catalog().get(&change.resource).is_some_and(|resource| resource.terminating)
    {
        finish(api, &change.resource);
    }
}

fn empty(api: &Api, id: &GroupResource) {
    if let Some(resource) = api.registry.catalog().get(id) {
        for object in api.store.list(id, None).0 {
            delete(api, &target_of(resource, &Key::of(&object.value)), &object, None);
        }
    }
}

fn finish(api: &Api, id: &GroupResource) {
    let name = format!("{}.{}", id.plural, id.group);
    if api.store.list(id, None).0.is_empty()
        && let Some(target) = target(api, &definitions(), &Key::new("", &name))
    {
        release(api, &target, CUSTOM_RESOURCES);
    }
}

impl Api {
    /// Gives every definition its status and serves what is established.
    pub(crate) fn establish_definitions(&self) {
        let _one_at_a_time = self.defining.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut objects, _) = self.store.list(&definitions(), None);
        // Who has its names keeps them.
        objects.sort_by_key(|object| (!is_true(&object.value, "Established"), object.revision));
        let mut established: Vec<Value> = Vec::new();
        for object in objects {
            let object = self.write_status(object, &established);
            if is_true(&object.value, "Established") {
                established.push(object.value.clone());
            }
        }
        let before = self.registry.catalog();
        self.registry.define(established);
        let after = self.registry.catalog();
        for gone in before.iter().filter(|resource| after.get(&resource.id).is_none()) {
            self.store.end_watches(&gone.id);
        }
    }

    fn write_status(&self, mut object: Arc<Object>, established: &[Value]) -> Arc<Object> {
        let key = Key::of(&object.value);
        loop {
            let status = next_status(&object.value, established);
            if status == object.value["status"] {
                return object;
            }
            let mut new = object.value.clone();
            new["status"] = status;
            let mut managers = Managers::of(&object.value);
            let catalog = self.registry.catalog();
            let schema = catalog.get(&definitions()).map(|resource| &resource.versions[0].merge_schema);
            managers.update(schema, &object.value, &new, &server());
            managers.write_to(&mut new);
            match self.store.put(&definitions(), &key, Some(&object), new, object.shape) {
                Ok(stored) => return stored,
                Err(_) => match self.store.get(&definitions(), &key) {
                    Some(current) => object = current,
                    None => return object,
                },
            }
        }
    }
}

/// The field manager that the status is written as.
fn server() -> Writer {
    Writer {
        manager: "kube-apiserver".to_owned(),
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        subresource: "status".to_owned(),
        ignored: FieldSet::default(),
    }
}

fn is_true(crd: &Value, condition: &str) -> bool {
    let mut conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|found| found["type"] == condition && found["status"] == "True")
}

fn next_status(crd: &Value, established: &[Value]) -> Value {
    let mut crd = crd.clone();
    let group = &crd["spec"]["group"];
    let others = established.iter().filter(|other| other["spec"]["group"] == *group);
    let taken: Vec<&Value> = others
        .filter(|other| other.meta("name") != crd.meta("name"))
        .map(|other| &other["status"]["acceptedNames"])
        .collect();
    match conflict(&crd["spec"]["names"], &taken) {
        None => builtin::establish(&mut crd, &now()),
        Some((reason, name)) => {
            set_condition(
                &mut crd["status"],
                "NamesAccepted",
                reason,
                &format!("\"{name}\" is already in use"),
            );
            if !is_true(&crd, "Established") {
                set_condition(&mut crd["status"], "Established", "NotAccepted", "not all names are accepted");
            }
        }
    }
    crd["status"].take()
}

fn conflict(names: &Value, taken: &[&Value]) -> Option<(&'static str, String)> {
    let words = |names: &Value| {
        let mut words = vec![names["plural"].clone(), names["singular"].clone()];
        words.extend(names["shortNames"].as_array().into_iter().flatten().cloned());
        words
    };
    let used: Vec<Value> = taken.iter().flat_map(|names| words(names)).collect();
    let kinds: Vec<&Value> = taken.iter().flat_map(|names| [&names["kind"], &names["listKind"]]).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (reason, name) in [("PluralConflict", &names["plural"]), ("SingularConflict", &names["singular"])] {
        if used.contains(name) {
            return Some((reason, text(name)));
        }
    }
    if let Some(name) = words(names).iter().skip(2).find(|name| used.contains(name)) {
        return Some(("ShortNamesConflict", text(name)));
    }
    for (reason, name) in [("KindConflict", &names["kind"]), ("ListKindConflict", &names["listKind"])] {
        if kinds.contains(&name) {
            return Some((reason, text(name)));
        }
    }
    None
}

/// Sets a condition to `False`.
fn set_condition(status: &mut Value, kind: &str, reason: &str, message: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    if conditions.iter().any(|found| found["type"] == kind && found["status"] == "False") {
        return;
    }
    conditions.retain(|found| found["type"] != kind);
    conditions.push(json!({
        "type": kind, "status": "False", "reason": reason, "message": message, "lastTransitionTime": now(),
    }));
}
