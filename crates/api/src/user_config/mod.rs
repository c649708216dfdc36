//! The `userConfig` of each kind, generated from `schemas/`, and what its parts have in common.
//!
//! [`valkey`] and [`redis`] are written by the generator; change `schemas/*.json` instead. Bounds are the
//! contract's where it is narrower than the provider's.

pub mod pattern;
#[allow(clippy::doc_markdown, reason = "descriptions are shown by kubectl, without markup")]
pub mod redis;
#[allow(clippy::doc_markdown, reason = "descriptions are shown by kubectl, without markup")]
pub mod valkey;

use serde::{Deserialize, Deserializer};

/// What the provider's schema says about one top-level `userConfig` property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyFacts {
    /// Name on the wire.
    pub name: &'static str,
    /// Only taken into account when a service is created.
    pub create_only: bool,
    /// The provider accepts `null`, which resets it.
    pub nullable: bool,
    /// Changing it restarts the service.
    pub restarts: bool,
    /// The provider's default, as JSON text.
    pub default: Option<&'static str>,
    /// What stands for "not set" where the provider publishes no default, as JSON text.
    pub unset: Option<&'static str>,
}

impl PropertyFacts {
    /// A property without anything special about it.
    const fn of(name: &'static str) -> Self {
        Self { name, create_only: false, nullable: false, restarts: false, default: None, unset: None }
    }

    const fn create_only(self) -> Self {
        Self { create_only: true, ..self }
    }

    const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    const fn restarts(self) -> Self {
        Self { restarts: true, ..self }
    }

    const fn unset_to(self, json: &'static str) -> Self {
        Self { unset: Some(json), ..self }
    }

    const fn defaults_to(self, json: &'static str) -> Self {
        Self { default: Some(json), ..self }
    }
}

/// A value that may also be written as bare text, as an `ip_filter` entry once could.
trait FromText {
    fn from_text(text: String) -> Self;
}

/// Decodes a list whose entries are objects or, in old objects, plain strings.
fn objects_or_texts<'de, D, T>(input: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + FromText,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry<T> {
        Text(String),
        Object(T),
    }
    let entries = Option::<Vec<Entry<T>>>::deserialize(input)?;
    Ok(entries.map(|entries| {
        let object = |entry| match entry {
            Entry::Text(text) => T::from_text(text),
            Entry::Object(object) => object,
        };
        entries.into_iter().map(object).collect()
    }))
}
