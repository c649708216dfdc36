//! What is known of a cluster while a client asks: one primary, its replicas, and the managers that answer. Pure.

use valkeeper_failover::Term;

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// The server that accepts writes, and what it says about the servers that follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Primary {
    pub(crate) address: Address,
    /// Identity of its process.
    pub(crate) run_id: String,
    /// The term in which this instance knows it.
    pub(crate) term: Term,
    pub(crate) replicas: Vec<Replica>,
}

/// A server that follows it and has everything that was sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) address: Address,
    pub(crate) offset: u64,
    /// Seconds since it acknowledged that.
    pub(crate) lag: u64,
}

/// Another manager that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) id: String,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) primary: Primary,
    pub(crate) peers: Vec<Peer>,
}

impl Topology {
    /// Of what the primary says and which managers answer. What else follows the primary, such as a backup or a server of
    /// another cluster, is no replica of this one.
    pub(crate) fn of(mut primary: Primary, own: &Address, peers: Vec<Peer>) -> Self {
        let has_manager =
            |host: &str| *host == own.host || peers.iter().any(|peer| peer.address.host == *host);
        primary.replicas.retain(|replica| has_manager(&replica.address.host));
        Self { primary, peers }
    }

    /// For clients that reach servers on this port: all servers of a cluster have the same.
    pub(crate) fn at(mut self, port: u16) -> Self {
        self.primary.address.port = port;
        for replica in &mut self.primary.replicas {
            replica.address.port = port;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_manager_is_no_replica_of_this_cluster() {
        let address = |host: &str| Address { host: host.to_owned(), port: 6379 };
        let replica = |host: &str| Replica { address: address(host), ..Replica::default() };
        let primary =
            Primary { replicas: ["own", "peer", "backup"].map(replica).into(), ..Primary::default() };
        let peer = Peer { address: address("peer"), id: "1".to_owned() };
        let topology = Topology::of(primary, &address("own"), vec![peer]);
        assert_eq!(topology.primary.replicas, ["own", "peer"].map(replica));
    }
}
