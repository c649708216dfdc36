//! What to do while no instance accepts writes: let replicas take in what was sent to them, hold all, elect, promote.
//!
//! Guarantees: one that has all that the last primary wrote is promoted, if there is one that answers. Without it, the
//! one that has most, and only when those that do not answer cannot have what is promised.

use super::{Lease, Member, Policy, Step, View, Wait, at, is_held_for};
use crate::{
    election::{Candidate, elect},
    protocol::{Name, Position, Role, Status, Term},
};

/// No instance accepts writes, and none can begin to without the lease.
pub(super) fn vacant(policy: &Policy, view: &View, lease: &Lease, next: Term) -> Step {
    let mark = mark(view, lease);
    // One that has everything is enough; the others follow it from wherever they are.
    if let Some(name) = mark.and_then(|mark| successor(view, lease, next, mark)) {
        let held = view.members.get(name).and_then(|member| member.status.as_ref());
        return match held.filter(|status| is_held_for(status, next)) {
            Some(_) => Step::Promote(name.clone(), next, lease.version),
            None => Step::Hold(name.clone(), next),
        };
    }
    for (name, member) in &view.members {
        let Some(status) = &member.status else { continue };
        if is_held_for(status, next) {
            continue;
        }
        if status.role == Role::Changing {
            // One that cannot leave its state, such as a server that does not start, must not hold up everybody.
            if view.vacant_for < policy.failover_after {
                return Step::Wait(Wait::Change(name.clone()));
            }
            continue;
        }
        // What lies in its socket is applied; a predecessor that answers says how far that goes, and one
        // successor that has come so far is enough.
        let complete = mark.is_some_and(|mark| at(status) >= mark || has_reached(view, mark));
        if status.streaming && !complete && view.vacant_for < policy.drain {
            return Step::Wait(Wait::Drain(name.clone()));
        }
        return Step::Hold(name.clone(), next);
    }
    election(policy, view, lease, next)
}

/// How far the last term went, as its primary says that is held now. A replica that is held already says nothing:
/// others may have more in their sockets. Nor does a server that was started again: its disk may be behind.
fn mark(view: &View, lease: &Lease) -> Option<Position> {
    let members = view.members.iter().filter(|(name, _)| was_primary(view, lease, name));
    let statuses = members.filter_map(|(_, member)| member.status.as_ref());
    let held = statuses.filter(|status| status.role == Role::Held && status.live);
    held.map(at).filter(|at| at.term == lease.term).max()
}

fn was_primary(view: &View, lease: &Lease, name: &Name) -> bool {
    match &lease.holder {
        Some(holder) => holder.name == *name,
        None => view.routed.contains(name),
    }
}

/// The member that is to be promoted because it is to stay and has all that the primary wrote, which is held. Not the
/// primary itself: its replicas would go on in a term that they do not know.
fn successor<'view>(view: &'view View, lease: &Lease, next: Term, mark: Position) -> Option<&'view Name> {
    let complete = view.members.iter().filter_map(|(name, member)| {
        let status = member.status.as_ref().filter(|status| status.position.is_some_and(|at| at >= mark))?;
        let is_ready = matches!(status.role, Role::Held | Role::Replica(_)) && !status.stopping;
        let stays = !member.is_leaving() && !was_primary(view, lease, name);
        let preference = (is_held_for(status, next), member.preference);
        (is_ready && stays).then_some((preference, std::cmp::Reverse(name), name))
    });
    complete.max().map(|(.., name)| name)
}

/// Whether one that is to stay has all that the predecessor wrote: not the predecessor alone.
fn has_reached(view: &View, mark: Position) -> bool {
    let reached = |member: &&Member| {
        member.status.as_ref().and_then(|status| status.position).is_some_and(|position| position >= mark)
    };
    let members: Vec<_> = view.members.values().filter(reached).collect();
    members.len() > 1 && members.iter().any(|member| !member.is_leaving())
}

fn election(policy: &Policy, view: &View, lease: &Lease, next: Term) -> Step {
    let mut candidates = Vec::new();
    let mut missing = Vec::new();
    let mut ending = None;
    for (name, member) in &view.members {
        let held = member.status.as_ref().filter(|status| is_held_for(status, next));
        match held.and_then(|status| status.position) {
            // It refuses, and comes back with what it has, or is missed when it has ended.
            Some(position) if held.is_some_and(|status| status.stopping) => {
                ending = ending.max(Some(position));
            }
            Some(position) => {
                let preference = if member.is_leaving() { 0 } else { member.preference.saturating_add(1) };
                candidates.push(Candidate { name: name.clone(), position, preference });
            }
            None => missing.push(name.clone()),
        }
    }
    let statuses = || view.members.values().filter_map(|member| member.status.as_ref());
    let held = || statuses().filter(|status| status.live && is_held_for(status, next));
    let knows_the_last_reign = |status: &Status| knows(status, lease) == lease.term && lease.term > Term(0);
    // One that was started again may have had what it no longer has, so it is no elector.
    let electors = held().filter(|status| status.position.is_some()).count();
    let is_met = policy.quorum.is_none_or(|quorum| quorum.is_met(electors, view.members.len()));
    let enough = is_met && held().any(knows_the_last_reign);
    let is_decided = policy.without_missing || policy.without_consent == Some(lease.version);
    if !missing.is_empty() && !enough && !is_decided {
        return Step::Wait(Wait::Missing(missing));
    }
    match elect(&candidates).filter(|best| Some(best.position) >= ending) {
        Some(best) => Step::Promote(best.name.clone(), next, lease.version),
        None => Step::Wait(Wait::Candidates),
    }
}

/// The term whose writes a member has all of. Whoever holds the lease has those of its term, if there were any: it may
/// have been held before it accepted writes, and then no data names the term. That says nothing about the
/// writes of earlier terms, so it is no claim in an election.
fn knows(status: &Status, lease: &Lease) -> Term {
    let holds = lease.holder.as_ref() == Some(&status.identity) && status.position.is_some();
    if holds { at(status).term.max(lease.term) } else { at(status).term }
}
