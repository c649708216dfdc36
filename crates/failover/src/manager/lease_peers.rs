//! What a lease may say about the peers of its holder, as far as the holder knows.

use crate::protocol::Peers;

/// A lease names the peers that were written last; after a write without an answer, these or those of before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct LeasePeers {
    known: Peers,
    attempted: Option<Peers>,
}

impl LeasePeers {
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

    /// All peers that the lease may name; none if it may name no peer, because its next holder then asks no peer.
    pub(super) fn to_ask(&self) -> Option<Peers> {
        let is_empty = self.known.is_empty() || self.attempted.as_ref().is_some_and(Peers::is_empty);
        (!is_empty).then(|| self.known.iter().chain(self.attempted.iter().flatten()).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::parse_peers;

    #[test]
    fn every_peer_that_the_lease_may_name_is_asked() {
        let (one, other) = (parse_peers("a/1"), parse_peers("b/2"));
        let mut peers = LeasePeers::default();
        assert!(peers.differs_from(&one));
        assert_eq!(peers.next_write(&one), one);
        assert!(!peers.differs_from(&other));
        assert_eq!(peers.to_ask(), None);
        peers.written();
        assert_eq!(peers.to_ask(), Some(one.clone()));
        assert_eq!(peers.next_write(&other), other);
        assert_eq!(peers.next_write(&Peers::new()), other);
        assert_eq!(peers.to_ask(), Some(parse_peers("a/1,b/2")));
        peers.written();
        assert_eq!(peers.to_ask(), Some(other));
        assert_eq!(peers.next_write(&Peers::new()), Peers::new());
        assert_eq!(peers.to_ask(), None);
    }
}
