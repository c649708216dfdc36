//! The answer of `ROLE`, which is shorter than `INFO` and answered while a server loads. Pure.

use crate::resp::Value;

/// The role that a server reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleAnswer {
    /// It accepts writes.
    Primary {
        /// Its replication offset.
        offset: u64,
        /// How many replicas are attached.
        replicas: usize,
    },
    /// It follows another server, or tries to.
    Replica {
        /// Host of its primary.
        host: String,
        /// Port of its primary.
        port: u16,
        /// `connect`, `connecting`, `sync` or `connected`; another word in another version.
        link: String,
        /// How far it has come; none before its first synchronization.
        offset: Option<u64>,
    },
    /// Something else, such as a Sentinel.
    Other(String),
}

impl RoleAnswer {
    /// Reads an answer; none if it is not one of `ROLE`.
    pub fn parse(answer: &Value) -> Option<Self> {
        let elements = answer.elements();
        let text = |at: usize| elements.get(at).and_then(Value::text);
        let number = |at: usize| elements.get(at).and_then(Value::integer);
        Some(match text(0)?.as_str() {
            "master" | "primary" => Self::Primary {
                offset: number(1).and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0),
                replicas: elements.get(2).map_or(0, |replicas| replicas.elements().len()),
            },
            "slave" | "replica" => Self::Replica {
                host: text(1).unwrap_or_default(),
                port: number(2).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
                link: text(3).unwrap_or_default(),
                offset: number(4).and_then(|offset| u64::try_from(offset).ok()),
            },
            other => Self::Other(other.to_owned()),
        })
    }
}
