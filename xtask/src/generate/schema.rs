//! Reads `schemas/*.json`: the provider's `user_config` schema in the keywords the generator supports.
//!
//! An unsupported keyword is an error, so that nothing is lost silently. Where the contract is narrower than the
//! provider (`x_contract`), the narrower bound is taken.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One node of a schema file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Schema {
    pub(crate) title: String,
    pub(crate) description: String,
    r#type: Types,
    additional_properties: Option<bool>,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) required: Vec<String>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) minimum: Option<i64>,
    pub(crate) maximum: Option<i64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) pattern: Option<String>,
    pub(crate) r#enum: Vec<String>,
    pub(crate) default: Option<Value>,
    pub(crate) create_only: bool,
    /// What a removed property is set to, where the schema has no default but the provider behaves as if.
    #[serde(rename = "x_unset")]
    pub(crate) unset: Option<Value>,
    #[serde(rename = "_secure")]
    pub(crate) secure: bool,
    #[serde(rename = "x_restarts_service")]
    pub(crate) restarts: bool,
    /// Marks a property that aiven-operator does not have.
    #[serde(rename = "x_absent_from_contract")]
    _absent_from_contract: bool,
    #[serde(rename = "x_contract")]
    contract: Bounds,
}

/// The bounds that the contract may narrow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Bounds {
    minimum: Option<i64>,
    maximum: Option<i64>,
    max_length: Option<u64>,
    max_items: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Types {
    One(String),
    Several(Vec<String>),
}

impl Default for Types {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// What a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Boolean,
    Integer,
    Text,
    List,
    Object,
}

impl Schema {
    /// Parses and checks one schema file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut schema: Self = serde_json::from_str(text)?;
        schema.settle("userConfig")?;
        ensure!(schema.shape()? == Shape::Object, "a user configuration is an object");
        Ok(schema)
    }

    /// The one shape that is supported; where text and object are both possible, the object.
    pub(crate) fn shape(&self) -> Result<Shape> {
        let types = self.types();
        let has = |name: &str| types.contains(&name);
        Ok(match types.iter().find(|name| **name != "null") {
            Some(_) if has("object") => Shape::Object,
            Some(&"array") => Shape::List,
            Some(&"boolean") => Shape::Boolean,
            Some(&"integer") => Shape::Integer,
            Some(&"string") => Shape::Text,
            other => bail!("type {other:?} is not supported"),
        })
    }

    /// Whether `null` is among the types.
    pub(crate) fn nullable(&self) -> bool {
        self.types().contains(&"null")
    }

    /// Whether an object may also be written as bare text.
    pub(crate) fn accepts_text(&self) -> bool {
        self.types().contains(&"string")
    }

    fn types(&self) -> Vec<&str> {
        match &self.r#type {
            Types::One(name) => vec![name],
            Types::Several(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// Applies the contract's bounds and checks what the generator relies on, here and below.
    fn settle(&mut self, path: &str) -> Result<()> {
        self.minimum = self.contract.minimum.or(self.minimum);
        self.maximum = self.contract.maximum.or(self.maximum);
        self.max_length = self.contract.max_length.or(self.max_length);
        self.max_items = self.contract.max_items.or(self.max_items);
        let shape = self.shape().with_context(|| path.to_owned())?;
        if let Some(pattern) = &self.pattern {
            regex::Regex::new(pattern).with_context(|| format!("{path}: pattern"))?;
        }
        if shape == Shape::Object {
            ensure!(
                self.additional_properties == Some(false),
                "{path}: objects must close additionalProperties"
            );
            for name in &self.required {
                ensure!(self.properties.contains_key(name), "{path}: requires the unknown property {name}");
            }
        }
        ensure!((shape == Shape::List) == self.items.is_some(), "{path}: lists, and only lists, have items");
        for (name, property) in &mut self.properties {
            let path = format!("{path}.{name}");
            ensure!(!property.description.is_empty(), "{path}: needs a description");
            property.settle(&path)?;
        }
        self.items.as_mut().map_or(Ok(()), |items| items.settle(&format!("{path}[]")))
    }
}
