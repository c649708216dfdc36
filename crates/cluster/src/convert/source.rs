//! An input that remembers what was read of it.

use super::Remark;
use serde_json::Value;
use std::collections::BTreeSet;

/// An input.
pub(super) struct Source<'input> {
    parts: Vec<(&'static str, &'input Value)>,
    read: BTreeSet<String>,
    known: &'static [(&'static str, &'static str)],
}

impl<'input> Source<'input> {
    /// `known` says what becomes of fields that are not read.
    pub(super) fn new(input: &'input Value, known: &'static [(&'static str, &'static str)]) -> Self {
        Self { parts: vec![("", input)], read: BTreeSet::new(), known }
    }

    /// Another input beside it, whose fields begin with this prefix.
    pub(super) fn and(mut self, prefix: &'static str, input: &'input Value) -> Self {
        self.parts.push((prefix, input));
        self
    }

    /// The value of a field, which counts as read with everything in it.
    pub(super) fn take(&mut self, path: &str) -> Option<&'input Value> {
        let (prefix, input) = self.parts.iter().rev().find(|(prefix, _)| path.starts_with(prefix))?;
        let inner = path.strip_prefix(prefix)?;
        let found = inner.split('.').try_fold(*input, |value, key| value.get(key))?;
        self.read.insert(path.to_owned());
        (!is_nothing(found)).then_some(found)
    }

    /// Whether a field says no, which counts as read.
    pub(super) fn off(&mut self, path: &str) -> bool {
        let found = self
            .parts
            .first()
            .and_then(|(_, input)| path.split('.').try_fold(*input, |value, key| value.get(key)));
        self.read.insert(path.to_owned());
        found == Some(&Value::Bool(false))
    }

    /// A text, or a number or a truth as text.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match self.take(path)? {
            Value::String(text) => Some(text.clone()),
            other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
            _ => None,
        }
    }

    /// The first of several fields that is there; all count as read.
    pub(super) fn first_text(&mut self, paths: &[&str]) -> Option<String> {
        let texts: Vec<_> = paths.iter().map(|path| self.text(path)).collect();
        texts.into_iter().flatten().next()
    }

    /// What was not read: the highest fields of which nothing was.
    pub(super) fn rest(&mut self) -> Vec<Remark> {
        let mut rest = Vec::new();
        for (prefix, input) in &self.parts {
            self.collect(prefix, input, &mut rest);
        }
        rest.into_iter().map(|field| self.remark(field)).collect()
    }

    fn collect(&self, path: &str, value: &Value, rest: &mut Vec<String>) {
        let Value::Object(members) = value else { return };
        for (key, value) in members {
            let path = if path.is_empty() || path.ends_with('.') {
                format!("{path}{key}")
            } else {
                format!("{path}.{key}")
            };
            let inside = format!("{path}.");
            if self.read.contains(&path) || is_nothing(value) {
                continue;
            }
            if self.read.iter().any(|read| read.starts_with(&inside)) {
                self.collect(&path, value, rest);
            } else {
                rest.push(path);
            }
        }
    }

    fn remark(&self, field: String) -> Remark {
        let fits = |known: &str| field == known || field.starts_with(&format!("{known}."));
        let text = self.known.iter().find(|(known, _)| fits(known)).map(|(_, text)| *text);
        Remark { text: text.unwrap_or("has no equivalent and is left out").to_owned(), field }
    }
}

/// What says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
