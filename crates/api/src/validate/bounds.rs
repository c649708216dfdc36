//! Checks a value against an OpenAPI schema the way the API server does.
//!
//! Covers the keywords our CRDs use. `null` counts as absent, because the API server drops it. Values under a field
//! of format [`crd::SECRET_FORMAT`], and undeclared values, are never repeated in a violation.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use regex::Regex;
use serde_json::{Map, Value};

use super::{Violation, spelling};
use crate::crd;
use crate::field_path::FieldPath;

/// How much of a value a violation repeats.
const SHOWN: usize = 80;

/// A schema with its patterns compiled; the schemas of inner values are in fields of their own.
pub(crate) struct Bounds {
    schema: JSONSchemaProps,
    pattern: Option<Regex>,
    properties: BTreeMap<String, Bounds>,
    items: Option<Box<Bounds>>,
    values: Option<Box<Bounds>>,
    secret: bool,
}

impl Bounds {
    /// Prepares a schema.
    pub(crate) fn of(schema: &JSONSchemaProps) -> Self {
        let properties: BTreeMap<_, _> = schema
            .properties
            .iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), Self::named(name, schema)))
            .collect();
        let items = match &schema.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => Some(Box::new(Self::of(items))),
            _ => None,
        };
        let values = match &schema.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(values)) => Some(Box::new(Self::of(values))),
            _ => None,
        };
        let secret = schema.format.as_deref() == Some(crd::SECRET_FORMAT)
            || properties.values().chain(items.as_deref()).any(|inner| inner.secret);
        let pattern = schema.pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok());
        let own = JSONSchemaProps {
            description: None,
            properties: None,
            items: None,
            additional_properties: None,
            ..schema.clone()
        };
        Self { schema: own, pattern, properties, items, values, secret }
    }

    /// People paste the token itself where a reference to it belongs.
    fn named(name: &str, schema: &JSONSchemaProps) -> Self {
        let bounds = Self::of(schema);
        if name == "authSecretRef" { bounds.secret() } else { bounds }
    }

    /// These bounds, for values that are never shown.
    fn secret(self) -> Self {
        let properties = self.properties.into_iter().map(|(name, bounds)| (name, bounds.secret())).collect();
        Self { secret: true, properties, ..self }
    }

    /// The violations of a resource: its `spec` is checked, its `status` is the operator's own.
    pub(crate) fn check(&self, manifest: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        let root = FieldPath::default();
        let Value::Object(fields) = manifest else {
            self.report(&mut found, &root, manifest, "must be an object");
            return found;
        };
        for key in fields.keys() {
            if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&key.as_str()) {
                found.push(unknown(&root.key(key), None));
            }
        }
        super::metadata::types(fields.get("metadata"), &mut found);
        match (fields.get("spec"), self.properties.get("spec")) {
            (None | Some(Value::Null), _) => found.push(required(&root.key("spec"))),
            (Some(spec), Some(bounds)) => bounds.value(&mut found, &root.key("spec"), spec),
            (Some(_), None) => {}
        }
        found
    }

    /// Reports undeclared fields of `status`. Their values are the operator's, so the API server drops those of a
    /// manifest, but it refuses unknown fields.
    pub(crate) fn unknown_in_status(&self, manifest: &Value, found: &mut Vec<Violation>) {
        if let (Some(status), Some(bounds)) = (manifest.get("status"), self.properties.get("status")) {
            bounds.unknown_fields(found, &FieldPath::of(&["status"]), status);
        }
    }

    fn unknown_fields(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten() {
            match self.properties.get(name).or(self.values.as_deref()) {
                Some(bounds) => bounds.unknown_fields(found, &path.key(name), value),
                None => found.push(unknown(&path.key(name), self.similar(name))),
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(bounds) = &self.items {
                bounds.unknown_fields(found, &path.index(index), item);
            }
        }
    }

    fn value(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value) {
        match (self.schema.type_.as_deref(), value) {
            (Some("object"), Value::Object(fields)) => self.object(found, path, value, fields),
            (Some("array"), Value::Array(items)) => self.list(found, path, value, items),
            (Some("string"), Value::String(text)) => self.text(found, path, value, text),
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some("integer"), Value::Number(number)) if is_whole(number) => self.integer(found, path, value),
            (Some("string"), Value::Bool(_) | Value::Number(_)) => {
                self.report(found, path, value, "must be a string: write it in quotes");
            }
            (Some(expected), _) => self.report(found, path, value, &format!("must be {}", article(expected))),
        }
    }

    fn object(
        &self,
        found: &mut Vec<Violation>,
        path: &FieldPath,
        value: &Value,
        fields: &Map<String, Value>,
    ) {
        if let Some(most) = exceeded(self.schema.max_properties, fields.len()) {
            self.report(found, path, value, &format!("must have at most {most} entries"));
        }
        let present = |name: &String| fields.get(name).is_some_and(|value| !value.is_null());
        let missing = self.schema.required.iter().flatten().filter(|name| !present(name));
        found.extend(missing.map(|name| required(&path.key(name))));
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match self.properties.get(name).or(self.values.as_deref()) {
                Some(bounds) => bounds.value(found, &path.key(name), value),
                None => found.push(unknown(&path.key(name), self.similar(name))),
            }
        }
    }

    /// The property that was probably meant: `backup_hour` for `backupHour` or `backup_huor`.
    fn similar(&self, name: &str) -> Option<&str> {
        spelling::closest(name, self.properties.keys().map(String::as_str))
    }

    fn list(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value, items: &[Value]) {
        if let Some(most) = exceeded(self.schema.max_items, items.len()) {
            let rule = format!("must have at most {most} {}", if most == 1 { "entry" } else { "entries" });
            self.report(found, path, value, &rule);
        }
        if self.schema.min_items.is_some_and(|_| items.is_empty()) {
            self.report(found, path, value, "must not be empty");
        }
        for (index, item) in items.iter().enumerate() {
            if let Some(bounds) = &self.items {
                bounds.value(found, &path.index(index), item);
            }
        }
    }

    fn text(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value, text: &str) {
        let length = text.chars().count();
        if let Some(most) = exceeded(self.schema.max_length, length) {
            self.report(found, path, value, &format!("must have at most {most} characters"));
        }
        if self.schema.min_length.is_some_and(|_| length == 0) {
            self.report(found, path, value, "must not be empty");
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.report(found, path, value, &format!("must match `{pattern}`"));
        }
        if let Some(choices) = &self.schema.enum_
            && !choices.iter().any(|choice| choice.0 == *value)
        {
            let choices: Vec<_> = choices.iter().filter_map(|choice| choice.0.as_str()).collect();
            let rule = match choices.as_slice() {
                [only] => format!("must be `{only}`"),
                _ => format!("must be one of `{}`", choices.join("`, `")),
            };
            self.report(found, path, value, &rule);
        }
    }

    fn integer(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value) {
        let number = value.as_f64().unwrap_or_default();
        if let Some(least) = self.schema.minimum.filter(|least| number < *least) {
            self.report(found, path, value, &format!("must be at least {least}"));
        }
        if let Some(most) = self.schema.maximum.filter(|most| number > *most) {
            self.report(found, path, value, &format!("must be at most {most}"));
        }
    }

    fn report(&self, found: &mut Vec<Violation>, path: &FieldPath, value: &Value, rule: &str) {
        let value = if self.secret { String::new() } else { shown(value) };
        found.push(Violation { field: path.clone(), value, rule: rule.to_owned() });
    }
}

fn required(path: &FieldPath) -> Violation {
    Violation { field: path.clone(), value: String::new(), rule: "is required".to_owned() }
}

fn unknown(path: &FieldPath, similar: Option<&str>) -> Violation {
    let hint = similar.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    Violation { field: path.clone(), value: String::new(), rule: format!("unknown field{hint}") }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// The limit, when there is one and it is exceeded.
fn exceeded(limit: Option<i64>, length: usize) -> Option<i64> {
    limit.filter(|limit| i64::try_from(length).map_or(true, |length| length > *limit))
}

fn article(kind: &str) -> String {
    match kind {
        "integer" | "array" | "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// A value as JSON, escaped and cut to a readable length.
pub(super) fn shown(value: &Value) -> String {
    let json = match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    if json.chars().count() <= SHOWN {
        return json;
    }
    json.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn patterns(bounds: &Bounds) -> usize {
        let here = usize::from(bounds.pattern.is_some());
        assert_eq!(bounds.schema.pattern.is_some(), bounds.pattern.is_some(), "{:?}", bounds.schema.pattern);
        let inner = bounds.properties.values().chain(bounds.items.as_deref()).chain(bounds.values.as_deref());
        here + inner.map(patterns).sum::<usize>()
    }

    #[test]
    fn every_pattern_of_a_definition_is_checked() {
        for kind in Kind::ALL {
            assert!(patterns(&Bounds::of(crd::schema(kind))) >= 7);
        }
    }

    #[test]
    fn long_and_hostile_values_are_shown_short_and_escaped() {
        assert_eq!(shown(&Value::from("a\u{1b}[31m\n")), r#""a\u{1b}[31m\n""#);
        assert_eq!(shown(&Value::from("x".repeat(500))).chars().count(), SHOWN + 1);
    }
}
