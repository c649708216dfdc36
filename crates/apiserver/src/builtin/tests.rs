//! Built-in objects, compared with recorded objects and messages of a real API server.

use serde_json::Value;

use super::{events, prepare_create, prepare_update};
use crate::observed::{Case, assert_none};
use crate::{definitions, schema};

const CREATES: &str = include_str!("observed/creates.json");
const UPDATES: &str = include_str!("observed/updates.json");

fn kind(object: &Value) -> (&str, &str, &str) {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    (group, version, object["kind"].as_str().unwrap())
}

/// Drops what differs for good: what the server allots, and what Go prints although it is empty.
fn comparable(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["uid", "creationTimestamp", "generation", "resourceVersion", "selfLink"] {
        metadata.remove(key);
    }
    if object["kind"] == "PersistentVolume" {
        object["status"].as_object_mut().unwrap().remove("lastPhaseTransitionTime");
    }
    if object["kind"] == "Event" {
        let empty = |value: &Value| {
            value.is_null() || *value == "" || value.as_object().is_some_and(serde_json::Map::is_empty)
        };
        object.as_object_mut().unwrap().retain(|_, value| !empty(value));
    }
    object
}

#[test]
fn new_objects_are_defaulted_and_refused_as_by_the_api_server() {
    let mut differences = Vec::new();
    for case in Case::all(CREATES).into_iter().filter(|case| case.get("errors").is_some()) {
        let mut object = case.object();
        differences.extend(case.difference(&prepare_create(&mut object)));
        if let Some(stored) = case.get("stored").filter(|stored| **stored != Value::Null) {
            let (mut actual, mut expected) = (comparable(object), comparable(stored.clone()));
            for object in
                [&mut actual, &mut expected].into_iter().filter(|object| object["kind"] == "Service")
            {
                object["spec"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("clusterIP"));
            }
            actual["metadata"].as_object_mut().unwrap().retain(|key, _| !key.starts_with("deletion"));
            if actual != expected {
                differences.push(format!("{}:\n  expected {expected}\n  actual   {actual}", case.name()));
            }
        }
    }
    assert_none(&differences);
}

#[test]
fn changes_are_defaulted_and_refused_as_by_the_api_server() {
    let mut differences = Vec::new();
    for case in Case::all(UPDATES) {
        let (mut object, old) = (case.object(), case.get("old").unwrap());
        differences.extend(case.difference(&prepare_update(&mut object, old)));
        if let Some(stored) = case.get("stored") {
            let (actual, expected) = (comparable(object), comparable(stored.clone()));
            if actual != expected {
                differences.push(format!("{}:\n  expected {expected}\n  actual   {actual}", case.name()));
            }
        }
    }
    assert_none(&differences);
}

#[test]
fn documents_of_the_wrong_types_cannot_be_decoded() {
    for case in Case::all(CREATES) {
        let object = case.object();
        let (group, version, kind) = kind(&object);
        let found = definitions::decode_error(group, version, kind, &object);
        let expected = case.get("undecodable").and_then(Value::as_str);
        assert_eq!(found.as_deref(), expected, "{}", case.name());
    }
}

#[test]
fn unknown_fields_of_built_in_kinds_are_named() {
    for case in Case::all(CREATES) {
        if let Some(unknown) = case.get("unknown") {
            let object = case.object();
            let (group, version, kind) = kind(&object);
            let schema = definitions::builtin_schema(group, version, kind).unwrap();
            assert_eq!(Value::from(schema::unknown_fields(schema, &object)), *unknown, "{}", case.name());
        }
    }
}

#[test]
fn an_event_keeps_everything_in_either_shape() {
    for case in Case::all(CREATES).into_iter().filter(|case| case.object()["kind"] == "Event") {
        let mut object = case.object();
        let again = if object["apiVersion"] == "v1" {
            events::to_core(&events::from_core(&object))
        } else {
            events::to_core(&events::from_core(&events::to_core(&object)))
        };
        // What is always written is there afterwards.
        prepare_create(&mut object);
        let stored = if object["apiVersion"] == "v1" { object } else { events::to_core(&object) };
        assert_eq!(again, stored, "{}", case.name());
    }
}
