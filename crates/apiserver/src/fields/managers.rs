//! `metadata.managedFields`: the field managers of an object and what a write makes of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::{compare, fields_of};
use super::entry::{ManagerId, Operation, Owned, Writer, read_entry, write_entry};
use super::merge::{merge, remove};
use super::set::FieldSet;
use crate::storage::object::{Metadata, now};

/// The managers of an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Managers(BTreeMap<ManagerId, Owned>);

/// Fields that other managers own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApplyError {
    /// Message of the failure.
    pub(crate) message: String,
    /// The manager and the path of each conflict.
    pub(crate) causes: Vec<(String, String)>,
}

const BOOKKEEPING: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.clusterName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
];

impl Managers {
    /// The managers that `object` lists; none if the list is malformed.
    pub(crate) fn of(object: &Value) -> Self {
        let list = object["metadata"]["managedFields"].as_array();
        Self(list.into_iter().flatten().map(read_entry).collect::<Option<_>>().unwrap_or_default())
    }

    /// The managers an update starts with: those the client sends, if it sends any.
    pub(crate) fn of_update(live: &Value, new: &Value, subresource: bool) -> Self {
        let sent = &new["metadata"]["managedFields"];
        if !subresource && *sent == json!([{}]) {
            return Self::default();
        }
        let sent = if subresource { Self::default() } else { Self::of(new) };
        if sent.is_empty() { Self::of(live) } else { sent }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the managers into the object.
    pub(crate) fn write_to(&self, object: &mut Value) {
        let metadata = object.meta_mut();
        if self.0.is_empty() {
            metadata.remove("managedFields");
            return;
        }
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(id, owned)| (id.operation, owned.time.clone(), (*id).clone()));
        let entries = entries.into_iter().map(|(id, owned)| write_entry(id, owned)).collect();
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }

    /// Notes that `writer` replaced `live` by `new`.
    pub(crate) fn update(&mut self, schema: Option<&Value>, live: &Value, new: &Value, writer: &Writer) {
        let changes = compare(schema, live, new).without(&writer.ignored);
        let set = changes.set();
        self.take_from_all(&set.union(&changes.removed), None);
        let taken = set.difference(&FieldSet::of(BOOKKEEPING));
        if !taken.is_empty() {
            let id = ManagerId::new(Operation::Update, writer);
            let previous = self.0.remove(&id).map(|owned| owned.fields).unwrap_or_default();
            let owned = Owned {
                fields: previous.union(&taken),
                api_version: writer.api_version.clone(),
                time: Some(now()),
            };
            self.0.insert(id, owned);
        }
        self.tidy();
    }

    /// What becomes of `live` when `writer` applies `config`.
    pub(crate) fn apply(
        &mut self,
        schema: Option<&Value>,
        live: &Value,
        config: &Value,
        writer: &Writer,
        force: bool,
    ) -> Result<Value, ApplyError> {
        let id = ManagerId::new(Operation::Apply, writer);
        let previous = self.0.get(&id).cloned();
        let last = previous.as_ref().map(|owned| owned.fields.recursive_difference(&writer.ignored));
        let fields = fields_of(schema, config).recursive_difference(&writer.ignored);
        let time = previous.and_then(|owned| owned.time);
        self.0.insert(id.clone(), Owned { fields, api_version: writer.api_version.clone(), time });
        let merged = merge(schema, live, config);
        let result = self.drop_abandoned(schema, merged, &last.unwrap_or_default());
        let changes = compare(schema, live, &result).without(&writer.ignored);
        let set = changes.set();
        if !force {
            self.check_conflicts(&set, &id)?;
        }
        self.take_from_all(&set.union(&changes.removed), Some(&id));
        if result != *live
            && let Some(owned) = self.0.get_mut(&id)
        {
            owned.time = Some(now());
        }
        self.tidy();
        Ok(result)
    }

    /// Records that the fields of an object without managers existed before the first apply.
    pub(crate) fn adopt(&mut self, schema: Option<&Value>, live: &Value, writer: &Writer) {
        let before = Writer { manager: "before-first-apply".to_owned(), ..writer.clone() };
        let empty = json!({"apiVersion": live["apiVersion"], "kind": live["kind"]});
        self.update(schema, &empty, live, &before);
    }

    /// Removes the fields that the applier owned before, no longer applies, and no other manager owns.
    fn drop_abandoned(&self, schema: Option<&Value>, merged: Value, last: &FieldSet) -> Value {
        if last.is_empty() {
            return merged;
        }
        let last = last.with_named_fields(schema);
        let all = fields_of(schema, &merged).with_named_fields(schema);
        let kept = |value: &Value| fields_of(schema, value).with_named_fields(schema);
        let managed = self.0.values().fold(FieldSet::default(), |all, owned| all.union(&owned.fields));
        let managed = managed.with_named_fields(schema);
        let pruned = remove(schema, &merged, &last);
        let owned = remove(schema, &merged, &all.difference(&kept(&pruned).union(&managed)));
        remove(schema, &merged, &all.difference(&kept(&owned)).intersection(&last))
    }

    fn check_conflicts(&self, set: &FieldSet, applier: &ManagerId) -> Result<(), ApplyError> {
        let others = self.0.iter().filter(|(id, _)| *id != applier);
        let conflicts: Vec<(String, Vec<String>)> = others
            .map(|(id, owned)| (id.to_string(), owned.fields.intersection(set).paths()))
            .filter(|(_, paths)| !paths.is_empty())
            .collect();
        let causes: Vec<(String, String)> = conflicts
            .iter()
            .flat_map(|(manager, paths)| {
                paths.iter().map(move |path| (format!("conflict with {manager}"), path.clone()))
            })
            .collect();
        let message = match causes.as_slice() {
            [] => return Ok(()),
            [(conflict, path)] => format!("Apply failed with 1 conflict: {conflict}: {path}"),
            more => {
                let by_manager = conflicts
                    .iter()
                    .map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- ")));
                let by_manager: Vec<String> = by_manager.collect();
                format!("Apply failed with {} conflicts: {}", more.len(), by_manager.join("\n"))
            }
        };
        Err(ApplyError { message, causes })
    }

    fn take_from_all(&mut self, fields: &FieldSet, except: Option<&ManagerId>) {
        for (id, owned) in &mut self.0 {
            if Some(id) != except {
                owned.fields = owned.fields.difference(fields);
            }
        }
    }

    fn tidy(&mut self) {
        let bookkeeping = FieldSet::of(BOOKKEEPING);
        for owned in self.0.values_mut() {
            owned.fields = owned.fields.difference(&bookkeeping);
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }
}

#[cfg(test)]
mod tests;
