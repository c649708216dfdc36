//! What an expression refers to: whether every variable is bound and every field of `self` is in the schema.
//! Types of values are not checked.

use kube_cel::cel::Program;
use kube_cel::cel::common::ast::{EntryExpr, Expr};
use serde_json::Value;

use super::validate::additional_schema;

/// Names that mean something without being bound: types, and prefixes of functions.
const KNOWN: [&str; 22] = [
    "base64",
    "bool",
    "bytes",
    "cel",
    "double",
    "duration",
    "format",
    "google",
    "int",
    "json",
    "list",
    "map",
    "math",
    "null_type",
    "optional",
    "sets",
    "string",
    "strings",
    "timestamp",
    "type",
    "uint",
    "url",
];

/// What is wrong with a reference, and the text in the expression that it is about.
pub(super) struct Dangling {
    pub(super) problem: String,
    pub(super) text: String,
}

/// The first reference that leads nowhere, where `self` is described by `schema`.
pub(super) fn dangling(program: &Program, schema: &Value) -> Option<Dangling> {
    walk(&program.expression().expr, schema, &mut vec!["self", "oldSelf"])
}

fn walk<'a>(expression: &'a Expr, schema: &Value, bound: &mut Vec<&'a str>) -> Option<Dangling> {
    match expression {
        Expr::Ident(name) => {
            let known = bound.contains(&name.as_str()) || KNOWN.contains(&name.as_str());
            let problem = || format!("undeclared reference to '{name}' (in container '')");
            (!known).then(|| Dangling { problem: problem(), text: name.clone() })
        }
        Expr::Select(select) => walk(&select.operand.expr, schema, bound).or_else(|| {
            let holder = leads_to(&select.operand.expr, schema)?;
            let problem = || format!("undefined field '{}'", select.field);
            (!has_field(holder, &select.field, std::ptr::eq(holder, schema)))
                .then(|| Dangling { problem: problem(), text: format!(".{}", select.field) })
        }),
        Expr::Call(call) => {
            let parts = call.target.iter().map(AsRef::as_ref).chain(&call.args);
            parts.into_iter().find_map(|part| walk(&part.expr, schema, bound))
        }
        Expr::List(list) => list.elements.iter().find_map(|element| walk(&element.expr, schema, bound)),
        Expr::Map(map) => map.entries.iter().find_map(|entry| walk_entry(&entry.expr, schema, bound)),
        Expr::Struct(object) => {
            object.entries.iter().find_map(|entry| walk_entry(&entry.expr, schema, bound))
        }
        Expr::Comprehension(inner) => walk(&inner.iter_range.expr, schema, bound)
            .or_else(|| walk(&inner.accu_init.expr, schema, bound))
            .or_else(|| {
                let outer = bound.len();
                bound.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
                bound.extend(inner.iter_var2.as_deref());
                let parts = [&inner.loop_cond, &inner.loop_step, &inner.result];
                let found = parts.into_iter().find_map(|part| walk(&part.expr, schema, bound));
                bound.truncate(outer);
                found
            }),
        Expr::Literal(_) | Expr::Unspecified => None,
    }
}

fn walk_entry<'a>(entry: &'a EntryExpr, schema: &Value, bound: &mut Vec<&'a str>) -> Option<Dangling> {
    match entry {
        EntryExpr::StructField(field) => walk(&field.value.expr, schema, bound),
        EntryExpr::MapEntry(entry) => {
            walk(&entry.key.expr, schema, bound).or_else(|| walk(&entry.value.expr, schema, bound))
        }
    }
}

/// The schema of what a chain of fields that starts at `self` leads to.
fn leads_to<'a>(expression: &Expr, schema: &'a Value) -> Option<&'a Value> {
    match expression {
        Expr::Ident(name) if name == "self" => Some(schema),
        Expr::Select(select) => {
            let holder = leads_to(&select.operand.expr, schema)?;
            let properties = holder["properties"].as_object()?;
            properties
                .iter()
                .find(|(name, _)| super::cel::escaped(name) == select.field)
                .map(|(_, found)| found)
        }
        _ => None,
    }
}

fn has_field(schema: &Value, field: &str, root: bool) -> bool {
    let implied = ["apiVersion", "kind", "metadata"].contains(&field);
    let open = additional_schema(schema).is_some()
        || schema["type"] != "object"
        || schema["x-kubernetes-preserve-unknown-fields"] == true
        || schema["additionalProperties"] == true
        || (implied && (root || schema["x-kubernetes-embedded-resource"] == true));
    let named = |name: &String| super::cel::escaped(name) == field;
    open || schema["properties"].as_object().is_some_and(|properties| properties.keys().any(named))
}
