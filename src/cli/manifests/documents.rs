//! The documents of a file, split as `kubectl` splits them.
//!
//! A file that starts with `{` is a stream of JSON. Any other is cut at the lines that start with `---`, before YAML
//! is parsed: each piece is read on its own, and only the first document in it counts.

use super::{
    node::Node,
    problem::{Broken, Remark},
    text::{is_forbidden, with_plain_breaks},
    tree::{self, Tree},
};
use serde_json::Value;
use std::rc::Rc;
use valkeeper_api::field_path::FieldPath;

/// One document of a file. It may hold passwords, and has no `Debug`.
pub(in crate::cli) struct Document {
    /// Content of the document.
    pub(in crate::cli) content: Value,
    /// What `kubectl` accepts in it although it may not be meant.
    pub(in crate::cli) remarks: Vec<Remark>,
    root: Option<Rc<Node>>,
    origin: Origin,
}

/// Where a piece of a file starts.
#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    lines: usize,
    columns: usize,
}

impl Origin {
    fn apply(self, (line, column): (usize, usize)) -> (usize, usize) {
        (line + self.lines, if line == 1 { column + self.columns } else { column })
    }
}

impl Document {
    /// Line and column of a field, or of the closest one around it, counted from 1.
    pub(in crate::cli) fn position(&self, field: &FieldPath) -> (usize, usize) {
        self.origin.apply(self.root.as_ref().map_or((1, 1), |root| root.position(field.segments())))
    }
}

/// Every document in a file that is not empty. Nothing can be read after a broken one.
pub(in crate::cli) fn read(text: &str) -> Vec<Result<Document, Broken>> {
    if text.trim_start().starts_with('{') { json(text) } else { yaml(text) }
}

/// The values of a JSON stream. Where it is YAML all the same, that is read too, so that all findings are shown.
fn json(text: &str) -> Vec<Result<Document, Broken>> {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    loop {
        let start = values.byte_offset();
        match values.next() {
            None => return documents,
            Some(Ok(content)) => {
                let piece = &text[start..values.byte_offset()];
                let before = &text[..start];
                let lines = before.matches('\n').count();
                let columns = before.rsplit('\n').next().unwrap_or_default().chars().count();
                let root = tree::parse(piece).ok().flatten().map(|tree| tree.root);
                let origin = Origin { lines, columns };
                documents.push(Ok(Document { content, remarks: Vec::new(), root, origin }));
            }
            Some(Err(error)) => {
                let reason = format!("kubectl reads a file that starts with {{ as JSON: {error}");
                documents.push(Err(Broken {
                    line: error.line().max(1),
                    column: error.column().max(1),
                    reason,
                }));
                if documents.len() == 1 {
                    documents.extend(yaml(text).into_iter().flatten().map(Ok));
                }
                return documents;
            }
        }
    }
}

fn yaml(text: &str) -> Vec<Result<Document, Broken>> {
    let mut documents = Vec::new();
    let mut piece = String::new();
    let mut origin = Origin::default();
    let mut seen = 0;
    for line in text.split_inclusive('\n') {
        seen += lines(line);
        let Some(rest) = line.strip_prefix("---").map(str::trim) else {
            piece.push_str(line);
            continue;
        };
        documents.extend(document(&piece, origin));
        if documents.last().is_some_and(Result::is_err) {
            return documents;
        }
        if !rest.is_empty() && !rest.starts_with('#') {
            let reason = "kubectl takes --- for the end of a document: only a comment may follow on its line";
            let line = seen + usize::from(!line.ends_with('\n'));
            documents.push(Err(Broken { line, column: 4, reason: reason.to_owned() }));
            return documents;
        }
        piece.clear();
        origin.lines = seen;
    }
    documents.extend(document(&piece, origin));
    documents
}

/// The line breaks of YAML 1.1 in a text.
fn lines(text: &str) -> usize {
    let single =
        text.chars().filter(|letter| ['\n', '\u{85}', '\u{2028}', '\u{2029}'].contains(letter)).count();
    single + text.matches('\r').count() - text.matches("\r\n").count()
}

fn document(piece: &str, origin: Origin) -> Option<Result<Document, Broken>> {
    let piece = piece.strip_prefix('\u{feff}').unwrap_or(piece);
    let parsed = match piece.find(is_forbidden) {
        Some(at) => {
            let before = &piece[..at];
            let column = before.rsplit(['\n', '\r']).next().unwrap_or_default().chars().count() + 1;
            let reason = "control characters are not allowed".to_owned();
            Err(Broken { line: lines(before) + 1, column, reason })
        }
        None => tree::parse(&with_plain_breaks(piece)),
    };
    match parsed {
        Ok(None) => None,
        Ok(Some(Tree { root, remarks })) => match root.value() {
            Value::Null => None,
            content => {
                let at = |remark: Remark| {
                    let (line, column) = origin.apply((remark.line, remark.column));
                    Remark { line, column, ..remark }
                };
                let remarks = remarks.into_iter().map(at).collect();
                Some(Ok(Document { content, remarks, root: Some(root), origin }))
            }
        },
        Err(Broken { line, column, reason }) => {
            let (line, column) = origin.apply((line.max(1), column));
            Some(Err(Broken { line, column, reason }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn contents(text: &str) -> Vec<Value> {
        read(text).into_iter().flatten().map(|document| document.content).collect()
    }

    fn broken(text: &str) -> Broken {
        read(text).into_iter().find_map(Result::err).unwrap()
    }

    #[test]
    fn documents_are_separate_and_empty_ones_are_left_out() {
        let text = "---\na: 1\n--- # two\n# nothing\n---\n{\"b\": 2}\n---\n~\n";
        assert_eq!(contents(text), [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(contents("{\"a\": 1}\n{\"b\": 2}"), [json!({"a": 1}), json!({"b": 2})]);
        assert!(contents("").is_empty());
    }

    #[test]
    fn quotes_and_tags_keep_texts() {
        let text = "a: off\nb: 'off'\nc: \"010\"\nd: [On, oN, \"y\"]\ne: !!str no\nf: |-\n  no\ng: !x 010\n";
        let expected = json!({"a": false, "b": "off", "c": "010", "d": [true, "oN", "y"], "e": "no", "f": "no", "g": "010"});
        assert_eq!(contents(text), [expected]);
    }

    #[test]
    fn merge_keys_and_aliases_are_resolved() {
        let text = "base: &base {x: 1}\nuse:\n  x: 0\n  <<: *base\n  z: 2\nall:\n  <<: [{a: 1, b: 1}, {a: 2}]\n  b: 3\n";
        let content = contents(text).remove(0);
        assert_eq!(content["use"], json!({"x": 1, "z": 2}), "kubectl lets a later merge win");
        assert_eq!(content["all"], json!({"a": 1, "b": 3}));
        assert!(broken("a: &a {b: *a}\n").reason.contains("contains itself"));
        let bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e]\n";
        assert!(broken(bomb).reason.contains("excessive aliasing"));
    }

    #[test]
    fn trouble_is_reported_where_it_is() {
        let at = |text: &str| (broken(text).line, broken(text).column);
        assert_eq!(at("a: 1\n---\nb: [\n").0, 3);
        assert_eq!(at("a: 1\n---\nb: x\u{7}\n"), (3, 5));
        assert_eq!(at("a: 1\n--- b: 2\n"), (2, 4));
        assert_eq!(at("a: \"\\/\"\n"), (1, 4));
        assert_eq!(at("\n{a: 1}\n"), (2, 2));
    }

    #[test]
    fn what_kubectl_drops_is_remarked() {
        let remarks = |text: &str| -> Vec<_> {
            let documents = read(text).into_iter().flatten();
            documents.flat_map(|document| document.remarks).map(|remark| (remark.line, remark.text)).collect()
        };
        let [(line, text)] = &remarks("x: 1\n---\na: 1\nb: 2\na: 3\n")[..] else { panic!() };
        assert!(*line == 5 && text.contains("given twice"), "{line} {text}");
        let [(line, text)] = &remarks("a: 1\n...\nb: 2\n")[..] else { panic!() };
        assert!(*line == 2 && text.contains("ignores"), "{line} {text}");
        let [(line, text)] = &remarks("a: 010\nb: 07\n")[..] else { panic!() };
        assert!(*line == 1 && text.contains("reads it as 8"), "{line} {text}");
        assert_eq!(contents("a: 1\na: 3\n"), [json!({"a": 3})]);
    }

    #[test]
    fn positions_are_those_of_the_key_or_of_what_is_closest() {
        let text = "x: 1\n---\nspec:\n  plan: a\n  list:\n    - b: 1\n    - c: 2\n";
        let document = read(text).remove(1).unwrap();
        let at = |path: FieldPath| document.position(&path);
        assert_eq!(at(FieldPath::of(&["spec", "plan"])), (4, 3));
        assert_eq!(at(FieldPath::of(&["spec", "list"]).index(1)), (7, 7));
        assert_eq!(at(FieldPath::of(&["spec", "list"]).index(1).key("c")), (7, 7));
        assert_eq!(at(FieldPath::of(&["spec", "missing"])), (3, 1));
        assert_eq!(at(FieldPath::of(&["missing"])), (3, 1));
        let second = read("{\"a\": 1} {\"a\": 2}").remove(1).unwrap();
        assert_eq!(second.position(&FieldPath::of(&["a"])), (1, 11));
    }
}
