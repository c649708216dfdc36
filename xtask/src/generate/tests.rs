//! The result of a schema, for every shape and keyword the generator supports.

use std::path::Path;

use super::rust_source;
use super::schema::Schema;

/// The formatted module for a schema with these properties.
fn module(properties: &str) -> anyhow::Result<String> {
    let text = format!(
        r#"{{"type": "object", "additionalProperties": false, "description": "Settings.", "properties": {properties}}}"#
    );
    let source = rust_source::module("Valkey", &Schema::parse(&text)?)?;
    rust_source::format(&source, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")))
}

/// What is wrong with a schema, all causes in one text.
fn refusal(properties: &str) -> String {
    format!("{:#}", module(properties).unwrap_err())
}

#[test]
fn numbers_carry_their_range_and_facts() {
    let source = module(
        r#"{"knob": {"type": ["integer", "null"], "minimum": 1, "maximum": 200000, "default": 3,
            "x_restarts_service": true, "createOnly": true, "description": "A knob."}}"#,
    )
    .unwrap();
    let fact = r#"PropertyFacts::of("knob").create_only().nullable().restarts().defaults_to("3")"#;
    for part in [
        fact,
        "#[validate(range(min = 1, max = 200_000))]",
        "pub knob: Option<i64>,",
        "/// A knob. Only counts when the service is created. Changing it restarts the service. Aiven's default is",
        "/// `3`.",
    ] {
        assert!(source.contains(part), "{part}\n{source}");
    }
}

#[test]
fn the_bound_of_the_contract_wins() {
    let source = module(
        r#"{"list": {"type": "array", "maxItems": 8, "x_contract": {"maxItems": 2}, "description": "A list.",
            "items": {"type": "string", "maxLength": 5, "pattern": "^\\w+$"}}}"#,
    )
    .unwrap();
    for part in [
        "#[validate(length(max = 2))]",
        "#[schemars(inner(length(max = 5), regex(pattern = *LIST_ITEM)))]",
        "pub list: Option<Vec<String>>,",
        r#"static LIST_ITEM: LazyLock<Regex> = LazyLock::new(|| compile(r"^\w+$"));"#,
    ] {
        assert!(source.contains(part), "{part}\n{source}");
    }
}

#[test]
fn objects_become_structs_and_secrets_are_hidden() {
    let source = module(
        r#"{"remote_host": {"type": "object", "additionalProperties": false, "required": ["name"],
            "description": "A host.", "properties": {
                "name": {"type": "string", "description": "Its name."},
                "password": {"type": "string", "_secure": true, "description": "Its password."},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a", "description": "Its mode."}}}}"#,
    )
    .unwrap();
    for part in [
        "#[validate(nested)]\n    pub remote_host: Option<RemoteHost>,",
        "pub struct RemoteHost {",
        "pub name: String,",
        r#"#[schemars(extend("enum" = ["a", "b"]))]"#,
        r#"#[schemars(extend("format" = "password"))]"#,
        "pub password: Option<SensitiveString>,",
    ] {
        assert!(source.contains(part), "{part}\n{source}");
    }
}

#[test]
fn entries_that_may_be_text_are_still_read() {
    let source = module(
        r#"{"hosts": {"type": "array", "description": "Hosts.", "items": {"type": ["object", "string"],
            "additionalProperties": false, "required": ["name"], "description": "A host.",
            "properties": {"name": {"type": "string", "description": "Its name."}}}}}"#,
    )
    .unwrap();
    assert!(source.contains(r#"deserialize_with = "objects_or_texts""#));
    assert!(source.contains("impl FromText for Hosts {"));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let unknown = refusal(r#"{"a": {"type": "integer", "description": "A.", "multipleOf": 2}}"#);
    assert!(unknown.contains("multipleOf"), "{unknown}");
    let shape = refusal(r#"{"a": {"type": "number", "description": "A."}}"#);
    assert!(shape.contains("userConfig.a") && shape.contains("not supported"), "{shape}");
    let pattern = refusal(r#"{"a": {"type": "string", "pattern": "(", "description": "A."}}"#);
    assert!(pattern.contains("userConfig.a: pattern"), "{pattern}");
    let silent = refusal(r#"{"a": {"type": "string"}}"#);
    assert!(silent.contains("userConfig.a: needs a description"), "{silent}");
    let open = refusal(r#"{"a": {"type": "object", "description": "A.", "properties": {}}}"#);
    assert!(open.contains("must close additionalProperties"), "{open}");
}
