//! What a lease may say about the peers of its holder, as far as the holder knows.

use crate::protocol::Peers;

/// A lease names the peers that were written last; after a write without an answer, these or those of before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Named {
    known: Peers,
    attempted: Option<Peers>,
}

impl Named {
    /// What is to be written, if these can be asked now. The same again until it is known what the lease says, so that it
    /// can say one of two things at most.
    pub(super) fn next_write(&mut self, current: &Peers) -> Peers {
        self.attempted.get_or_insert_with(|| current.clone()).clone()
    }

    /// Whether others can be asked now than the lease names, as far as that is known.
    pub(super) fn differs_from(&self, current: &Peers) -> bool {
        self.attempted.is_none() && self.known != *current
    }

    /// The last write took effect.
    pub(super) fn written(&mut self) {
        if let Some(peers) = self.attempted.take() {
            self.known = peers;
        }
    }

    /// Everybody whom the lease may name. None if it may name nobody: its next holder asks none of them then.
    pub(super) fn to_ask(&self) -> Option<Peers> {
        let is_empty = self.known.is_empty() || self.attempted.as_ref().is_some_and(Peers::is_empty);
        (!is_empty).then(|| self.known.iter().chain(self.attempted.iter().flatten()).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::peers_in;

    #[test]
    fn all_are_asked_whom_the_lease_may_name() {
        let (one, other) = (peers_in("a/1"), peers_in("b/2"));
        let mut named = Named::default();
        assert!(named.differs_from(&one));
        assert_eq!(named.next_write(&one), one);
        assert!(!named.differs_from(&other));
        assert_eq!(named.to_ask(), None);
        named.written();
        assert_eq!(named.to_ask(), Some(one.clone()));
        assert_eq!(named.next_write(&other), other);
        assert_eq!(named.next_write(&Peers::new()), other);
        assert_eq!(named.to_ask(), Some(peers_in("a/1,b/2")));
        named.written();
        assert_eq!(named.to_ask(), Some(other));
        assert_eq!(named.next_write(&Peers::new()), Peers::new());
        assert_eq!(named.to_ask(), None);
    }
}
