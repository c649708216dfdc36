//! The rules of a schema before they are ever evaluated: they must compile and use only what is bound.

use kube_cel::cel::Program;
use serde_json::Value;

use super::references::{Dangling, dangling};
use crate::field_error::{FieldError, quoted};
use crate::jsonpath::JsonPath;

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Checks the rules of one schema. `uncorrelated` is the list around it whose items have no identity.
pub(super) fn check(schema: &Value, path: &str, uncorrelated: Option<&str>, errors: &mut Vec<FieldError>) {
    for (index, rule) in schema["x-kubernetes-validations"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{index}]");
        let expression = rule["rule"].as_str().unwrap_or_default();
        if expression.trim().is_empty() {
            errors.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
            continue;
        }
        check_texts(schema, rule, &path, errors);
        if let Some(problem) = compile_error(expression, schema) {
            let detail = format!("compilation failed: {problem}");
            errors.push(FieldError::invalid_shown(format!("{path}.rule"), &shown(rule), &detail));
            continue;
        }
        if let Some(problem) = rule["messageExpression"].as_str().and_then(|text| compile_error(text, schema))
        {
            let detail = format!("messageExpression compilation failed: {problem}");
            errors.push(FieldError::invalid_shown(
                format!("{path}.messageExpression"),
                &shown(rule),
                &detail,
            ));
        }
        let compares =
            Program::compile(expression).is_ok_and(|program| program.references().has_variable("oldSelf"));
        if let Some(list) = uncorrelated.filter(|_| compares) {
            let detail =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {list}");
            errors.push(FieldError::invalid(format!("{path}.rule"), &rule["rule"], &detail));
        }
        if rule["optionalOldSelf"] == true && !compares {
            let detail = "may not be set if oldSelf is not used in rule";
            errors.push(FieldError::invalid(format!("{path}.optionalOldSelf"), &Value::Bool(true), detail));
        }
    }
}

fn check_texts(schema: &Value, rule: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |key: &str| format!("{path}.{key}");
    match rule["message"].as_str() {
        Some("") | None if rule["rule"].as_str().is_some_and(|rule| rule.trim().contains('\n')) => {
            let detail = "message must be specified if rule contains line breaks";
            errors.push(FieldError::required(field("message"), detail));
        }
        Some(message) if !message.is_empty() && message.trim().is_empty() => {
            errors.push(FieldError::invalid(
                field("message"),
                &rule["message"],
                "must be non-empty if specified",
            ));
        }
        Some(message) if message.trim().contains('\n') => {
            errors.push(FieldError::invalid(
                field("message"),
                &rule["message"],
                "must not contain line breaks",
            ));
        }
        _ => {}
    }
    if let Some(reason) = rule["reason"].as_str().filter(|reason| !REASONS.contains(reason)) {
        errors.push(FieldError::not_supported(field("reason"), &Value::from(reason), &REASONS));
    }
    if let Some(path) = rule["fieldPath"].as_str().filter(|path| !path.is_empty())
        && !leads_to_a_field(schema, path)
    {
        errors.push(FieldError::invalid(field("fieldPath"), &rule["fieldPath"], "must be a valid path"));
    }
}

fn leads_to_a_field(schema: &Value, path: &str) -> bool {
    let Some(names) = JsonPath::parse(path).and_then(|path| path.field_names()) else { return false };
    let step = |schema: Option<&Value>, name: &String| {
        let schema = schema?;
        schema["properties"].get(name).or_else(|| super::validate::additional_schema(schema)).cloned()
    };
    names.iter().try_fold(schema.clone(), |schema, name| step(Some(&schema), name)).is_some()
}

fn compile_error(expression: &str, schema: &Value) -> Option<String> {
    let program = match Program::compile(expression) {
        Ok(program) => program,
        Err(problem) => return Some(problem.to_string().replace("\n|", "\n |")),
    };
    let Dangling { problem, text } = dangling(&program, schema)?;
    let column = expression.find(&text)? + 1;
    let marker = ".".repeat(column - 1);
    Some(format!("ERROR: <input>:1:{column}: {problem}\n | {expression}\n | {marker}^"))
}

/// A rule as the API server prints it.
fn shown(rule: &Value) -> String {
    let text = |key: &str| {
        let text = quoted(rule[key].as_str().unwrap_or_default());
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    };
    let or_null = |key: &str| if rule[key].is_null() { "null".to_owned() } else { rule[key].to_string() };
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        or_null("reason"),
        text("fieldPath"),
        or_null("optionalOldSelf"),
    )
}
