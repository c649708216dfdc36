//! What the operator may see in the tables.

use crate::*;
use valkeeper_failover::protocol::Peers;

pub(crate) fn policy() -> Policy {
    Policy {
        failover_after: Duration::from_secs(5),
        drain: Duration::from_millis(500),
        quorum: None,
        without_missing: false,
        without_consent: None,
    }
}

/// A member that answers.
pub(crate) fn member(name: &str, role: Role, seen: u64, term: u64, offset: u64) -> (Name, Member) {
    let status = Status {
        identity: identity(name, 1),
        seen: Term(seen),
        position: Some(Position { term: Term(term), offset }),
        live: true,
        streaming: matches!(role, Role::Replica(_)),
        synced: matches!(role, Role::Replica(_)),
        leaving: false,
        stopping: false,
        restarted: false,
        misrouted: false,
        stored: Term(seen),
        by_consent: false,
        role,
    };
    (name.into(), Member { status: Some(status), preference: 1, ..Member::default() })
}

pub(crate) fn silent(name: &str, seconds: u64) -> (Name, Member) {
    (name.into(), Member { silent_for: Duration::from_secs(seconds), ..Member::default() })
}

pub(crate) fn view(holder: Option<&str>, unchanged: u64, members: Vec<(Name, Member)>) -> View {
    let lease = Lease {
        holder: holder.map(|name| identity(name, 1)),
        term: Term(7),
        version: 70,
        peers: Peers::new(),
        refused_for: Duration::ZERO,
        unchanged_for: Duration::from_secs(unchanged),
    };
    View {
        lease: Some(lease),
        members: members.into_iter().collect(),
        remembered: Term(7),
        vacant_for: Duration::ZERO,
        routed: holder.map(Name::from).into_iter().collect(),
        gone: Peers::new(),
    }
}

pub(crate) fn decided(view: &View) -> Step {
    decide(&policy(), &Timing::default(), view)
}

pub(crate) fn replica(name: &str, offset: u64) -> (Name, Member) {
    member(name, Role::Replica("a".into()), 7, 7, offset)
}

pub(crate) fn primary() -> (Name, Member) {
    member("a", Role::Primary(Term(7)), 7, 7, 100)
}
