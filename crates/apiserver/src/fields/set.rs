//! Sets of field paths in the form `metadata.managedFields` writes them. Guarantees that reading what was
//! written gives the same set.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// One step of a path as `fieldsV1` writes it: `f:name`, `k:{"type":"Ready"}`, `v:"x"`.
pub(crate) type Step = String;

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(BTreeMap<Step, Node>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    /// Whether the path up to here is in the set.
    member: bool,
    children: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl FieldSet {
    /// The set of these dotted paths of field names.
    pub(crate) fn of(paths: &[&str]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path.split('.').map(|name| format!("f:{name}")).collect::<Vec<_>>());
        }
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn insert(&mut self, path: &[Step]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.0.entry(first.clone()).or_default();
        if rest.is_empty() { node.member = true } else { node.children.insert(rest) }
    }

    /// Whether the path of this one step is in the set.
    pub(crate) fn has(&self, step: &str) -> bool {
        self.0.get(step).is_some_and(|node| node.member)
    }

    /// What the set has below a step.
    pub(crate) fn below(&self, step: &str) -> Option<&Self> {
        self.0.get(step).map(|node| &node.children).filter(|children| !children.is_empty())
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (step, node) in &other.0 {
            let mine = result.0.entry(step.clone()).or_default();
            mine.member |= node.member;
            mine.children = mine.children.union(&node.children);
        }
        result
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| {
            let theirs = theirs?;
            Some(Node {
                member: mine.member && theirs.member,
                children: mine.children.intersection(&theirs.children),
            })
        })
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| {
            let Some(theirs) = theirs else { return Some(mine.clone()) };
            let children = mine.children.difference(&theirs.children);
            Some(Node { member: mine.member && !theirs.member, children })
        })
    }

    /// As [`Self::difference`], but a path in `other` takes everything below it along.
    pub(crate) fn recursive_difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| {
            let Some(theirs) = theirs else { return Some(mine.clone()) };
            let children = mine.children.recursive_difference(&theirs.children);
            (!theirs.member).then_some(Node { member: mine.member, children })
        })
    }

    fn combine(&self, other: &Self, with: impl Fn(&Node, Option<&Node>) -> Option<Node>) -> Self {
        let combined = self.0.iter().filter_map(|(step, node)| {
            let node = with(node, other.0.get(step)).filter(|node| !node.is_empty())?;
            Some((step.clone(), node))
        });
        Self(combined.collect())
    }

    /// The set with every path that `is_named_field` accepts, if it is the start of a path in the set.
    pub(crate) fn with_named_fields(&self, schema: Option<&Value>) -> Self {
        let named = self.0.iter().map(|(step, node)| {
            let (child, named) = super::shape::descend(schema, step);
            let member = node.member || (named && !node.children.is_empty());
            (step.clone(), Node { member, children: node.children.with_named_fields(child) })
        });
        Self(named.collect())
    }

    /// The paths as conflicts show them: `.spec.ports[port=80,protocol="TCP"].name`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        for (step, node) in &self.0 {
            let path = format!("{prefix}{}", shown_step(step));
            if node.member {
                paths.push(path.clone());
            }
            node.children.collect_paths(&path, paths);
        }
    }

    /// The `fieldsV1` of the set.
    pub(crate) fn to_json(&self) -> Value {
        let fields = self.0.iter().map(|(step, node)| {
            let mut below = node.children.to_json();
            if node.member && !node.children.is_empty() {
                below["."] = Value::Object(Map::new());
            }
            (step.clone(), below)
        });
        Value::Object(fields.collect())
    }

    /// Reads `fieldsV1`.
    pub(crate) fn from_json(fields: &Value) -> Self {
        let nodes = fields.as_object().into_iter().flatten().filter(|(step, _)| *step != ".");
        let read = nodes.map(|(step, below)| {
            let children = Self::from_json(below);
            let member = children.is_empty() || below.get(".").is_some();
            (step.clone(), Node { member, children })
        });
        Self(read.collect())
    }
}

/// One step as conflicts show it.
pub(super) fn shown_step(step: &str) -> String {
    match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let mut text = String::new();
            for (key, value) in keys {
                // Writing to a string cannot fail.
                let _ = write!(text, "{}{key}={value}", if text.is_empty() { "" } else { "," });
            }
            format!("[{text}]")
        }
        Some(("v", value)) => format!("[={value}]"),
        _ => format!("[{step}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sets_survive_writing_and_reading() {
        let fields = json!({"f:data": {".": {}, "f:a": {}}, "f:l": {"k:{\"type\":\"A\"}": {".": {}, "f:x": {}}, "v:\"b\"": {}}});
        let set = FieldSet::from_json(&fields);
        assert_eq!(set.to_json(), fields);
        assert_eq!(set.paths(), [".data", ".data.a", ".l[type=\"A\"]", ".l[type=\"A\"].x", ".l[=\"b\"]"]);
    }

    #[test]
    fn differences_keep_or_take_what_is_below() {
        let set = FieldSet::from_json(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
        let a = FieldSet::of(&["a"]);
        assert_eq!(set.difference(&a).to_json(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
        assert_eq!(set.recursive_difference(&a).to_json(), json!({"f:c": {}}));
        assert_eq!(set.intersection(&a), a);
        assert_eq!(set.difference(&a).union(&a), set);
    }
}
