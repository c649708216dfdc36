//! Who owns what after updates and applies.

use super::*;

fn writer(manager: &str) -> Writer {
    Writer {
        manager: manager.to_owned(),
        api_version: "v1".to_owned(),
        subresource: String::new(),
        ignored: FieldSet::default(),
    }
}

fn schema() -> Value {
    json!({"properties": {"data": {"additionalProperties": {"type": "string"}}}})
}

fn config(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

#[test]
fn an_applier_removes_what_it_alone_owned() {
    let mut managers = Managers::default();
    let live = managers.apply(
        Some(&schema()),
        &json!({}),
        &config(&json!({"a": "1", "b": "2"})),
        &writer("one"),
        false,
    );
    let live = live.unwrap();
    managers.apply(Some(&schema()), &live, &config(&json!({"b": "2"})), &writer("two"), false).unwrap();
    let left = managers.apply(Some(&schema()), &live, &config(&json!({})), &writer("one"), false).unwrap();
    assert_eq!(left["data"], json!({"b": "2"}));
}

#[test]
fn a_field_of_another_manager_is_a_conflict_unless_forced() {
    let mut managers = Managers::default();
    let live = managers
        .apply(Some(&schema()), &json!({}), &config(&json!({"a": "1"})), &writer("one"), false)
        .unwrap();
    let other = config(&json!({"a": "2"}));
    let error = managers.clone().apply(Some(&schema()), &live, &other, &writer("two"), false).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    let forced = managers.apply(Some(&schema()), &live, &other, &writer("two"), true).unwrap();
    assert_eq!(forced["data"]["a"], "2");
    let mut object = forced;
    managers.write_to(&mut object);
    assert_eq!(object["metadata"]["managedFields"].as_array().unwrap().len(), 1);
}

#[test]
fn an_update_takes_over_what_it_changes() {
    let mut managers = Managers::default();
    let live = managers.apply(
        Some(&schema()),
        &json!({}),
        &config(&json!({"a": "1", "b": "1"})),
        &writer("one"),
        false,
    );
    let live = live.unwrap();
    managers.update(Some(&schema()), &live, &config(&json!({"a": "2", "b": "1"})), &writer("two"));
    let mut object = json!({});
    managers.write_to(&mut object);
    let fields: Vec<_> = object["metadata"]["managedFields"].as_array().unwrap().iter().collect();
    assert_eq!(fields[0]["fieldsV1"], json!({"f:data": {"f:b": {}}}));
    assert_eq!(fields[1]["fieldsV1"], json!({"f:data": {"f:a": {}}}));
}
