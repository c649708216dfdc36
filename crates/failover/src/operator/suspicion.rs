//! What to do while the holder of the lease may accept writes and is not trusted: it is asked to stop, and those that it may
//! go on with are told of a later term.

use super::{Lease, Step, View, Wait, is_held_for, others};
use crate::protocol::{Identity, Peer, Role, Term, Timing};
use std::time::Duration;

/// The holder may accept writes: it is asked to stop, and its replicas are left to it until it must have.
pub(super) fn suspect(timing: &Timing, view: &View, lease: &Lease, next: Term, holder: &Identity) -> Step {
    let member = view.members.get(&holder.name);
    let status = member.and_then(|member| member.status.as_ref());
    if let Some(status) = status.filter(|status| status.identity == *holder)
        && status.role != Role::Changing
    {
        return Step::Hold(holder.name.clone(), next);
    }
    if lease.unchanged_for < timing.hard_deadline {
        return Step::Wait(Wait::Term);
    }
    // One that consents must not any more, whatever its server does: it is told as long as it has not heard of a later term.
    for (name, member) in others(view, &holder.name) {
        if let Some(status) = &member.status
            && lease.peers.contains(&Peer::from(&status.identity))
            && status.seen <= lease.term
        {
            return Step::Hold(name.clone(), next);
        }
    }
    // Its own deadline has passed, so its replicas can be prepared while the rest of the duration passes.
    for (name, member) in others(view, &holder.name) {
        if let Some(status) = &member.status
            && !is_held_for(status, next)
            && status.role != Role::Changing
        {
            return Step::Hold(name.clone(), next);
        }
    }
    let is_waiting = lease.unchanged_for >= timing.lease_duration && lease.refused_for == Duration::ZERO;
    if is_waiting && !lease.peers.is_empty() {
        return Step::Wait(Wait::Consent(lease.peers.iter().map(|peer| peer.name.clone()).collect()));
    }
    Step::Wait(Wait::Term)
}
