//! Custom resources and their definitions, compared with what an API server was seen to answer.

use serde_json::Value;

use super::{CompiledSchema, check_crd, default, prune, unknown_fields};
use crate::builtin;
use crate::observed::{Case, assert_none};

const CUSTOM_RESOURCES: &str = include_str!("observed/custom_resources.json");
const DEFINITIONS: &str = include_str!("observed/definitions.json");

fn schema() -> Value {
    let table: Value = serde_json::from_str(CUSTOM_RESOURCES).unwrap();
    table["schema"].clone()
}

fn prepared(schema: &Value, mut object: Value) -> Value {
    prune(schema, &mut object);
    default(schema, &mut object);
    object
}

#[test]
fn custom_resources_are_refused_in_the_words_of_the_api_server() {
    let schema = schema();
    let compiled = CompiledSchema::new(&schema);
    let differences = Case::all(CUSTOM_RESOURCES).into_iter().filter_map(|case| {
        let object = prepared(&schema, case.object());
        let old = case.get("old").map(|old| prepared(&schema, old.clone()));
        case.difference(&compiled.validate(&object, old.as_ref()))
    });
    assert_none(&differences.collect::<Vec<_>>());
}

#[test]
fn custom_resources_are_pruned_and_defaulted() {
    let schema = schema();
    for case in Case::all(CUSTOM_RESOURCES) {
        if let Some(stored) = case.get("stored") {
            assert_eq!(prepared(&schema, case.object())["spec"], *stored, "{}", case.name());
        }
    }
}

#[test]
fn unknown_fields_are_named_in_order() {
    let schema = schema();
    for case in Case::all(CUSTOM_RESOURCES) {
        if let Some(unknown) = case.get("unknown") {
            assert_eq!(Value::from(unknown_fields(&schema, &case.object())), *unknown, "{}", case.name());
        }
    }
}

#[test]
fn definitions_are_refused_in_the_words_of_the_api_server() {
    let differences = Case::all(DEFINITIONS).into_iter().filter_map(|case| {
        let mut object = case.object();
        let errors = builtin::prepare_create(&mut object);
        if let Some(stored) = case.get("stored").and_then(Value::as_object) {
            for (key, value) in stored {
                assert_eq!(object["spec"][key], *value, "{}: {key}", case.name());
            }
        }
        case.difference(&errors)
    });
    assert_none(&differences.collect::<Vec<_>>());
}

#[test]
fn a_definition_without_schema_is_no_schema_to_check() {
    let errors = check_crd(
        &serde_json::json!({"spec": {"versions": [{"name": "v1", "served": true, "storage": true}]}}),
    );
    assert!(
        errors
            .iter()
            .any(|error| error.to_string() == "spec.versions[0].schema.openAPIV3Schema: Required value")
    );
}

#[test]
fn rules_may_use_comprehensions_escaped_names_and_formats() {
    let rules = [
        "self.list.all(item, item.size() > 0)",
        "self.list.exists_one(item, item == 'a') && self.list.map(item, item + 'x')[0] == 'ax'",
        "self.__namespace__ == 'n' && self.a__dot__b == 1 && self.c__dash__d == 'e'",
        "self.when > timestamp('2026-01-01T00:00:00Z') && self.span == duration('90m')",
        "self.tags['x-y'] == 'z' && 'x-y' in self.tags && self.tags.all(key, self.tags[key] != '')",
        "self.ratio == 2.0 && self.blob.size() == 1 && self.either == 5",
        "self.list.filter(item, item.startsWith('a')).size() == 1 && 'abc'.matches('^a.c$')",
        "!has(self.missing) && has(self.list)",
    ];
    for rule in rules {
        let schema = serde_json::json!({
            "type": "object",
            "x-kubernetes-validations": [{"rule": rule}],
            "properties": {
                "list": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 3}},
                "namespace": {"type": "string"},
                "a.b": {"type": "integer"},
                "c-d": {"type": "string"},
                "when": {"type": "string", "format": "date-time"},
                "span": {"type": "string", "format": "duration"},
                "tags": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "string"}},
                "ratio": {"type": "number"},
                "blob": {"type": "string", "format": "byte"},
                "either": {"x-kubernetes-int-or-string": true},
                "missing": {"type": "string"},
            },
        });
        let object = serde_json::json!({
            "list": ["a", "bc"], "namespace": "n", "a.b": 1, "c-d": "e", "when": "2026-06-01T00:00:00Z",
            "span": "1h30m", "tags": {"x-y": "z"}, "ratio": 2, "blob": "eA==", "either": 5,
        });
        let mut errors = Vec::new();
        super::structural::check(&schema, "schema", &mut errors);
        errors.extend(CompiledSchema::new(&schema).validate(&object, None));
        assert_eq!(errors, [], "{rule}");
    }
}

#[test]
fn an_update_may_keep_what_was_invalid_before() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": {"spec": {
            "type": "object",
            "properties": {
                "size": {"type": "string", "enum": ["S"]},
                "name": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'bad'"}]},
                "other": {"type": "string"},
            },
        }},
    });
    let compiled = CompiledSchema::new(&schema);
    let old = serde_json::json!({"spec": {"size": "XL", "name": "bad"}});
    let kept = serde_json::json!({"spec": {"size": "XL", "name": "bad", "other": "new"}});
    let changed = serde_json::json!({"spec": {"size": "XXL", "name": "good"}});
    assert_eq!(compiled.validate(&old, None)[0].field, "spec.size");
    assert_eq!(compiled.validate(&kept, Some(&old)), []);
    assert_eq!(compiled.validate(&changed, Some(&old))[0].field, "spec.size");
}
