//! Tables (`meta.k8s.io/v1`), the format in which `kubectl get` requests objects: the columns of the built-in kinds
//! and those that a `CustomResourceDefinition` names. Ages are relative to a given time.

mod age;
mod builtin;
mod events;
mod inert;
mod pods;
mod storage;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::jsonpath::JsonPath;

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// What of an object is put into its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// The columns of one kind.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    cell: Cell,
}

/// Where a cell comes from.
#[derive(Debug)]
enum Cell {
    /// What the path leads to, as the type of the column demands.
    Path(Option<JsonPath>),
    /// What the function makes of the object.
    Made(fn(&Value, DateTime<Utc>) -> Value),
}

impl Columns {
    /// The columns of a built-in kind.
    pub fn builtin(kind: &str) -> Self {
        Self { columns: builtin::columns(kind) }
    }

    /// The columns of one entry of a `CustomResourceDefinition`'s `spec.versions`.
    pub fn custom(version: &Value) -> Self {
        let mut columns = vec![Column::name()];
        match version["additionalPrinterColumns"].as_array().filter(|columns| !columns.is_empty()) {
            Some(wanted) => columns.extend(wanted.iter().map(Column::custom)),
            None => columns.push(Column::custom(&json!({
                "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": CREATED,
            }))),
        }
        Self { columns }
    }

    /// The table of `objects`. `metadata` is that of the list, or of the object if there is only that.
    pub fn table<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o Value>,
        metadata: &Value,
        include: IncludeObject,
        now: DateTime<Utc>,
    ) -> Value {
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": self.columns.iter().map(Column::definition).collect::<Vec<_>>(),
            "rows": objects.into_iter().map(|object| self.row(object, include, now)).collect::<Vec<_>>(),
        })
    }

    fn row(&self, object: &Value, include: IncludeObject, now: DateTime<Utc>) -> Value {
        let mut row =
            json!({"cells": self.columns.iter().map(|column| column.cell(object, now)).collect::<Vec<_>>()});
        match include {
            IncludeObject::None => {}
            IncludeObject::Object => row["object"] = object.clone(),
            IncludeObject::Metadata => {
                row["object"] = json!({
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
                });
            }
        }
        row
    }
}

impl Column {
    fn name() -> Self {
        Self {
            format: "name".to_owned(),
            description: NAME.to_owned(),
            ..Self::made("Name", |object, _| object["metadata"]["name"].clone())
        }
    }

    fn made(name: &str, cell: fn(&Value, DateTime<Utc>) -> Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string".to_owned(),
            format: String::new(),
            description: String::new(),
            priority: 0,
            cell: Cell::Made(cell),
        }
    }

    fn custom(column: &Value) -> Self {
        let text = |key: &str| column[key].as_str().unwrap_or_default().to_owned();
        let path = text("jsonPath");
        let description = match text("description") {
            given if given.is_empty() => {
                format!("Custom resource definition column (in JSONPath format): {path}")
            }
            given => given,
        };
        Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description,
            priority: column["priority"].as_i64().unwrap_or_default(),
            cell: Cell::Path(JsonPath::parse(&path)),
        }
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }

    fn cell(&self, object: &Value, now: DateTime<Utc>) -> Value {
        match &self.cell {
            Cell::Made(make) => make(object, now),
            Cell::Path(path) => {
                let found = path.as_ref().and_then(|path| path.find(object).into_iter().next());
                found.map_or(Value::Null, |found| typed(&self.kind, found, now))
            }
        }
    }
}

/// A value as a column of that type shows it; nothing if it has another type.
fn typed(kind: &str, value: &Value, now: DateTime<Utc>) -> Value {
    match (kind, value) {
        ("date", Value::String(text)) => {
            Value::from(age::since(text, now).unwrap_or_else(|| "<invalid>".to_owned()))
        }
        ("string", Value::String(_) | Value::Null)
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_)) => value.clone(),
        ("string", other) => Value::from(other.to_string()),
        ("integer", Value::Number(number)) if number.is_f64() => {
            // Cells of that type have no fraction.
            number.as_f64().map_or(Value::Null, |number| {
                serde_json::from_str(&format!("{:.0}", number.trunc())).unwrap_or_default()
            })
        }
        ("integer", Value::Number(_)) => value.clone(),
        _ => Value::Null,
    }
}
