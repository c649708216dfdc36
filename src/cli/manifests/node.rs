//! A value in a YAML document, and where it is.

use serde_json::Value;
use std::{collections::BTreeMap, rc::Rc};
use valkeeper_api::field_path::Segment;

/// A value and where it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: At,
    /// How many values it stands for.
    pub(super) size: usize,
    pub(super) content: Content,
}

/// Line and column, counted from 1.
pub(super) type At = (usize, usize);

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(Value),
    Sequence(Vec<Rc<Node>>),
    Mapping(Entries),
}

/// The entries of a mapping: the position of each key, and the value.
pub(super) type Entries = BTreeMap<String, (At, Rc<Node>)>;

impl Node {
    /// A node and all below it.
    pub(super) fn new(at: At, content: Content) -> Rc<Self> {
        let inner = match &content {
            Content::Scalar(_) => 0,
            Content::Sequence(items) => items.iter().map(|item| item.size).fold(0, usize::saturating_add),
            Content::Mapping(entries) => {
                entries.values().map(|(_, node)| node.size).fold(0, usize::saturating_add)
            }
        };
        Rc::new(Self { at, size: inner.saturating_add(1), content })
    }

    /// The value, as JSON.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::Sequence(items) => items.iter().map(|item| item.value()).collect(),
            Content::Mapping(entries) => {
                entries.iter().map(|(key, (_, node))| (key.clone(), node.value())).collect()
            }
        }
    }

    /// Line and column of the key of an entry or of the start of an item, or else of the closest one around it.
    pub(super) fn position(&self, path: &[Segment]) -> At {
        let mut node = self;
        let mut found = self.at;
        for segment in path {
            match (&node.content, segment) {
                (Content::Mapping(entries), Segment::Key(name)) => {
                    let Some((at, value)) = entries.get(name) else { break };
                    (node, found) = (value, *at);
                }
                (Content::Sequence(items), Segment::Index(index)) => {
                    let Some(item) = items.get(*index) else { break };
                    (node, found) = (item, item.at);
                }
                _ => break,
            }
        }
        found
    }

    /// The text that it becomes as a key in JSON; nothing where `kubectl` refuses it.
    pub(super) fn key(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text.clone()),
            Content::Scalar(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
            _ => None,
        }
    }
}

/// Merges a mapping, or several of which the first counts most, into the entries so far; whether that is possible.
pub(super) fn merge(entries: &mut Entries, node: &Node) -> bool {
    match &node.content {
        Content::Mapping(merged) => {
            entries.extend(merged.iter().map(|(key, entry)| (key.clone(), entry.clone())));
            true
        }
        Content::Sequence(items) if items.iter().all(|item| matches!(item.content, Content::Mapping(_))) => {
            items.iter().rev().all(|item| merge(entries, item))
        }
        _ => false,
    }
}
