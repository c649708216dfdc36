//! Services in the text of a list that arrives in pieces. Only services that a caller wants are decoded beyond name
//! and tags. The text of each (passwords included) is wiped as soon as it is decoded. A service that cannot be read,
//! or is too large, does not hide any other.

use super::{
    lenient::{self, decode},
    service::Service,
};
use secrecy::zeroize::Zeroize as _;
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap};

/// The key of the list in the answer.
const SERVICES: &[u8] = b"services";
/// More than the longest key of an answer.
const LONGEST_KEY: usize = 64;

/// What is read of every service of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Heading<'a> {
    /// Its name.
    #[serde(borrow, deserialize_with = "lenient::borrowed_text")]
    service_name: Option<Cow<'a, str>>,
    /// Its tags, if the list has them, as far as they are texts.
    #[serde(deserialize_with = "lenient::known_texts")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A service of a list that a caller wants.
#[derive(Debug)]
pub enum Listed {
    /// The service.
    Service(Box<Service>),
    /// It lacks something that is needed.
    Unreadable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// A list in progress.
pub(super) struct Elements {
    splitter: Splitter,
    nameless: usize,
}

impl Elements {
    /// Of each service at most `limit` bytes are kept.
    pub(super) fn new(limit: usize) -> Self {
        Self { splitter: Splitter { limit, ..Splitter::default() }, nameless: 0 }
    }

    /// Reads `input` to the end of the next service that `wanted` accepts, or to its own end; returns how much
    /// was read.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        wanted: &mut impl FnMut(&str, &Heading<'_>) -> bool,
    ) -> (usize, Option<Listed>) {
        let mut read = 0;
        while read < input.len() {
            read += self.splitter.take(&input[read..]);
            if !std::mem::take(&mut self.splitter.complete) {
                continue;
            }
            let listed = self::read(&self.splitter.element, wanted);
            self.splitter.element.zeroize();
            match listed {
                Ok(Some(listed)) => return (read, Some(listed)),
                Ok(None) => {}
                Err(cause) => {
                    tracing::debug!(cause, "service in list without a name");
                    self.nameless += 1;
                }
            }
        }
        (read, None)
    }

    /// How many services so far were too large or had no name.
    pub(super) fn nameless(&self) -> usize {
        self.nameless
    }

    /// Whether the list has come to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.splitter.is_whole()
    }
}

/// The service in `text` if it is wanted; the error states why not even its name can be read.
fn read(text: &[u8], wanted: &mut impl FnMut(&str, &Heading<'_>) -> bool) -> Result<Option<Listed>, String> {
    let heading: Heading<'_> = decode(text)?.unwrap_or_default();
    let name = heading.service_name.as_deref().filter(|name| !name.is_empty());
    let name = name.ok_or("it has no name")?;
    if !wanted(name, &heading) {
        return Ok(None);
    }
    let service = decode::<Service>(text).and_then(|service| {
        service.unwrap_or_default().complete(Some(name)).map_err(|lacking| lacking.to_string())
    });
    Ok(Some(match service {
        Ok(service) => Listed::Service(Box::new(service)),
        Err(cause) => Listed::Unreadable { name: name.to_owned(), cause },
    }))
}

/// Cuts the elements out of the array `services` of a JSON object that arrives in pieces.
#[derive(Default)]
struct Splitter {
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// The last text at the top level, which is the key of what follows.
    key: Vec<u8>,
    in_services: bool,
    found: bool,
    element: Vec<u8>,
    /// `element` holds one, or nothing if it is larger than the limit.
    complete: bool,
    /// The element grew beyond the limit.
    oversized: bool,
    limit: usize,
}

impl Splitter {
    /// Reads until an element is complete or the input is used up; returns how much was read.
    fn take(&mut self, input: &[u8]) -> usize {
        for (index, &byte) in input.iter().enumerate() {
            if self.read(byte) {
                self.complete = true;
                return index + 1;
            }
        }
        input.len()
    }

    fn is_whole(&self) -> bool {
        self.found && self.depth == 0
    }

    fn keep(&mut self, byte: u8) {
        if self.oversized {
            return;
        }
        if self.element.len() >= self.limit {
            self.element.zeroize();
            self.oversized = true;
        } else {
            self.element.push(byte);
        }
    }

    /// Whether this byte ends an element.
    fn read(&mut self, byte: u8) -> bool {
        if self.in_services && self.depth >= 3 || (self.in_services && self.depth == 2 && byte == b'{') {
            self.keep(byte);
        }
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            if self.depth == 1 && self.in_text && self.key.len() < LONGEST_KEY {
                self.key.push(byte);
            }
            return false;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                if self.depth == 1 {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                if self.depth == 1 && byte == b'[' && self.key == SERVICES {
                    (self.in_services, self.found) = (true, true);
                }
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.in_services &= self.depth > 1;
                let ends = self.in_services && self.depth == 2 && byte == b'}';
                self.oversized &= !ends;
                return ends;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn split(text: &str, pieces: &[usize]) -> (Vec<Value>, bool) {
        let splitter = Splitter { limit: usize::MAX, ..Splitter::default() };
        let (mut splitter, mut elements) = (splitter, Vec::new());
        let (mut rest, mut sizes) = (text.as_bytes(), pieces.iter().cycle());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
            rest = after;
            while !piece.is_empty() {
                piece = &piece[splitter.take(piece)..];
                if std::mem::take(&mut splitter.complete) {
                    elements.push(serde_json::from_slice(&splitter.element).unwrap());
                    splitter.element.clear();
                }
            }
        }
        (elements, splitter.is_whole())
    }

    proptest! {
        #[test]
        fn services_are_cut_out_whole_however_the_answer_arrives(
            names in prop::collection::vec("[\\PC\"\\\\{}\\[\\]]{0,12}", 0..6),
            pieces in prop::collection::vec(1_usize..40, 1..8),
        ) {
            let services: Vec<Value> = names.iter()
                .map(|name| json!({"service_name": name, "users": [{"password": name}], "services": [{}]})).collect();
            let answer = json!({"errors": [{"a": 1}], "message": "services", "services": services, "z": [{}]});
            prop_assert_eq!(split(&answer.to_string(), &pieces), (services, true));
        }
    }

    #[test]
    fn a_list_that_breaks_off_is_not_a_shorter_list() {
        let answer = r#"{"services": [{"service_name": "a"}, {"service_name": "b"}]}"#;
        for end in 0..answer.len() {
            assert!(!split(&answer[..end], &[7]).1, "{}", &answer[..end]);
        }
        assert!(split(answer, &[7]).1);
        assert!(!split(r#"{"message": "maintenance"}"#, &[7]).1, "no list at all");
    }
}
