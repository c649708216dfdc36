//! The operations on a resource, as far as clients read them: which exist, on which kind, and whether they support
//! field validation and dry runs.

use serde_json::{Map, Value, json};

use super::document::Described;
use crate::builtin::subresource_verbs;

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// Of which version of OpenAPI a document is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    V2,
    V3,
}

/// One operation: method, action, the word for it, and whether it writes an object.
struct Operation {
    method: &'static str,
    action: &'static str,
    word: &'static str,
    writes: bool,
}

const LIST: Operation =
    Operation { method: "get", action: "list", word: "list objects of kind", writes: false };
const CREATE: Operation = Operation { method: "post", action: "post", word: "create a", writes: true };
const CLEAR: Operation =
    Operation { method: "delete", action: "deletecollection", word: "delete collection of", writes: false };
const READ: Operation = Operation { method: "get", action: "get", word: "read the specified", writes: false };
const REPLACE: Operation =
    Operation { method: "put", action: "put", word: "replace the specified", writes: true };
const DELETE: Operation = Operation { method: "delete", action: "delete", word: "delete a", writes: false };
const PATCH: Operation =
    Operation { method: "patch", action: "patch", word: "partially update the specified", writes: true };

/// The paths of a resource with their operations.
pub(super) fn paths(resource: &Described, style: Style) -> Vec<(String, Value)> {
    let root = format!("/{}", resource.root());
    let plural = &resource.plural;
    let collection = if resource.namespaced {
        format!("{root}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{root}/{plural}")
    };
    let object = format!("{collection}/{{name}}");
    let mut paths = vec![
        (collection.clone(), item(resource, style, "", &[LIST, CREATE, CLEAR], &collection)),
        (object.clone(), item(resource, style, "", &[READ, REPLACE, DELETE, PATCH], &object)),
    ];
    for name in &resource.subresources {
        let path = format!("{object}/{name}");
        let verbs = subresource_verbs(name);
        let all = [("get", READ), ("update", REPLACE), ("create", CREATE), ("patch", PATCH)];
        let operations: Vec<Operation> = all
            .into_iter()
            .filter(|(verb, _)| verbs.contains(verb))
            .map(|(_, operation)| operation)
            .collect();
        let content = item(resource, style, name, &operations, &path);
        paths.push((path, content));
    }
    if resource.namespaced {
        let path = format!("{root}/{plural}");
        let content = item(resource, style, "everywhere", &[LIST], &path);
        paths.push((path, content));
    }
    paths
}

fn item(resource: &Described, style: Style, suffix: &str, operations: &[Operation], path: &str) -> Value {
    let mut found: Map<String, Value> = operations
        .iter()
        .map(|operation| (operation.method.to_owned(), describe(resource, style, suffix, operation)))
        .collect();
    let segments = ["namespace", "name"].into_iter().filter(|name| path.contains(&format!("{{{name}}}")));
    let parameters: Vec<Value> = segments.map(|name| parameter(style, name, "path", "string")).collect();
    if !parameters.is_empty() {
        found.insert("parameters".to_owned(), Value::from(parameters));
    }
    Value::Object(found)
}

fn describe(resource: &Described, style: Style, suffix: &str, operation: &Operation) -> Value {
    let mut parameters = Vec::new();
    if operation.writes || operation.method == "delete" {
        parameters.push(parameter(style, "dryRun", "query", "string"));
    }
    if operation.writes {
        parameters.push(parameter(style, "fieldManager", "query", "string"));
        parameters.push(parameter(style, "fieldValidation", "query", "string"));
    }
    if operation.method == "patch" {
        parameters.push(parameter(style, "force", "query", "boolean"));
    }
    let group: String = resource.group.split(['.', '-']).map(capitalized).collect();
    let group = if group.is_empty() { "Core".to_owned() } else { group };
    let identity =
        [operation.action, &group, &capitalized(&resource.version), &resource.kind, &capitalized(suffix)]
            .concat();
    let mut described = json!({
        "description": format!("{} {}", operation.word, resource.kind),
        "operationId": identity,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
    });
    let produced: &[&str] = &["application/json", "application/yaml"];
    let patches = if resource.strategic { &PATCHES[..] } else { &PATCHES[..3] };
    let consumed =
        if operation.method == "patch" { patches } else { &["application/json", "application/yaml"] };
    match style {
        Style::V2 => {
            let schema = json!({"$ref": format!("#/definitions/{}", resource.definition)});
            if operation.writes {
                let body =
                    if operation.method == "patch" { json!({"type": "object"}) } else { schema.clone() };
                parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": body}));
            }
            described["consumes"] = json!(consumed);
            described["produces"] = json!(produced);
            described["responses"] = json!({"200": {"description": "OK", "schema": schema}});
        }
        Style::V3 => {
            let schema = json!({"$ref": format!("#/components/schemas/{}", resource.definition)});
            let content = |types: &[&str], schema: &Value| -> Map<String, Value> {
                types.iter().map(|kind| ((*kind).to_owned(), json!({"schema": schema}))).collect()
            };
            if operation.writes {
                let body =
                    if operation.method == "patch" { json!({"type": "object"}) } else { schema.clone() };
                described["requestBody"] = json!({"content": content(consumed, &body), "required": true});
            }
            described["responses"] =
                json!({"200": {"description": "OK", "content": content(produced, &schema)}});
        }
    }
    if !parameters.is_empty() {
        described["parameters"] = Value::from(parameters);
    }
    described
}

fn parameter(style: Style, name: &str, place: &str, kind: &str) -> Value {
    let mut parameter = json!({"name": name, "in": place, "uniqueItems": true, "type": kind});
    if style == Style::V3 {
        parameter = json!({"name": name, "in": place, "schema": {"type": kind, "uniqueItems": true}});
    }
    if place == "path" {
        parameter["required"] = Value::Bool(true);
    }
    parameter
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
