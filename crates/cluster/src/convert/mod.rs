//! Manifests and values of other operators and charts, as a `ValkeyCluster`. Pure.
//!
//! ```text
//!   documents ──▶ Source (remembers what is read) ──▶ Draft ──▶ manifest
//!                      └── what was not read ─────────────────▶ remarks
//! ```
//!
//! Guarantees: every value of the input is in the manifest or in a remark; the manifest breaks no rule; no password is
//! printed, from whatever place it comes.

mod bitnami;
mod draft;
mod operators;
mod source;

use draft::Draft;
use serde_json::Value;
use std::fmt;
use valkeeper_api::{ValkeyCluster, valkey_cluster};

/// What is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `RedisFailover` of spotahome's operator and its forks.
    RedisFailover,
    /// `RedisReplication` of `OpsTree`'s operator, with its `RedisSentinel` if that is in the same file.
    RedisReplication,
    /// Values of the Bitnami chart of Valkey or Redis.
    BitnamiValues,
}

/// The result.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// A manifest of a `ValkeyCluster`.
    pub manifest: Value,
    /// What to look at.
    pub remarks: Vec<Remark>,
}

/// Something of the input that is not in the manifest as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Its field.
    pub field: String,
    /// What becomes of it.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.text)
    }
}

/// Why nothing was converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvertError {
    /// No document is of the kind.
    Missing(&'static str),
    /// More than one is.
    Several(&'static str),
    /// What came out breaks a rule.
    Impossible {
        /// The field of the manifest.
        field: String,
        /// The rule.
        rule: String,
    },
}

impl fmt::Display for ConvertError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(kind) => write!(formatter, "the file has no document of kind {kind}"),
            Self::Several(kind) => {
                write!(formatter, "the file has several documents of kind {kind}; convert them one at a time")
            }
            Self::Impossible { field, rule } => write!(formatter, "cannot convert: {field} {rule}"),
        }
    }
}

impl std::error::Error for ConvertError {}

/// Converts the documents of a file. `name` is that of the new resource; by default the one of the old.
pub fn convert(origin: Origin, documents: &[Value], name: Option<&str>) -> Result<Converted, ConvertError> {
    let mut draft = Draft::default();
    let mut source = match origin {
        Origin::RedisFailover => operators::failover(one(documents, "RedisFailover")?, &mut draft),
        Origin::RedisReplication => {
            let sentinel = documents.iter().find(|document| document["kind"] == "RedisSentinel");
            operators::replication(one(documents, "RedisReplication")?, sentinel, &mut draft)
        }
        Origin::BitnamiValues => match documents {
            [values] => bitnami::values(values, &mut draft),
            [] => return Err(ConvertError::Missing("values")),
            _ => return Err(ConvertError::Several("values")),
        },
    };
    if let Some(name) = name {
        name.clone_into(&mut draft.name);
    }
    draft.settle();
    let mut remarks = draft.remarks.clone();
    remarks.extend(source.rest());
    remarks.sort();
    remarks.dedup();
    let manifest = draft.manifest();
    check(&manifest)?;
    Ok(Converted { manifest, remarks })
}

fn one<'d>(documents: &'d [Value], kind: &'static str) -> Result<&'d Value, ConvertError> {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    match (found.next(), found.next()) {
        (None, _) => Err(ConvertError::Missing(kind)),
        (Some(document), None) => Ok(document),
        (Some(_), Some(_)) => Err(ConvertError::Several(kind)),
    }
}

fn check(manifest: &Value) -> Result<(), ConvertError> {
    let impossible = |field: String, rule: String| ConvertError::Impossible { field, rule };
    let object: ValkeyCluster = serde_json::from_value(manifest.clone())
        .map_err(|error| impossible("spec".to_owned(), error.to_string()))?;
    match valkey_cluster::violations(&object).first() {
        None => Ok(()),
        Some(found) => Err(impossible(found.field.to_string(), found.rule.clone())),
    }
}

#[cfg(test)]
mod tests;
