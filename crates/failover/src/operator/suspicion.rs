//! Next step while the holder may accept writes: ask it to stop, and send its peers a later term.

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
    // A peer must stop consenting, whatever its server does: send it the later term until it has seen it.
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
