//! The election: which of the instances that answer has the best claim to be the next primary.
//!
//! Terms come first, because offsets mean nothing across histories; then the offset; then whatever the
//! caller prefers; then the name, so that two operators choose alike.

use crate::protocol::{Name, Position};

/// One instance that may be elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub name: Name,
    /// Where it stands.
    pub position: Position,
    /// Higher is better among equals, such as another zone than the one that failed.
    pub preference: u8,
}

/// The best candidate; none without candidates.
pub fn elect(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates.iter().max_by(|left, right| {
        let order = left.position.term.cmp(&right.position.term);
        order
            .then(left.position.offset.cmp(&right.position.offset))
            .then(left.preference.cmp(&right.preference))
            .then(right.name.cmp(&left.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Term;

    fn candidate(name: &str, term: u64, offset: u64, preference: u8) -> Candidate {
        Candidate { name: name.into(), position: Position { term: Term(term), offset }, preference }
    }

    #[test]
    fn election_prefers_term_then_offset_then_preference_then_name() {
        let table = [
            ([("a", 1, 900, 0), ("b", 2, 10, 0)], "b"),
            ([("a", 2, 11, 0), ("b", 2, 10, 9)], "a"),
            ([("a", 2, 10, 0), ("b", 2, 10, 1)], "b"),
            ([("a", 2, 10, 1), ("b", 2, 10, 1)], "a"),
        ];
        for (given, expected) in table {
            let mut candidates: Vec<_> = given.iter().map(|(n, t, o, p)| candidate(n, *t, *o, *p)).collect();
            assert_eq!(elect(&candidates).unwrap().name, expected.into(), "{given:?}");
            candidates.reverse();
            assert_eq!(elect(&candidates).unwrap().name, expected.into(), "{given:?} reversed");
        }
        assert_eq!(elect(&[]), None);
    }
}
