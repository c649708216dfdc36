//! Tables, compared with those an API server was seen to make of the same objects.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Columns, IncludeObject};

const TABLES: &str = include_str!("observed.json");

#[test]
fn tables_show_what_the_api_server_shows() {
    let tables: Value = serde_json::from_str(TABLES).unwrap();
    for case in tables["tables"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        let columns = if case["version"].is_null() {
            Columns::builtin(kind)
        } else {
            Columns::custom(&case["version"])
        };
        let now: DateTime<Utc> = case["now"].as_str().unwrap().parse().unwrap();
        let objects = case["objects"].as_array().unwrap();
        let table = columns.table(objects, &Value::Null, IncludeObject::Metadata, now);
        assert_eq!(table["columnDefinitions"], case["columns"], "{kind}");
        for (index, row) in table["rows"].as_array().unwrap().iter().enumerate() {
            assert_eq!(row["cells"], case["cells"][index], "{kind} {index}");
            assert_eq!(row["object"]["kind"], "PartialObjectMetadata", "{kind} {index}");
        }
    }
}

#[test]
fn a_row_has_as_much_of_its_object_as_asked_for() {
    let object = serde_json::json!({"metadata": {"name": "a"}, "data": {"b": "c"}});
    let row = |include| {
        let table = Columns::builtin("ConfigMap").table(
            std::slice::from_ref(&object),
            &Value::Null,
            include,
            Utc::now(),
        );
        table["rows"][0].clone()
    };
    assert_eq!(row(IncludeObject::Object)["object"], object);
    assert!(row(IncludeObject::None).get("object").is_none());
    assert!(row(IncludeObject::Metadata)["object"].get("data").is_none());
}
