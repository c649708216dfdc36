//! A history: the calls of clients and their answers, the terms that instances claimed, and the faults. Plain data
//! that reads back from the JSON that it is written as.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Microseconds since the recording began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// The time in which one server run accepts writes: from a promotion to the next one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reign {
    /// Run id of the server process.
    pub server: String,
    /// Replication id, which a promotion replaces.
    pub replication: String,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Structure {
    /// One value, which the next write replaces.
    Register,
    /// All values that were added.
    Set,
    /// All values that were appended, in order.
    List,
}

/// The outcome of a write, from the client's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The server has acknowledged it.
    Acknowledged {
        /// When the answer came.
        at: Moment,
        /// Who acknowledged it.
        reign: Reign,
        /// How many replicas confirmed it, if the client sent `WAIT`.
        replicas: Option<u64>,
    },
    /// The server has refused it: it must not be there.
    Refused,
    /// No answer came: it may be there or not.
    Unknown,
}

/// One write. Its value is unique in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Which client.
    pub client: u64,
    /// Which key.
    pub key: String,
    /// What the key holds.
    pub structure: Structure,
    /// The value.
    pub value: u64,
    /// When it was sent.
    pub invoked: Moment,
    /// What became of it.
    pub outcome: Outcome,
}

impl Write {
    /// When it was acknowledged, and by which reign.
    pub fn acknowledged(&self) -> Option<(Moment, &Reign)> {
        match &self.outcome {
            Outcome::Acknowledged { at, reign, .. } => Some((*at, reign)),
            Outcome::Refused | Outcome::Unknown => None,
        }
    }

    /// How many replicas confirmed it.
    pub fn replicas(&self) -> u64 {
        match &self.outcome {
            Outcome::Acknowledged { replicas, .. } => replicas.unwrap_or_default(),
            Outcome::Refused | Outcome::Unknown => 0,
        }
    }
}

/// An instance was seen to hold a term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Which life of which instance.
    pub instance: String,
    /// The term.
    pub term: u64,
    /// When it was seen.
    pub at: Moment,
}

/// Something that happened to the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// What.
    pub what: String,
    /// Since when.
    pub from: Moment,
    /// When it was healed.
    pub until: Option<Moment>,
    /// Whether it was a planned switchover, which may lose nothing.
    pub planned: bool,
}

/// What a key held at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A register; nothing if there is no such key.
    Register(Option<u64>),
    /// A set.
    Set(BTreeSet<u64>),
    /// A list.
    List(Vec<u64>),
}

impl Content {
    /// All values in it.
    pub fn values(&self) -> Vec<u64> {
        match self {
            Self::Register(value) => value.iter().copied().collect(),
            Self::Set(values) => values.iter().copied().collect(),
            Self::List(values) => values.clone(),
        }
    }
}

/// Everything that happened, and what was left of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The writes, in the order in which they were sent.
    pub writes: Vec<Write>,
    /// Claims of terms.
    pub claims: Vec<Claim>,
    /// What happened to the servers.
    pub disturbances: Vec<Disturbance>,
    /// What the keys held after everything was healed. A key that is missing held nothing.
    pub contents: BTreeMap<String, Content>,
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Display for Reign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: &str| id.chars().take(8).collect::<String>();
        write!(formatter, "server {} history {}", short(&self.server), short(&self.replication))
    }
}

impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, key, value, invoked, .. } = self;
        write!(formatter, "{invoked} client {client} writes {value} to {key}: ")?;
        match &self.outcome {
            Outcome::Acknowledged { at, reign, replicas } => {
                write!(formatter, "acknowledged {at} by {reign}")?;
                replicas.map_or(Ok(()), |count| write!(formatter, ", WAIT {count}"))
            }
            Outcome::Refused => formatter.write_str("refused"),
            Outcome::Unknown => formatter.write_str("no answer"),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} holds term {}", self.at, self.instance, self.term)
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.planned { "planned" } else { "fault" };
        write!(formatter, "{} {kind}: {}", self.from, self.what)?;
        self.until.map_or(Ok(()), |until| write!(formatter, ", until {until}"))
    }
}
