//! One YAML document as a tree with the position of each part.
//!
//! Aliases and merge keys are resolved while the tree is built. A repeated key replaces the earlier one, as in
//! `kubectl`, and adds a remark.

use super::{
    node::{At, Content, Entries, Node, merge},
    problem::{Broken, Remark},
    scalar,
};
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Value;
use std::{collections::HashMap, rc::Rc};

/// How many values a document may hold once its aliases are expanded. An object in a cluster has far fewer.
const MOST_VALUES: usize = 200_000;
/// Message of `kubectl` about more aliases.
const TOO_MANY: &str = "document contains excessive aliasing";
/// The tag of a plain scalar, a sequence or a mapping starts with this.
const STANDARD: &str = "tag:yaml.org,2002:";

/// A key whose value has not come yet.
#[derive(Debug)]
struct Key {
    name: String,
    at: At,
    /// Whether it merges another mapping into this one.
    merges: bool,
}

/// A document and what is remarkable about it.
pub(super) struct Tree {
    pub(super) root: Rc<Node>,
    pub(super) remarks: Vec<Remark>,
}

/// A collection whose end has not come yet.
struct Open {
    at: At,
    anchor: usize,
    content: Content,
    /// The key whose value is next.
    key: Option<Key>,
}

/// Builds the tree of one document.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    remarks: Vec<Remark>,
}

/// The tree of the first document in a text, if there is any, and what is remarkable about the text.
///
/// # Errors
/// When `kubectl` could not read it either.
pub(super) fn parse(text: &str) -> Result<Option<Tree>, Broken> {
    let mut builder = Builder::default();
    let mut options = granit_parser::options! { disallow_directives: true };
    options.set_emit_comments(false);
    let mut ended = false;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(found) => found,
            // The receiver stops reading at the end of the document.
            Err(_) if ended => {
                builder.ignored(text);
                break;
            }
            Err(error) => {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                return Err(Broken { line, column, reason: error.info() });
            }
        };
        match event {
            Event::DocumentStart(..) if ended => {
                builder.ignored(text);
                break;
            }
            Event::DocumentEnd => ended = true,
            event => builder.take(text, event, &span)?,
        }
    }
    let Builder { root, remarks, .. } = builder;
    Ok(root.map(|root| Tree { root, remarks }))
}

impl Builder {
    fn take(&mut self, text: &str, event: Event<'_>, span: &Span) -> Result<(), Broken> {
        let at = (span.start.line(), span.start.col() + 1);
        match event {
            Event::Scalar(content, style, anchor, tag) => {
                self.scalar(text, (&content, style, anchor, tag.as_deref()), span, at)
            }
            Event::SequenceStart(_, anchor, _) => self.start(Content::Sequence(Vec::new()), anchor, at),
            Event::MappingStart(_, anchor, _) => self.start(Content::Mapping(Entries::new()), anchor, at),
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => match self.anchors.get(&anchor).map(Rc::clone) {
                Some(node) => self.put(node, at),
                None => Err(broken(at, "an anchor's value contains itself")),
            },
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        (content, style, anchor, tag): (&str, ScalarStyle, usize, Option<&Tag>),
        span: &Span,
        at: At,
    ) -> Result<(), Broken> {
        let plain = style == ScalarStyle::Plain;
        let standard = tag.filter(|tag| tag.handle() == STANDARD).map(Tag::suffix);
        let custom = tag.is_some() && standard.is_none();
        if style == ScalarStyle::DoubleQuoted && span.slice(text).is_some_and(escapes_a_slash) {
            return Err(broken(at, "found unknown escape character: `\\/` is none in YAML 1.1"));
        }
        if plain && content == "<<" && !custom && self.expects_key() {
            self.name(Key { name: content.to_owned(), at, merges: true });
            return Ok(());
        }
        let value = if custom || (!plain && standard.is_none()) {
            Value::from(content)
        } else {
            scalar::tagged(content, standard).map_err(|reason| broken(at, &reason))?
        };
        if let Some(number) = scalar::octal(content).filter(|_| plain && value.is_number()) {
            let meant = content.trim_start_matches(['-', '+', '0']);
            if number.to_string().trim_start_matches('-') != meant {
                self.remark(
                    at,
                    format!("{content} starts with a zero: kubectl reads it as {number}, in base 8"),
                );
            }
        }
        let node = Node::new(at, Content::Scalar(value));
        self.remember(anchor, &node);
        self.put(node, at)
    }

    fn start(&mut self, content: Content, anchor: usize, at: At) -> Result<(), Broken> {
        if self.expects_key() {
            return Err(broken(at, "a key must be a text, a number or a boolean"));
        }
        self.open.push(Open { at, anchor, content, key: None });
        Ok(())
    }

    fn end(&mut self, end: At) -> Result<(), Broken> {
        let Some(Open { at, anchor, content, .. }) = self.open.pop() else { return Ok(()) };
        let node = Node::new(at, content);
        if node.size > MOST_VALUES {
            return Err(broken(end, TOO_MANY));
        }
        self.remember(anchor, &node);
        self.put(node, at)
    }

    /// Puts a finished value where it belongs: below a key, into a list, or it is a key itself.
    fn put(&mut self, node: Rc<Node>, at: At) -> Result<(), Broken> {
        if self.expects_key() {
            let name = node.key().ok_or_else(|| broken(at, "a key must be a text, a number or a boolean"))?;
            self.name(Key { name, at, merges: false });
            return Ok(());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.content, open.key.take()) {
            (Content::Sequence(items), _) => items.push(node),
            (Content::Mapping(entries), Some(key)) if key.merges => {
                let refusal = || broken(at, "map merge requires map or sequence of maps as the value");
                return merge(entries, &node).then_some(()).ok_or_else(refusal);
            }
            (Content::Mapping(entries), Some(key)) => {
                let text = format!("{:?} is given twice here: kubectl keeps the last one", key.name);
                if entries.insert(key.name, (key.at, node)).is_some() {
                    self.remark(key.at, text);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, key: Key) {
        if let Some(open) = self.open.last_mut() {
            open.key = Some(key);
        }
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.key.is_none() && matches!(open.content, Content::Mapping(_)))
    }

    fn remember(&mut self, anchor: usize, node: &Rc<Node>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    fn remark(&mut self, (line, column): At, text: String) {
        self.remarks.push(Remark { line, column, text });
    }

    /// Text follows the end of the document.
    fn ignored(&mut self, text: &str) {
        let end = text.lines().position(|line| line.starts_with("...")).unwrap_or_default();
        self.remark((end + 1, 1), "kubectl ignores everything after `...`".to_owned());
    }
}

/// Whether a double-quoted text escapes a slash.
fn escapes_a_slash(quoted: &str) -> bool {
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && letters.next() == Some('/') {
            return true;
        }
    }
    false
}

fn broken((line, column): At, reason: &str) -> Broken {
    Broken { line, column, reason: reason.to_owned() }
}
