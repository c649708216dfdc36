//! A list of services, read one by one while it arrives. Guarantees that only services that somebody asks
//! for are decoded beyond name and tags, that the text of each (passwords included) is wiped as soon as the next is read, and
//! that a list which ends too early is an error instead of a shorter list.

use super::{answer::decode, error::ProviderError, service::Service};
use reqwest::Response;
use secrecy::zeroize::Zeroize as _;
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap};

/// The key of the list in the answer.
const SERVICES: &[u8] = b"services";
/// More than the longest key of an answer.
const LONGEST_KEY: usize = 64;

/// A list under way.
pub struct Listing {
    doing: String,
    response: Response,
    failed: Box<dyn Fn(reqwest::Error) -> ProviderError + Send + Sync>,
    chunk: Vec<u8>,
    read: usize,
    splitter: Splitter,
    limit: usize,
}

/// What is read of every service of a list.
#[derive(Debug, Deserialize)]
pub struct Heading<'a> {
    /// Its name.
    #[serde(borrow)]
    pub service_name: Cow<'a, str>,
    /// Its tags, if the list has them.
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Listing {
    pub(super) fn new(
        doing: String,
        response: Response,
        limit: usize,
        failed: Box<dyn Fn(reqwest::Error) -> ProviderError + Send + Sync>,
    ) -> Self {
        Self { doing, response, failed, chunk: Vec::new(), read: 0, splitter: Splitter::default(), limit }
    }

    /// The next service that `wanted` accepts; it is asked once for every service of the list.
    pub async fn next(
        &mut self,
        mut wanted: impl FnMut(&Heading<'_>) -> bool,
    ) -> Result<Option<Service>, ProviderError> {
        loop {
            while self.read < self.chunk.len() {
                self.read += self.splitter.take(&self.chunk[self.read..]);
                if self.splitter.element.len() > self.limit {
                    return Err(self.unreadable(format!("a service is larger than {} bytes", self.limit)));
                }
                if self.splitter.complete
                    && let Some(service) = self.decode(&mut wanted)?
                {
                    return Ok(Some(service));
                }
            }
            self.chunk.zeroize();
            match self.response.chunk().await {
                Ok(Some(chunk)) => {
                    self.chunk.extend_from_slice(&chunk);
                    self.read = 0;
                }
                Ok(None) if self.splitter.is_whole() => return Ok(None),
                Ok(None) => return Err(self.unreadable("it is not a whole list of services".to_owned())),
                Err(error) => return Err((self.failed)(error)),
            }
        }
    }

    fn decode(
        &mut self,
        wanted: &mut impl FnMut(&Heading<'_>) -> bool,
    ) -> Result<Option<Service>, ProviderError> {
        self.splitter.complete = false;
        let text = &self.splitter.element;
        let outcome = match serde_json::from_slice::<Heading<'_>>(text) {
            Ok(heading) if wanted(&heading) => decode(&self.doing, text).map(Some),
            Ok(_) => Ok(None),
            Err(_) => Err(self.unreadable("a service has no name".to_owned())),
        };
        self.splitter.element.zeroize();
        outcome
    }

    fn unreadable(&self, cause: String) -> ProviderError {
        ProviderError::Unreadable { doing: self.doing.clone(), cause }
    }
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
    /// `element` holds one.
    complete: bool,
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

    /// Whether this byte ends an element.
    fn read(&mut self, byte: u8) -> bool {
        if self.in_services && self.depth >= 3 || (self.in_services && self.depth == 2 && byte == b'{') {
            self.element.push(byte);
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
                return self.in_services && self.depth == 2 && byte == b'}';
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
        let (mut splitter, mut elements) = (Splitter::default(), Vec::new());
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
