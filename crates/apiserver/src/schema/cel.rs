//! The rules of a schema (`x-kubernetes-validations`) evaluated on an object. Expressions are compiled and
//! run by `kube-cel`; the walk, the binding of `self` and `oldSelf` and the texts are the API server's.

use std::sync::Arc;

use kube_cel::cel::objects::{Key, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, Program, Value as CelValue};
use kube_cel::{CompilationResult, CompiledSchema, KubeCelExt};
use serde_json::Value;

use super::validate::{additional_schema, correlated};
use crate::field_error::FieldError;

thread_local! {
    static CONTEXT: Context<'static> = Context::default().with_all();
    static DURATION: Option<Program> = Program::compile("duration(self)").ok();
}

/// Whether any rule is in the schema.
pub(super) fn has_rules(compiled: &CompiledSchema) -> bool {
    !compiled.validations.is_empty()
        || compiled.properties.values().any(has_rules)
        || [&compiled.items, &compiled.additional_properties]
            .into_iter()
            .flatten()
            .any(|inner| has_rules(inner))
}

/// A place in an object: its schema twice, its value now and before.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) schema: &'a Value,
    pub(super) compiled: &'a CompiledSchema,
    pub(super) new: &'a Value,
    pub(super) old: Option<&'a Value>,
}

/// Evaluates the rules of a place and of everything in it.
pub(super) fn check(place: Place<'_>, path: &str, errors: &mut Vec<FieldError>) {
    if place.new.is_null() {
        return;
    }
    evaluate(place, path, errors);
    match place.new {
        Value::Object(fields) => {
            for (key, new) in fields {
                let old = place.old.and_then(|old| old.get(key));
                if let Some(compiled) = place.compiled.properties.get(key) {
                    let schema = &place.schema["properties"][key];
                    let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    check(Place { schema, compiled, new, old }, &child, errors);
                } else if let Some(compiled) = &place.compiled.additional_properties
                    && let Some(schema) = additional_schema(place.schema)
                {
                    check(Place { schema, compiled, new, old }, &format!("{path}[{key}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(compiled) = &place.compiled.items else { return };
            for (index, new) in items.iter().enumerate() {
                let old = correlated(place.schema, new, place.old);
                let inner = Place { schema: &place.schema["items"], compiled, new, old };
                check(inner, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

fn evaluate(place: Place<'_>, path: &str, errors: &mut Vec<FieldError>) {
    if place.compiled.validations.is_empty() {
        return;
    }
    CONTEXT.with(|base| {
        let mut context = base.new_inner_scope();
        context.add_variable_from_value("self", to_cel(place.schema, place.new));
        let old = place.old.map(|old| to_cel(place.schema, old));
        for rule in place.compiled.validations.iter().flatten() {
            // An unchanged value may keep breaking a rule it broke before, unless the rule compares the two.
            if !rule.is_transition_rule && place.old == Some(place.new) {
                continue;
            }
            let mut scope = context.new_inner_scope();
            match (&old, rule.rule.optional_old_self == Some(true)) {
                (old, true) => {
                    let bound = old.clone().map_or_else(OptionalValue::none, OptionalValue::of);
                    scope.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(bound)));
                }
                (Some(old), false) => scope.add_variable_from_value("oldSelf", old.clone()),
                (None, false) if rule.is_transition_rule => continue,
                (None, false) => {}
            }
            errors.extend(failure(rule, &scope, place, path));
        }
    });
}

fn failure(
    rule: &CompilationResult,
    scope: &Context<'_>,
    place: Place<'_>,
    path: &str,
) -> Option<FieldError> {
    match rule.program.execute(scope) {
        Ok(CelValue::Bool(true)) => None,
        Ok(CelValue::Bool(false)) => Some(broken(rule, scope, place, path)),
        Ok(_) => Some(unusable("no such overload", rule, place, path)),
        Err(error) => Some(unusable(&execution_error(&error), rule, place, path)),
    }
}

/// The rule holds no longer or never did.
fn broken(rule: &CompilationResult, scope: &Context<'_>, place: Place<'_>, path: &str) -> FieldError {
    let rule_path = rule.rule.field_path.as_deref().unwrap_or_default();
    let path = format!("{path}{rule_path}");
    let path = shown_path(path.trim_start_matches('.'));
    let message = rule_message(rule, scope);
    let composite = matches!(place.schema["type"].as_str(), Some("object" | "array"));
    match rule.rule.reason.as_deref() {
        Some("FieldValueForbidden") => FieldError::forbidden(path, &message),
        Some("FieldValueRequired") => FieldError::required(path, &message),
        Some("FieldValueDuplicate") if composite => FieldError::duplicate_unnamed(path),
        Some("FieldValueDuplicate") => FieldError::duplicate(path, place.new),
        _ if composite => FieldError::invalid_unnamed(path, &message),
        _ => FieldError::invalid(path, place.new, &message),
    }
}

/// The rule could not be evaluated on this value.
fn unusable(problem: &str, rule: &CompilationResult, place: Place<'_>, path: &str) -> FieldError {
    let about = rule.rule.message.as_deref().unwrap_or(&rule.rule.rule).trim();
    let kind = Value::from(place.schema["type"].as_str().unwrap_or_default());
    FieldError::invalid(shown_path(path), &kind, &format!("{problem} evaluating rule: {about}"))
}

/// The root of an object has no name in an error.
pub(super) fn shown_path(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

fn rule_message(rule: &CompilationResult, scope: &Context<'_>) -> String {
    if let Some(program) = &rule.message_program
        && let Ok(CelValue::String(message)) = program.execute(scope)
        && !message.trim().is_empty()
        && !message.contains('\n')
    {
        return message.trim().to_owned();
    }
    match &rule.rule.message {
        Some(message) => message.trim().to_owned(),
        None => format!("failed rule: {}", rule.rule.rule.trim()),
    }
}

fn execution_error(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => format!("undeclared reference to '{name}'"),
        other => other.to_string(),
    }
}

/// A value as rules see it: typed by its schema, with the names of fields escaped.
fn to_cel(schema: &Value, value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => {
            let float = number.as_f64().unwrap_or_default();
            match number.as_i64() {
                Some(integer) if schema["type"] != "number" => CelValue::Int(integer),
                // A whole number may be written with a fraction.
                #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero")]
                None if schema["type"] == "integer" && float.fract() == 0.0 => CelValue::Int(float as i64),
                _ => CelValue::Float(float),
            }
        }
        Value::String(text) => string_to_cel(schema["format"].as_str().unwrap_or_default(), text),
        Value::Array(items) => {
            CelValue::List(Arc::new(items.iter().map(|item| to_cel(&schema["items"], item)).collect()))
        }
        Value::Object(fields) => {
            let additional = additional_schema(schema).unwrap_or(&Value::Null);
            let convert = |(key, value): (&String, &Value)| match schema["properties"].get(key) {
                Some(property) => (escaped(key), to_cel(property, value)),
                None if additional.is_null() => (escaped(key), to_cel(&Value::Null, value)),
                None => (key.clone(), to_cel(additional, value)),
            };
            let entries = fields.iter().map(convert).map(|(key, value)| (Key::from(key), value));
            CelValue::Map(entries.collect::<std::collections::HashMap<_, _>>().into())
        }
    }
}

fn string_to_cel(format: &str, text: &str) -> CelValue {
    let parsed = match format {
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).ok().map(CelValue::Timestamp),
        "duration" => duration(text),
        "byte" => super::formats::decode_base64(text).map(|bytes| CelValue::Bytes(Arc::new(bytes))),
        _ => None,
    };
    parsed.unwrap_or_else(|| CelValue::String(Arc::new(text.to_owned())))
}

/// Parses a duration such as `1h30m`.
pub(super) fn duration(text: &str) -> Option<CelValue> {
    CONTEXT.with(|base| {
        let mut scope = base.new_inner_scope();
        scope.add_variable_from_value("self", CelValue::String(Arc::new(text.to_owned())));
        DURATION.with(|program| program.as_ref()?.execute(&scope).ok())
    })
}

/// Words that an expression cannot use as the name of a field.
const RESERVED: [&str; 18] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
];

/// The name of a field as an expression writes it.
pub(super) fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
