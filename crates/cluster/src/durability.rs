//! Quorum durability: how many instances have to have a write that is promised to survive, and which promise holds now.
//!
//! ```text
//!   spec.instances 3 ──▶ 5:  promise of 3 holds ── all 5 follow, with all that the primary had ──▶ promise of 5
//! ```
//!
//! Guarantees: while a cluster grows or shrinks, an election needs as many instances as the earlier promise asks for. A new
//! promise is made only when every instance has everything, and none is removed or replaced before the others have.
//! Clients who count on it read `status.durability`; what they wrote before they read it is not promised.

use crate::desired::Desired;
use crate::observed::Observed;
use valkeeper_api::valkey_cluster::DurabilityStatus;
use valkeeper_failover::{operator::Quorum, protocol::Role};

/// How many replicas confirm a promised write: with the primary, more than half of the instances have it.
fn acknowledgments(desired: &Desired) -> u32 {
    desired.instances() / 2
}

/// How many replicas a primary needs to accept writes.
pub(crate) fn replicas_to_write(desired: &Desired) -> Option<u32> {
    desired.spec.has_quorum().then(|| acknowledgments(desired))
}

/// What an election needs.
pub(crate) fn quorum(desired: &Desired) -> Option<Quorum> {
    let promised = desired.status.durability.unwrap_or_else(|| wanted(desired));
    let whole = |number: i32| usize::try_from(number).unwrap_or_default();
    let quorum = Quorum { members: whole(promised.members), holders: whole(promised.acknowledgments) + 1 };
    desired.spec.has_quorum().then_some(quorum)
}

/// The promise after this look.
pub(crate) fn next(desired: &Desired, observed: &Observed) -> Option<DurabilityStatus> {
    if !desired.spec.has_quorum() {
        return None;
    }
    if is_everywhere(desired, observed) { Some(wanted(desired)) } else { desired.status.durability }
}

fn wanted(desired: &Desired) -> DurabilityStatus {
    let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    DurabilityStatus { acknowledgments: whole(acknowledgments(desired)), members: whole(desired.instances()) }
}

/// What is waited for before an instance ends, so that it takes no promised write with it.
pub(crate) fn waits_for(desired: &Desired, observed: &Observed, ordinal: u32) -> Option<String> {
    let mut others = (0..desired.instances()).filter(|other| *other != ordinal);
    let needed = desired.spec.has_quorum() && !others.all(|other| has_all(desired, observed, other));
    let name = desired.instance(ordinal);
    needed.then(|| format!("Waiting until all others have every write that {name} may have confirmed."))
}

/// Whether the instances that there should be are all that there are, and each has everything.
fn is_everywhere(desired: &Desired, observed: &Observed) -> bool {
    let count = desired.instances();
    observed.pods.keys().copied().eq(0..count)
        && (0..count).all(|ordinal| has_all(desired, observed, ordinal))
}

/// Whether it has what the primary had in this look: if it was asked before the primary, it had that even earlier.
fn has_all(desired: &Desired, observed: &Observed, ordinal: u32) -> bool {
    let (Some((primary, leader)), Some(seen)) = (observed.primary(), observed.instances.get(&ordinal)) else {
        return false;
    };
    let follows = match &seen.status.role {
        Role::Replica(of) => of.as_str() == desired.instance(primary) && seen.status.synced,
        _ => false,
    };
    let complete = seen.status.position.is_some() && seen.status.position >= leader.status.position;
    ordinal == primary || follows && complete
}

/// Whether the primary accepts writes for as long as each of its replicas consents.
pub(crate) fn needs_every_replica(observed: &Observed) -> bool {
    observed.primary().is_some_and(|(_, primary)| primary.status.by_consent)
}
