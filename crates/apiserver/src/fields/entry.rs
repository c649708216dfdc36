//! One entry of `metadata.managedFields`: who owns which fields, read and written.

use serde_json::{Value, json};

use super::set::FieldSet;

/// Who writes, and through which part of the API.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) api_version: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    /// What this part of the API cannot change.
    pub(crate) ignored: FieldSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        if self == Self::Apply { "Apply" } else { "Update" }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ManagerId {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers, who may change it.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl ManagerId {
    pub(super) fn new(operation: Operation, writer: &Writer) -> Self {
        let api_version = if operation == Operation::Update { &*writer.api_version } else { "" };
        Self {
            operation,
            manager: writer.manager.clone(),
            api_version: api_version.to_owned(),
            subresource: writer.subresource.clone(),
        }
    }
}

impl std::fmt::Display for ManagerId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "\"{}\"", self.manager)?;
        if !self.subresource.is_empty() {
            write!(formatter, " with subresource \"{}\"", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(formatter, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) fields: FieldSet,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// Reads an entry of `managedFields`: the manager and its fields.
pub(super) fn read_entry(entry: &Value) -> Option<(ManagerId, Owned)> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let operation = match entry["operation"].as_str()? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let writer = Writer {
        manager: text("manager"),
        api_version: text("apiVersion"),
        subresource: text("subresource"),
        ignored: FieldSet::default(),
    };
    let owned = Owned {
        fields: FieldSet::from_json(&entry["fieldsV1"]),
        api_version: text("apiVersion"),
        time: entry["time"].as_str().map(str::to_owned),
    };
    Some((ManagerId::new(operation, &writer), owned))
}

/// The same for an object.
pub(super) fn write_entry(id: &ManagerId, owned: &Owned) -> Value {
    let mut entry = json!({
        "manager": id.manager,
        "operation": id.operation.name(),
        "apiVersion": owned.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields.to_json(),
    });
    if let Some(time) = &owned.time {
        entry["time"] = time.as_str().into();
    }
    if !id.subresource.is_empty() {
        entry["subresource"] = id.subresource.as_str().into();
    }
    entry
}
