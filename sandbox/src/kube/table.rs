//! Tables (`meta.k8s.io/v1`), which is how `kubectl get` asks for objects: the columns of the built-in
//! kinds and those that a `CustomResourceDefinition` names.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::jsonpath::JsonPath;

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

#[derive(Debug)]
enum Cell {
    Path(Option<JsonPath>),
}

impl Columns {
    /// The columns of a built-in kind.
    pub fn builtin(_group: &str, _kind: &str) -> Self {
        Self { columns: Vec::new() }
    }

    /// The columns that one entry of a `CustomResourceDefinition`'s `spec.versions` asks for.
    pub fn custom(version: &Value) -> Self {
        let text = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
        let column = |column: &Value| Column {
            name: text(column, "name"),
            kind: text(column, "type"),
            format: text(column, "format"),
            description: text(column, "description"),
            priority: column["priority"].as_i64().unwrap_or_default(),
            cell: Cell::Path(JsonPath::parse(&text(column, "jsonPath"))),
        };
        Self {
            columns: version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten()
                .map(column)
                .collect(),
        }
    }

    /// The table of `objects`. `metadata` is that of the list, or of the object if there is only that.
    pub fn table(
        &self,
        objects: &[Value],
        metadata: &Value,
        include: IncludeObject,
        now: DateTime<Utc>,
    ) -> Value {
        let definition = |column: &Column| {
            json!({
                "name": column.name, "type": column.kind, "format": column.format,
                "description": column.description, "priority": column.priority,
            })
        };
        let row = |object: &Value| {
            let cells: Vec<Value> = self.columns.iter().map(|column| column.cell(object, now)).collect();
            let object = match include {
                IncludeObject::None => Value::Null,
                IncludeObject::Object => object.clone(),
                IncludeObject::Metadata => json!({
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
                }),
            };
            if object.is_null() { json!({"cells": cells}) } else { json!({"cells": cells, "object": object}) }
        };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": self.columns.iter().map(definition).collect::<Vec<_>>(),
            "rows": objects.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

impl Column {
    fn cell(&self, object: &Value, _now: DateTime<Utc>) -> Value {
        match &self.cell {
            Cell::Path(path) => path
                .as_ref()
                .and_then(|path| path.find(object).first().map(|found| (*found).clone()))
                .unwrap_or_default(),
        }
    }
}
