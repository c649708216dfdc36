//! What a spec declares, field by field, and the record of it. The status stores a short hash of each value from the
//! moment the value is in force:
//!
//! ```text
//!   not recorded ────written down──▶ "" ──shown by the provider, or accepted for good──▶ hash
//!        ▲                                                                                │
//!        └──────────── removed from the spec, and reset at the provider ◀─────────────────┘
//! ```
//!
//! A difference is an edit of the spec when the declared value is not the one that was last in force, and drift when
//! it is. Without a record, the resource comes from another operator or from a version that recorded only names. Then
//! the declared value counts as in force: who changed it is unknown, and drift that is only reported must not be
//! corrected.

use fnv::FnvHasher;
use serde_json::Value;
use std::{collections::BTreeMap, hash::Hasher as _};
use valkeeper_api::{ManagedService, names};

/// A short hash of each value that a spec declares, by the path of the field below `spec`.
pub type Hashes = BTreeMap<String, String>;

/// The record of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// It was declared, and its value is not in force yet.
    Pending,
    /// The value with this hash was in force.
    InForce(String),
    /// It was declared; the value is unknown.
    Assumed,
}

/// The record of the fields that were declared; none where nothing was written.
pub type Record = Option<BTreeMap<String, Remembered>>;

/// The record in the status or, before the first status, in the annotation written with the finalizer.
pub(super) fn record<K: ManagedService>(object: &K) -> Record {
    let status = object.status().cloned().unwrap_or_default();
    if !status.declared_values.is_empty() {
        let entry = |(path, hash): (String, String)| (path, Remembered::of(hash));
        return Some(status.declared_values.into_iter().map(entry).collect());
    }
    if !status.declared_fields.is_empty() {
        return Some(status.declared_fields.into_iter().map(|path| (path, Remembered::Assumed)).collect());
    }
    let annotations = object.meta().annotations.as_ref()?;
    // A value that was once in force had a status, and that status is lost.
    let noted = annotations.get(names::DECLARED_FIELDS);
    let noted = noted.filter(|_| !annotations.contains_key(names::GENERATION_PROCESSED))?;
    let paths = noted.split(',').filter(|path| !path.is_empty());
    Some(paths.map(|path| (path.to_owned(), Remembered::Pending)).collect())
}

impl Remembered {
    pub(super) fn of(hash: String) -> Self {
        if hash.is_empty() { Self::Pending } else { Self::InForce(hash) }
    }

    /// The form in the status; `unknown` stands for an unknown hash.
    pub(super) fn written(&self, unknown: &str) -> String {
        match self {
            Self::Pending => String::new(),
            Self::InForce(hash) => hash.clone(),
            Self::Assumed => unknown.to_owned(),
        }
    }
}

/// Eight digits that reveal no secret: they stand in the status, and change with the value.
pub(super) fn hash(value: &Value) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(value.to_string().as_bytes());
    let long = hasher.finish();
    format!("{:08x}", (long >> 32) ^ (long & 0xffff_ffff))
}
