//! Finds the line and column of a field in YAML.
//!
//! The parser tells positions only with its errors, so the way down to the field is decoded and then an error
//! raised exactly there.

use crate::api::field_path::Segment;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The error that says that the field was found.
const HERE: &str = "valkeeper found the field";

/// Line and column of the key of an entry, or of the start of an item, counted from 1.
pub(super) fn key(text: &str, document: usize, path: &[Segment]) -> Option<(usize, usize)> {
    find(text, document, Find { path, at_key: true })
}

/// Line and column of a value, counted from 1.
pub(super) fn value(text: &str, document: usize, path: &[Segment]) -> Option<(usize, usize)> {
    find(text, document, Find { path, at_key: false })
}

fn find(text: &str, document: usize, find: Find<'_>) -> Option<(usize, usize)> {
    let input = serde_yaml::Deserializer::from_str(text).nth(document)?;
    let error = find.deserialize(input).err().filter(|error| error.to_string().contains(HERE))?;
    error.location().map(|location| (location.line(), location.column()))
}

/// Goes down a path.
#[derive(Clone, Copy)]
struct Find<'p> {
    path: &'p [Segment],
    at_key: bool,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl Find<'_> {
    /// A value that nothing is below: the one that is sought, or a dead end.
    fn scalar<E: Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom(HERE)) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((segment, rest)) = self.path.split_first() else { return self.scalar() };
        let Segment::Key(wanted) = segment else { return Ok(()) };
        let key = Key { wanted, stop: self.at_key && rest.is_empty() };
        while let Some(found) = entries.next_key_seed(key)? {
            if found {
                return entries.next_value_seed(Find { path: rest, ..self });
            }
            entries.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((segment, rest)) = self.path.split_first() else { return self.scalar() };
        let Segment::Index(wanted) = segment else { return Ok(()) };
        for _ in 0..*wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Find { path: rest, ..self }).map(Option::unwrap_or_default)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }
}

/// Compares a key; stops there when the key itself is sought.
#[derive(Clone, Copy)]
struct Key<'p> {
    wanted: &'p str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let found = key == self.wanted;
        if found && self.stop { Err(E::custom(HERE)) } else { Ok(found) }
    }
}
