//! Which fields an object has, and which differ between two versions of it.

use serde_json::Value;

use super::set::{FieldSet, Step};
use super::shape::{Shape, entries, field, shape};

/// The fields that differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

/// Compares two versions of an object.
pub(super) fn compare(schema: Option<&Value>, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.walk(schema, Some(old), Some(new), &mut Vec::new());
    comparison
}

impl Comparison {
    /// Leaves out what the request cannot change.
    pub(super) fn without(&self, ignored: &FieldSet) -> Self {
        Self {
            added: self.added.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            removed: self.removed.recursive_difference(ignored),
        }
    }

    /// What the new version set.
    pub(super) fn set(&self) -> FieldSet {
        self.added.union(&self.modified)
    }

    fn walk(
        &mut self,
        schema: Option<&Value>,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) {
        if old == new {
            return;
        }
        let shapes = (old.map(|old| shape(schema, old)), new.map(|new| shape(schema, new)));
        let empty = |value: Option<&Value>| match value {
            None => true,
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(Value::Array(entries)) => entries.is_empty(),
            Some(_) => false,
        };
        match shapes {
            (Some(Shape::Fields), Some(Shape::Fields) | None) | (None, Some(Shape::Fields))
                if !(empty(old) && empty(new)) =>
            {
                self.walk_fields(schema, old, new, path);
            }
            (Some(Shape::Entries), Some(Shape::Entries) | None) | (None, Some(Shape::Entries))
                if !(empty(old) && empty(new)) =>
            {
                self.walk_entries(schema, old, new, path);
            }
            (Some(_), Some(_)) => return self.modified.insert(path),
            _ => {}
        }
        match (old, new) {
            (None, _) => self.added.insert(path),
            (_, None) => self.removed.insert(path),
            _ => {}
        }
    }

    fn walk_fields(
        &mut self,
        schema: Option<&Value>,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) {
        let old_fields = old.and_then(Value::as_object);
        let new_fields = new.and_then(Value::as_object);
        for (name, value) in old_fields.into_iter().flatten() {
            let new = new_fields.and_then(|fields| fields.get(name));
            self.step(field(schema, name).0, Some(value), new, format!("f:{name}"), path);
        }
        for (name, value) in new_fields.into_iter().flatten() {
            if old_fields.is_none_or(|fields| !fields.contains_key(name)) {
                self.step(field(schema, name).0, None, Some(value), format!("f:{name}"), path);
            }
        }
    }

    fn walk_entries(
        &mut self,
        schema: Option<&Value>,
        old: Option<&Value>,
        new: Option<&Value>,
        path: &mut Vec<Step>,
    ) {
        let item = schema.and_then(|schema| schema.get("items"));
        let old = old.map(|old| entries(schema, old)).unwrap_or_default();
        let new = new.map(|new| entries(schema, new)).unwrap_or_default();
        let find = |list: &[(Step, &Value)], step: &Step| list.iter().position(|(found, _)| found == step);
        for (step, value) in &old {
            let other = find(&new, step).map(|index| new[index].1);
            self.step(item, Some(value), other, step.clone(), path);
        }
        for (step, value) in &new {
            if find(&old, step).is_none() {
                self.step(item, None, Some(value), step.clone(), path);
            }
        }
    }

    fn step(
        &mut self,
        schema: Option<&Value>,
        old: Option<&Value>,
        new: Option<&Value>,
        step: Step,
        path: &mut Vec<Step>,
    ) {
        path.push(step);
        self.walk(schema, old, new, path);
        path.pop();
    }
}

/// The fields of a value.
pub(super) fn fields_of(schema: Option<&Value>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(schema, value, &mut Vec::new(), &mut set);
    set
}

fn collect(schema: Option<&Value>, value: &Value, path: &mut Vec<Step>, set: &mut FieldSet) {
    match shape(schema, value) {
        Shape::Leaf => set.insert(path),
        Shape::Fields => {
            for (name, value) in value.as_object().into_iter().flatten() {
                let (schema, named) = field(schema, name);
                path.push(format!("f:{name}"));
                collect(schema, value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                // The keys of a map are owned themselves, the fields of a structure are not.
                if empty || !named {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Shape::Entries => {
            let item = schema.and_then(|schema| schema.get("items"));
            for (step, value) in entries(schema, value) {
                path.push(step);
                collect(item, value, path, set);
                set.insert(path);
                path.pop();
            }
        }
    }
}
