//! A counterexample: the records of a history that suffice to show that a promise was broken.

use super::record::{Claim, Content, Disturbance, History, Write};
use std::fmt;

/// Records of a history, and what the keys of its writes held at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counterexample {
    /// The records, as a history of their own.
    pub history: History,
}

impl Counterexample {
    /// These records of `history`.
    pub(super) fn of(history: &History, writes: &[usize], claims: &[usize], causes: &[usize]) -> Self {
        let sorted = |numbers: &[usize]| {
            let mut numbers = numbers.to_vec();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let writes: Vec<Write> =
            sorted(writes).iter().map(|number| history.writes[*number].clone()).collect();
        let claims: Vec<Claim> =
            sorted(claims).iter().map(|number| history.claims[*number].clone()).collect();
        let disturbances: Vec<Disturbance> =
            sorted(causes).iter().map(|number| history.disturbances[*number].clone()).collect();
        let contents = history
            .contents
            .iter()
            .filter(|(key, _)| writes.iter().any(|write| write.key == **key))
            .map(|(key, content)| (key.clone(), only(content, &writes, key)))
            .collect();
        Self { history: History { writes, claims, disturbances, contents } }
    }

    /// What a key held that no write of the history explains.
    pub(super) fn unexplained(key: &str, content: Content) -> Self {
        let contents = [(key.to_owned(), content)].into();
        Self { history: History { contents, ..History::default() } }
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        let History { writes, claims, disturbances, contents } = &self.history;
        let records = writes.len() + claims.len() + disturbances.len();
        if records == 0 { contents.len() } else { records }
    }

    /// Whether it shows nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What of a key's content came from these writes.
fn only(content: &Content, writes: &[Write], key: &str) -> Content {
    let known = |value: &u64| writes.iter().any(|write| write.key == key && write.value == *value);
    match content {
        Content::Register(value) => Content::Register(value.filter(known)),
        Content::Set(values) => Content::Set(values.iter().copied().filter(known).collect()),
        Content::List(values) => Content::List(values.iter().copied().filter(known).collect()),
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let History { writes, claims, disturbances, contents } = &self.history;
        let mut lines: Vec<(u64, String)> = Vec::new();
        lines.extend(writes.iter().map(|write| (write.invoked.0, write.to_string())));
        lines.extend(claims.iter().map(|claim| (claim.at.0, claim.to_string())));
        lines.extend(disturbances.iter().map(|each| (each.from.0, each.to_string())));
        lines.sort();
        for (_, line) in lines {
            writeln!(formatter, "  {line}")?;
        }
        for (key, content) in contents {
            writeln!(formatter, "  at the end {key} holds, of these writes, {:?}", content.values())?;
        }
        Ok(())
    }
}
