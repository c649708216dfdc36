//! The table: manifests that are wrong in one way each, and the verdict of each judge.
//!
//! Most rows come from the contract: every bound just outside, every field of another type, every required field
//! missing, an unknown field in every object. The remaining rows are [`written`] by hand.

use serde_json::{Value, json};
use valkeeper_api::Kind;

use crate::contract::{self, Facts};
use crate::manifests::{full, indexed, merge, minimal, remove, set};
use crate::written;

/// One wrong manifest.
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) manifest: Value,
    /// The field that `valkeeper validate` and the operator name.
    pub(crate) field: String,
    /// Part of the expected message.
    pub(crate) rule: String,
    pub(crate) server: Server,
    pub(crate) operator: Operator,
}

/// The verdict of the API server.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    /// It refuses, with a message that contains this.
    Refuses(String),
    /// It accepts, for this reason.
    Accepts(&'static str),
}

/// The verdict of the operator when such an object is stored nevertheless.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operator {
    /// The same as `valkeeper validate`.
    Agrees,
    /// The object does not decode: it is reported as malformed, whatever else is wrong with it.
    CannotDecode,
    /// It reports nothing, for this reason.
    Ignores(&'static str),
}

const UNKNOWN_FIELDS: &str = "decoding ignores unknown fields, so that newer definitions do no harm";

/// Every row of the table.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        for (path, facts) in contract::fields(kind) {
            wrong_type(&mut cases, kind, &path, &facts);
            bounds(&mut cases, kind, &path, &facts);
        }
        unknown_fields(&mut cases, kind);
    }
    written::add(&mut cases);
    cases
}

impl Case {
    pub(crate) fn refused(
        kind: Kind,
        title: String,
        manifest: Value,
        field: &str,
        rule: &str,
        message: String,
    ) -> Self {
        let (field, rule) = (field.to_owned(), rule.to_owned());
        let server = Server::Refuses(message);
        Self { kind, title, manifest, field, rule, server, operator: Operator::Agrees }
    }
}

/// The full manifest with one field changed, and the field as messages name it.
pub(crate) fn changed(kind: Kind, path: &str, value: Value) -> (Value, String) {
    let mut manifest = full(kind);
    if path == "spec.projectVpcId" {
        remove(&mut manifest, "spec.projectVPCRef");
    }
    set(&mut manifest, path, value);
    let field = indexed(&manifest, path);
    (manifest, field)
}

fn wrong_type(cases: &mut Vec<Case>, kind: Kind, path: &str, facts: &Facts) {
    let (value, given, wanted) = match facts["Type"].as_str() {
        "string" => (json!(8.5), "number", "must be a string"),
        "boolean" => (json!("true"), "string", "must be a boolean"),
        "integer" => (json!("1"), "string", "must be an integer"),
        "object" => (json!("a"), "string", "must be an object"),
        list if list.starts_with("array") => (json!("a"), "string", "must be an array"),
        other => panic!("{other}"),
    };
    let (manifest, field) = changed(kind, path, value);
    let kind_of = wanted.rsplit(' ').next().unwrap();
    let message = format!("{field}: Invalid value: \"{given}\": {field} in body must be of type {kind_of}");
    let title = format!("{path} is {given}");
    let case = Case::refused(kind, title, manifest, &field, wanted, message);
    cases.push(Case { operator: Operator::CannotDecode, ..case });
}

fn bounds(cases: &mut Vec<Case>, kind: Kind, path: &str, facts: &Facts) {
    let limit = |name: &str| facts.get(name).map(|limit| limit.parse::<i64>().unwrap());
    let mut add = |title: &str, value: Value, rule: String, message: String| {
        let (manifest, field) = changed(kind, path, value);
        let message = message.replace("FIELD", &field);
        cases.push(Case::refused(kind, format!("{path} {title}"), manifest, &field, &rule, message));
    };
    if let Some(most) = limit("Maximum") {
        let message = format!("FIELD in body should be less than or equal to {most}");
        add("too large", json!(most + 1), format!("must be at most {most}"), message.clone());
        add("far too large", json!(i64::MAX), format!("must be at most {most}"), message);
    }
    if let Some(least) = limit("Minimum") {
        let message = format!("FIELD in body should be greater than or equal to {least}");
        add("too small", json!(least - 1), format!("must be at least {least}"), message);
    }
    if let Some(most) = limit("MaxLength") {
        let text = |letter: &str| json!(letter.repeat(usize::try_from(most).unwrap() + 1));
        let letter = if path.ends_with("keyspace_events") { "K" } else { "a" };
        let rule = format!("must have at most {most} characters");
        add("too long", text(letter), rule, format!("FIELD: Too long: may not be more than {most} bytes"));
    }
    if facts.contains_key("MinLength") {
        let message = "FIELD in body should be at least 1 chars long".to_owned();
        add("empty", json!(""), "must not be empty".to_owned(), message);
    }
    if let Some(choices) = facts.get("Enum") {
        for wrong in ["unheard-of", "", "MONDAY", "rdb "] {
            let rule = if choices.contains(',') { "must be one of" } else { "must be `" };
            add(
                &format!("is {wrong:?}"),
                json!(wrong),
                rule.to_owned(),
                format!("FIELD: Unsupported value: {wrong:?}"),
            );
        }
    }
    if let Some(most) = limit("MaxItems") {
        let item = |path: &str| {
            let mut manifest = full(kind);
            let items = path.split('.').fold(&mut manifest, |object, name| &mut object[name]);
            items[0].clone()
        };
        let items = vec![item(path); usize::try_from(most).unwrap() + 1];
        let message = format!("FIELD: Too many: {}: must have at most {most} item", most + 1);
        add("has too many items", json!(items), format!("must have at most {most} entr"), message);
    }
    if facts.contains_key("Required") {
        let (mut manifest, field) = (full(kind), indexed(&full(kind), path));
        remove(&mut manifest, path);
        let message = format!("{field}: Required value");
        let case =
            Case::refused(kind, format!("{path} is missing"), manifest, &field, "is required", message);
        cases.push(Case { operator: Operator::CannotDecode, ..case });
    }
}

fn unknown_fields(cases: &mut Vec<Case>, kind: Kind) {
    let mut objects: Vec<_> = contract::fields(kind)
        .into_iter()
        .filter(|(_, facts)| !facts.contains_key("AdditionalProperties: string"))
        .filter(|(_, facts)| facts["Type"] == "object" || facts["Type"] == "array of objects")
        .map(|(path, _)| path)
        .collect();
    objects.push("spec".to_owned());
    for path in objects {
        let path = format!("{path}.unheardOf");
        let mut manifest = full(kind);
        let field = indexed(&manifest, &path);
        set(&mut manifest, &path, json!("x"));
        let message = format!("unknown field \"{field}\"");
        let case =
            Case::refused(kind, format!("{path} is unknown"), manifest, &field, "unknown field", message);
        cases.push(Case { operator: Operator::Ignores(UNKNOWN_FIELDS), ..case });
    }
    let mut manifest = minimal(kind);
    merge(&mut manifest, &json!({"spec": {"userConfig": {"backupHour": 1}}}));
    let field = "spec.userConfig.backupHour";
    let (rule, message) = ("did you mean `backup_hour`?", format!("unknown field \"{field}\""));
    let case = Case::refused(kind, "a misspelt field".into(), manifest, field, rule, message);
    cases.push(Case { operator: Operator::Ignores(UNKNOWN_FIELDS), ..case });
    let mut manifest = minimal(kind);
    manifest["extra"] = json!({});
    let message = "unknown field \"extra\"".to_owned();
    let case = Case::refused(kind, "a field beside spec".into(), manifest, "extra", "unknown field", message);
    cases.push(Case { operator: Operator::Ignores(UNKNOWN_FIELDS), ..case });
}
