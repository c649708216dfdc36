//! Where in a resource something is: `spec.userConfig.ip_filter[0].network`.

use std::fmt;

use serde::{Serialize, Serializer};

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Into the entry of an object or map.
    Key(String),
    /// Into an item of a list.
    Index(usize),
}

/// The way from a resource to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path made of these keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    /// The steps, from the resource down.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and then the entry `key`.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Segment::Key(key.to_owned()))
    }

    /// This path and then the item at `index`.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// This path and then the other.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    fn then(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |key: &str| {
            !key.is_empty()
                && key.chars().all(|character| character.is_ascii_alphanumeric() || "_-".contains(character))
        };
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if !plain(key) => write!(formatter, "[{key:?}]")?,
                Segment::Key(key) if position == 0 => formatter.write_str(key)?,
                Segment::Key(key) => write!(formatter, ".{key}")?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_not_plain_are_quoted() {
        let path = FieldPath::of(&["spec", "tags"]).key("a\nb.c").index(2).key("d");
        assert_eq!(path.to_string(), r#"spec.tags["a\nb.c"][2].d"#);
    }
}
