//! Checks an object against the schema of its version: types, bounds, required fields, lists that are sets
//! or maps, and rules. Guarantees the API server's texts, and that an update may keep what was invalid
//! before. Fields in maps are visited in the order of their names, where the API server's order is random.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::cel::{self, Place, shown_path};
use super::types::{check_enum, check_type};
use super::{formats, list_types, numbers};
use crate::field_error::FieldError;

const UNCHECKED_RULES: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// The reasons that keep rules from being evaluated at all.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

/// The schema of one version of a custom resource with its patterns and rules compiled.
#[derive(Debug)]
pub struct CompiledSchema {
    schema: Value,
    rules: kube_cel::CompiledSchema,
    has_rules: bool,
    patterns: HashMap<String, Regex>,
}

impl CompiledSchema {
    /// Compiles an `openAPIV3Schema`. Patterns and rules that do not compile are left out:
    /// [`check_crd`](super::check_crd) refuses them before.
    pub fn new(schema: &Value) -> Self {
        let mut patterns = HashMap::new();
        collect_patterns(schema, &mut patterns);
        let rules = kube_cel::compile_schema(schema);
        Self { schema: schema.clone(), has_rules: cel::has_rules(&rules), rules, patterns }
    }

    /// The schema this was made from.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is wrong with `new`, which replaces `old` if that is given. The objects are to be pruned and
    /// defaulted.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check(&self.schema, new, old, "", &mut errors);
        list_types::check(&self.schema, new, "", &mut errors);
        if !self.has_rules {
            return errors;
        }
        if errors.iter().any(|error| BLOCKING.contains(&error.reason)) {
            errors.push(FieldError::invalid(shown_path(""), &Value::Null, UNCHECKED_RULES));
            return errors;
        }
        cel::check(Place { schema: &self.schema, compiled: &self.rules, new, old }, "", &mut errors);
        errors
    }

    fn check(
        &self,
        schema: &Value,
        new: &Value,
        old: Option<&Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        if old == Some(new) || (new.is_null() && schema["nullable"] == true) {
            return;
        }
        if !check_type(schema, new, path, errors) {
            return;
        }
        self.check_combinations(schema, new, path, errors);
        match new {
            Value::String(text) => self.check_string(schema, text, path, errors),
            Value::Number(number) => numbers::check(schema, number, path, errors),
            Value::Array(items) => self.check_items(schema, items, old, path, errors),
            _ => {}
        }
        check_enum(schema, new, path, errors);
        if let Value::Object(fields) = new {
            self.check_fields(schema, fields, old, path, errors);
        }
    }

    fn check_combinations(&self, schema: &Value, new: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let validate = |branch: &Value| {
            let mut found = Vec::new();
            self.check(branch, new, None, path, &mut found);
            found
        };
        let branches = |key: &str| -> Option<Vec<Vec<FieldError>>> {
            schema[key]
                .as_array()
                .filter(|found| !found.is_empty())
                .map(|found| found.iter().map(validate).collect())
        };
        let fail = |detail: &str| {
            FieldError::invalid("<nil>", &Value::from(""), &format!("\"{path}\" must {detail}"))
        };
        let valid = |found: &[Vec<FieldError>]| found.iter().filter(|errors| errors.is_empty()).count();
        if let Some(found) = branches("anyOf")
            && valid(&found) == 0
        {
            errors.push(fail("validate at least one schema (anyOf)"));
            errors.extend(found.into_iter().next().unwrap_or_default());
        }
        if let Some(found) = branches("oneOf") {
            match valid(&found) {
                1 => {}
                0 => {
                    errors.push(fail("validate one and only one schema (oneOf). Found none valid"));
                    errors.extend(found.into_iter().next().unwrap_or_default());
                }
                many => errors.push(fail(&format!(
                    "validate one and only one schema (oneOf). Found {many} valid alternatives"
                ))),
            }
        }
        if let Some(found) = branches("allOf")
            && valid(&found) < found.len()
        {
            let none = if valid(&found) == 0 { ". None validated" } else { "" };
            errors.extend(found.into_iter().flatten());
            errors.push(fail(&format!("validate all the schemas (allOf){none}")));
        }
        if schema["not"].is_object() && validate(&schema["not"]).is_empty() {
            errors.push(fail("not validate the schema (not)"));
        }
    }

    fn check_string(&self, schema: &Value, text: &str, path: &str, errors: &mut Vec<FieldError>) {
        let value = Value::from(text);
        errors.extend(self.string_error(schema, text, path));
        if let Some(format) = schema["format"].as_str()
            && !formats::matches(format, text)
        {
            let detail = format!("{path} in body must be of type {format}: \"{text}\"");
            errors.push(FieldError::type_invalid(path, &value, &detail));
        }
    }

    /// The first bound of a string that does not hold.
    fn string_error(&self, schema: &Value, text: &str, path: &str) -> Option<FieldError> {
        let value = Value::from(text);
        let length = text.chars().count() as u64;
        if let Some(maximum) = schema["maxLength"].as_u64().filter(|maximum| length > *maximum) {
            return Some(FieldError::too_long(path, maximum));
        }
        if let Some(minimum) = schema["minLength"].as_u64().filter(|minimum| length < *minimum) {
            let detail = format!("{path} in body should be at least {minimum} chars long");
            return Some(FieldError::invalid(path, &value, &detail));
        }
        let pattern = schema["pattern"].as_str()?;
        let broken = self.patterns.get(pattern).is_some_and(|compiled| !compiled.is_match(text));
        broken.then(|| FieldError::invalid(path, &value, &format!("{path} in body should match '{pattern}'")))
    }

    fn check_items(
        &self,
        schema: &Value,
        items: &[Value],
        old: Option<&Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        if schema["items"].is_object() {
            for (index, item) in items.iter().enumerate() {
                let old = correlated(schema, item, old);
                self.check(&schema["items"], item, old, &format!("{path}[{index}]"), errors);
            }
        }
        check_size(schema, ("minItems", "maxItems", "items"), items.len(), path, errors);
    }

    fn check_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        old: Option<&Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        check_size(schema, ("minProperties", "maxProperties", "properties"), fields.len(), path, errors);
        let properties = schema["properties"].as_object();
        for (key, value) in fields {
            let old = old.and_then(|old| old.get(key));
            if let Some(property) = properties.and_then(|properties| properties.get(key)) {
                self.check(property, value, old, &child(key), errors);
            } else if let Some(additional) = additional_schema(schema) {
                self.check(additional, value, old, &child(key), errors);
            }
        }
        let embedded: &[&str] =
            if schema["x-kubernetes-embedded-resource"] == true { &["apiVersion", "kind"] } else { &[] };
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for key in required.chain(embedded.iter().copied()) {
            if !fields.contains_key(key) {
                errors.push(FieldError::required(child(key), ""));
            }
        }
    }
}

/// The schema of the values of a map, if the place is a map with one.
pub(super) fn additional_schema(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|found| found.is_object())
}

/// The item of the old list that `item` replaces: the one with the same keys, in lists that have keys.
pub(super) fn correlated<'a>(schema: &Value, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let keys = list_types::map_keys(schema)?;
    let same = |candidate: &&Value| keys.iter().all(|key| candidate.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}

/// Checks the number of entries, given the keywords for the bounds and what the entries are called.
fn check_size(
    schema: &Value,
    words: (&str, &str, &str),
    actual: usize,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let (minimum, maximum, entries) = words;
    if let Some(minimum) = schema[minimum].as_u64().filter(|minimum| (actual as u64) < *minimum) {
        let detail = format!("{path} in body should have at least {minimum} {entries}");
        errors.push(FieldError::invalid(path, &Value::from(actual), &detail));
    }
    if let Some(maximum) = schema[maximum].as_u64().filter(|maximum| actual as u64 > *maximum) {
        errors.push(FieldError::too_many(path, actual, maximum));
    }
}

fn collect_patterns(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(fields) => {
            if let Some(pattern) = fields.get("pattern").and_then(Value::as_str)
                && let Ok(compiled) = Regex::new(pattern)
            {
                patterns.insert(pattern.to_owned(), compiled);
            }
            fields.values().for_each(|inner| collect_patterns(inner, patterns));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_patterns(inner, patterns)),
        _ => {}
    }
}
