//! Reads the documents of a manifest file the way `kubectl` does.
//!
//! Merge keys are applied and plain `yes`, `no`, `on` and `off` become booleans, as in YAML 1.1.

use super::locate;
use crate::api::field_path::{FieldPath, Segment};
use serde::Deserialize as _;
use serde_json::Value;

/// Words that YAML 1.1 reads as a boolean unless they are quoted, and which one.
const BOOLEANS: [(&str, bool); 6] =
    [("y", true), ("yes", true), ("on", true), ("n", false), ("no", false), ("off", false)];

/// One document of a file.
pub(super) struct Document<'t> {
    text: &'t str,
    index: usize,
    /// What it says.
    pub(super) content: Value,
}

/// A document that is no manifest.
pub(super) struct Broken {
    /// Line of the trouble, counted from 1.
    pub(super) line: usize,
    /// Column of the trouble, counted from 1.
    pub(super) column: usize,
    /// What the parser says.
    pub(super) reason: String,
}

/// Every document in a file that is not empty. Nothing can be read after a broken one.
pub(super) fn read(text: &str) -> Vec<Result<Document<'_>, Broken>> {
    let mut documents = Vec::new();
    for (index, input) in serde_yaml::Deserializer::from_str(text).enumerate() {
        match serde_yaml::Value::deserialize(input).and_then(to_json) {
            Ok(Value::Null) => {}
            Ok(content) => documents.push(Ok(Document::new(text, index, content))),
            Err(error) => {
                let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
                documents.push(Err(Broken { line, column, reason: error.to_string() }));
                break;
            }
        }
    }
    documents
}

fn to_json(mut yaml: serde_yaml::Value) -> Result<Value, serde_yaml::Error> {
    yaml.apply_merge()?;
    serde_yaml::from_value(yaml)
}

impl<'t> Document<'t> {
    fn new(text: &'t str, index: usize, content: Value) -> Self {
        let mut document = Self { text, index, content: Value::Null };
        document.content = document.with_booleans(content, &FieldPath::default());
        document
    }

    /// Where a field is, or else the closest one around it: the key of an entry, the start of an item.
    pub(super) fn position(&self, field: &FieldPath) -> (usize, usize) {
        let segments = field.segments();
        let mut around = (0..=segments.len()).rev().map(|length| &segments[..length]);
        around.find_map(|segments| locate::key(self.text, self.index, segments)).unwrap_or((1, 1))
    }

    /// Turns the texts that YAML 1.1 takes for booleans into booleans, where they are not quoted.
    fn with_booleans(&self, value: Value, path: &FieldPath) -> Value {
        match value {
            Value::Object(entries) => {
                let inner = |(key, value): (String, Value)| {
                    let value = self.with_booleans(value, &path.key(&key));
                    (key, value)
                };
                Value::Object(entries.into_iter().map(inner).collect())
            }
            Value::Array(items) => {
                let inner = |(index, value)| self.with_booleans(value, &path.index(index));
                Value::Array(items.into_iter().enumerate().map(inner).collect())
            }
            Value::String(text) => match BOOLEANS.iter().find(|(word, _)| is_form_of(&text, word)) {
                Some((_, boolean)) if self.is_plain(path.segments(), &text) => Value::Bool(*boolean),
                _ => Value::String(text),
            },
            other => other,
        }
    }

    /// Whether a text is written without quotes.
    fn is_plain(&self, path: &[Segment], text: &str) -> bool {
        let Some((line, column)) = locate::value(self.text, self.index, path) else { return false };
        let line = self.text.lines().nth(line - 1).unwrap_or_default();
        line.chars().skip(column - 1).zip(text.chars()).all(|(written, wanted)| written == wanted)
    }
}

/// `off`, `Off` and `OFF`, but not `oFF`.
fn is_form_of(text: &str, word: &str) -> bool {
    let capital = word[..1].to_uppercase() + &word[1..];
    [word, capital.as_str(), word.to_uppercase().as_str()].contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn contents(text: &str) -> Vec<Value> {
        read(text).into_iter().filter_map(Result::ok).map(|document| document.content).collect()
    }

    #[test]
    fn plain_words_are_booleans_as_in_kubectl() {
        let text = "a: off\nb: 'off'\nc: \"yes\"\nd: [On, oN, \"y\"]\ne: !!str no\nf: |-\n  no\ng: nothing\n";
        let expected = json!({"a": false, "b": "off", "c": "yes", "d": [true, "oN", "y"], "e": "no", "f": "no", "g": "nothing"});
        assert_eq!(contents(text), [expected]);
    }

    #[test]
    fn documents_are_separate_and_empty_ones_are_left_out() {
        assert_eq!(
            contents("---\na: 1\n---\n# nothing\n---\n{\"b\": 2}\n"),
            [json!({"a": 1}), json!({"b": 2})]
        );
    }

    #[test]
    fn merge_keys_are_applied() {
        let text = "base: &base {x: 1}\nuse:\n  <<: *base\n  y: 2\n";
        assert_eq!(contents(text)[0]["use"], json!({"x": 1, "y": 2}));
    }

    #[test]
    fn trouble_is_reported_where_it_is() {
        let documents = read("a: 1\n---\nb: [\n");
        assert_eq!(documents.len(), 2);
        let broken = documents.into_iter().find_map(Result::err).unwrap();
        assert!(broken.line >= 3, "{}", broken.line);
        let twice = read("a: 1\na: 2\n").into_iter().find_map(Result::err).unwrap();
        assert!(twice.reason.contains("duplicate"), "{}", twice.reason);
    }

    #[test]
    fn positions_are_those_of_the_key_or_of_what_is_closest() {
        let text = "x: 1\n---\nspec:\n  plan: a\n  list:\n    - b: 1\n    - c: 2\n";
        let document = read(text).remove(1).ok().unwrap();
        let at = |path: FieldPath| document.position(&path);
        assert_eq!(at(FieldPath::of(&["spec", "plan"])), (4, 3));
        assert_eq!(at(FieldPath::of(&["spec", "list"]).index(1)), (7, 7));
        assert_eq!(at(FieldPath::of(&["spec", "list"]).index(1).key("c")), (7, 7));
        assert_eq!(at(FieldPath::of(&["spec", "missing"])), (3, 1));
        assert_eq!(at(FieldPath::of(&["missing"])), (3, 1));
    }
}
