//! A stored object and the accessors of object metadata. Guarantees that an object is serialised at most
//! once however many clients read it; what the fields mean is left to the callers.

use std::sync::OnceLock;

use axum::body::Bytes;
use serde_json::{Map, Value};

/// Which schema gave an object its shape: the revision of the definition and the index of the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Changes with every change of the definition.
    pub(crate) epoch: u64,
    /// Index in the resource's versions.
    pub(crate) version: usize,
}

/// An immutable version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    /// The object as JSON.
    pub(crate) value: Value,
    /// Its `metadata.resourceVersion`.
    pub(crate) revision: u64,
    /// The schema that shaped it.
    pub(crate) shape: Shape,
    encoded: OnceLock<Encoded>,
}

#[derive(Debug)]
struct Encoded {
    bytes: Bytes,
    /// Where the fields after `kind` and `apiVersion` start.
    rest: usize,
}

impl Object {
    pub(crate) fn new(value: Value, revision: u64, shape: Shape) -> Self {
        Self { value, revision, shape, encoded: OnceLock::new() }
    }

    /// The object in JSON.
    pub(crate) fn json(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// Writes the object as the API server lists built-in kinds: without `kind` and `apiVersion`.
    pub(crate) fn write_untyped(&self, out: &mut Vec<u8>) {
        let encoded = self.encoded();
        out.push(b'{');
        out.extend_from_slice(&encoded.bytes[encoded.rest..]);
    }

    fn encoded(&self) -> &Encoded {
        self.encoded.get_or_init(|| {
            let part = |name: &str| self.value.get(name).map_or_else(|| "\"\"".to_owned(), Value::to_string);
            let mut out =
                format!("{{\"kind\":{},\"apiVersion\":{}", part("kind"), part("apiVersion")).into_bytes();
            let mut rest = out.len();
            for (key, value) in self.value.as_object().into_iter().flatten() {
                if key == "kind" || key == "apiVersion" {
                    continue;
                }
                out.push(b',');
                if rest + 1 == out.len() {
                    rest += 1;
                }
                out.extend_from_slice(Value::String(key.clone()).to_string().as_bytes());
                out.push(b':');
                // Writing JSON to memory cannot fail.
                let _ = serde_json::to_writer(&mut out, value);
            }
            out.push(b'}');
            Encoded { bytes: out.into(), rest }
        })
    }
}

/// Shorthands for the metadata of an object in JSON.
pub(crate) trait Metadata {
    /// A string in `metadata`, empty when absent.
    fn meta(&self, field: &str) -> &str;
    /// The metadata, made an object if it is none.
    fn meta_mut(&mut self) -> &mut Map<String, Value>;
    /// Whether the object is being deleted.
    fn deleting(&self) -> bool;
    /// `metadata.finalizers`.
    fn finalizers(&self) -> Vec<&str>;
    /// `metadata.ownerReferences`.
    fn owners(&self) -> &[Value];
    /// A top-level field made an object if it is none.
    fn section(&mut self, field: &str) -> &mut Map<String, Value>;
    /// Sets the top-level field to a copy of the other object's, or removes it.
    fn copy_field(&mut self, from: &Value, field: &str);
}

impl Metadata for Value {
    fn meta(&self, field: &str) -> &str {
        self["metadata"][field].as_str().unwrap_or_default()
    }

    fn meta_mut(&mut self) -> &mut Map<String, Value> {
        self.section("metadata")
    }

    fn deleting(&self) -> bool {
        !self["metadata"]["deletionTimestamp"].is_null()
    }

    fn finalizers(&self) -> Vec<&str> {
        self["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn owners(&self) -> &[Value] {
        self["metadata"]["ownerReferences"].as_array().map_or(&[], Vec::as_slice)
    }

    fn section(&mut self, field: &str) -> &mut Map<String, Value> {
        object_mut(object_mut(self).entry(field).or_insert(Value::Null))
    }

    fn copy_field(&mut self, from: &Value, field: &str) {
        match from.get(field) {
            Some(found) => object_mut(self).insert(field.to_owned(), found.clone()),
            None => object_mut(self).remove(field),
        };
    }
}

/// The fields of an object; anything else is replaced by an empty object.
pub(crate) fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("made an object above"),
    }
}

/// The present moment as object metadata writes it.
pub(crate) fn now() -> String {
    stamp(chrono::Utc::now())
}

/// A moment as object metadata writes it.
pub(crate) fn stamp(moment: chrono::DateTime<chrono::Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
