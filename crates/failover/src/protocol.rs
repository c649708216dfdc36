//! The vocabulary that managers and the operator share: names, terms, positions in a history, and the
//! status that a manager reports.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc, time::Duration};

/// Name of an instance; the name of its pod. It outlives pods, addresses and volumes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name(Arc<str>);

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl Name {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Number of a primary's reign, as counted by `leaseTransitions` of the cluster's Lease; 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term(pub u64);

impl Term {
    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One life of one instance. Two pods of one name, and two starts of one pod, differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Which instance.
    pub name: Name,
    /// UID of its pod. A pod of the same name with another UID may run beside this one, on a lost node.
    pub pod: Arc<str>,
    /// Which start of the manager in that pod. A later start proves that the earlier one is dead.
    pub boot: u64,
}

impl Identity {
    /// Whether a report from `other` proves that this life has ended.
    pub fn is_succeeded_by(&self, other: &Self) -> bool {
        self.name == other.name && self.pod == other.pod && self.boot < other.boot
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.name, self.pod, self.boot)
    }
}

/// One pod of an instance, through all starts of its manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// Which instance.
    pub name: Name,
    /// UID of its pod. What a manager has seen stays on the disk for as long as there is this pod.
    pub pod: Arc<str>,
}

impl From<&Identity> for Peer {
    fn from(identity: &Identity) -> Self {
        Self { name: identity.name.clone(), pod: Arc::clone(&identity.pod) }
    }
}

/// Those whose consent the holder of a lease may go on with, when it cannot renew.
pub type Peers = BTreeSet<Peer>;

/// As a lease names them: `NAME/POD`, separated by commas.
pub fn format_peers(peers: &Peers) -> String {
    let texts: Vec<String> = peers.iter().map(|peer| format!("{}/{}", peer.name, peer.pod)).collect();
    texts.join(",")
}

/// Parses the text of a lease. An invalid entry becomes a peer that never answers, so that its consent is never assumed.
pub fn parse_peers(text: &str) -> Peers {
    let peer = |text: &str| {
        let (name, pod) = text.split_once('/').unwrap_or((text, ""));
        Peer { name: name.into(), pod: pod.into() }
    };
    text.split(',').filter(|text| !text.is_empty()).map(peer).collect()
}

/// Why a text is not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoIdentity;

impl fmt::Display for NoIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not of the form NAME/POD/BOOT")
    }
}

impl std::error::Error for NoIdentity {}

/// As it is written as the holder of a lease.
impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        let parts: Vec<&str> = text.split('/').collect();
        let [name, pod, boot] = parts[..] else { return Err(NoIdentity) };
        if name.is_empty() || pod.is_empty() {
            return Err(NoIdentity);
        }
        let boot = boot.parse().map_err(|_| NoIdentity)?;
        Ok(Self { name: name.into(), pod: pod.into(), boot })
    }
}

/// How far an instance has come: offsets are comparable only within the history of one term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term whose primary began this history; 0 for an instance without data.
    pub term: Term,
    /// Replication offset in it.
    pub offset: u64,
}

/// What an instance does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Read-only and attached to nobody, confirmed by its server.
    Held,
    /// On the way from one role to another; nothing may be concluded from it.
    Changing,
    /// Accepts writes, in this term.
    Primary(Term),
    /// Follows this instance.
    Replica(Name),
}

/// What a manager reports about its instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Who reports.
    pub identity: Identity,
    /// The highest term that a verb or the lease has shown to it.
    pub seen: Term,
    /// What it does.
    pub role: Role,
    /// Where it stands; none while it loads or receives a full copy.
    pub position: Option<Position>,
    /// Whether that position was reached by this life, not read from a disk.
    pub live: bool,
    /// Whether the stream from its primary is open.
    pub streaming: bool,
    /// Whether an offset that was read from the primary after the stream was open has been reached.
    pub synced: bool,
    /// Whether its server was started after it was last held: what it has may be less than what it said before.
    #[serde(default)]
    pub restarted: bool,
    /// Whether it asks for another primary: it is about to stop, or a person wants it.
    #[serde(default)]
    pub leaving: bool,
    /// Whether it will never accept writes again, because it is about to end.
    #[serde(default)]
    pub stopping: bool,
    /// Whether clients that want to write are connected to it, though it refuses writes.
    #[serde(default)]
    pub misrouted: bool,
    /// The highest term on its disk: it has seen it also after its next start.
    #[serde(default)]
    pub stored: Term,
    /// Whether it accepts writes by consent of its peers, because it cannot renew the lease.
    #[serde(default)]
    pub by_consent: bool,
}

/// Intervals of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long the lease must be seen unchanged before another instance may take it.
    pub lease_duration: Duration,
    /// How long after the start of the last good renewal a primary is killed; less than `lease_duration`.
    pub hard_deadline: Duration,
    /// When it begins to fence itself; less than `hard_deadline`.
    pub soft_deadline: Duration,
    /// How often it renews.
    pub renew_interval: Duration,
    /// How long after an answer that tells nothing the lease is read.
    pub retry_interval: Duration,
    /// How long an answer of the API server is waited for.
    pub request_timeout: Duration,
    /// How long the server may take to confirm that it is held, before it is killed.
    pub fence_timeout: Duration,
    /// How long after the last good renewal peers are asked for their consent.
    pub consent_after: Duration,
    /// For how long after the last renewal of the lease consent counts.
    pub consent_limit: Duration,
    /// How long the lease must be seen unchanged before peers do not matter; more than `consent_limit` by as much as
    /// `lease_duration` is more than `hard_deadline`.
    pub consent_elapsed: Duration,
}

impl Timing {
    /// For the only instance of a cluster: nobody can take over, so nothing runs out.
    pub fn alone() -> Self {
        let never = Duration::from_hours(1_000_000);
        Self { hard_deadline: never, soft_deadline: never, renew_interval: never, ..Self::default() }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            hard_deadline: Duration::from_secs(10),
            soft_deadline: Duration::from_secs(9),
            renew_interval: Duration::from_secs(2),
            retry_interval: Duration::from_millis(500),
            request_timeout: Duration::from_secs(2),
            fence_timeout: Duration::from_secs(1),
            consent_after: Duration::from_secs(4),
            consent_limit: Duration::from_hours(1),
            consent_elapsed: Duration::from_mins(90),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a manager reports that has just started.
    pub(crate) fn status() -> Status {
        Status {
            identity: Identity { name: "a".into(), pod: "u".into(), boot: 1 },
            seen: Term(0),
            role: Role::Held,
            position: None,
            live: false,
            streaming: false,
            synced: false,
            restarted: true,
            leaving: false,
            stopping: false,
            misrouted: false,
            stored: Term(0),
            by_consent: false,
        }
    }

    #[test]
    fn identity_is_read_back_from_its_text() {
        let identity = Identity { name: "cache-1".into(), pod: "0f3c-77".into(), boot: 12 };
        assert_eq!(identity.to_string(), "cache-1/0f3c-77/12");
        assert_eq!(identity.to_string().parse(), Ok(identity));
        for text in ["", "a", "a/b", "a/b/c", "/b/1", "a//1", "a/b/1/2"] {
            assert_eq!(text.parse::<Identity>(), Err(NoIdentity), "{text}");
        }
    }

    #[test]
    fn peers_are_read_back_from_their_text() {
        let peer = |name: &str, pod: &str| Peer { name: name.into(), pod: pod.into() };
        let peers = Peers::from([peer("cache-1", "0f3c"), peer("cache-2", "77")]);
        assert_eq!(format_peers(&peers), "cache-1/0f3c,cache-2/77");
        assert_eq!(parse_peers(&format_peers(&peers)), peers);
        assert_eq!(parse_peers(""), Peers::new());
        assert_eq!(parse_peers("x"), Peers::from([peer("x", "")]));
    }
}
