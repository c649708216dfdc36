//! The operator's side: which verb to send next so that a cluster has exactly one primary.
//!
//! ```text
//!              ┌────────────── holder answers as primary ──────────────▶ Serving: others follow
//!   lease ─────┤ no holder · holder held for the next term · holder dead
//!              │        · unchanged for its whole duration ────────────▶ Vacant: drain, hold, elect, promote
//!              └── anything else ───────────────────────────────────────▶ Suspect: ask it to yield, wait
//! ```
//!
//! Every verb is safe to lose and to repeat: the decision is made again from what is observed.
//!
//! A holder that cannot renew may go on by consent of the peers that its lease names. For it to be over, one of them has to
//! refuse as well, for as long as a term may last: it has a later term on its disk, or its pod has ended for good.
//!
//! Architecture invariant: a holder counts as held only if it has seen a later term than that of its lease. It
//! refuses that lease's term from then on, so the order in which lease and statuses are read does not matter.

mod suspicion;
mod vacancy;

use crate::protocol::{Identity, Name, Peer, Peers, Position, Role, Status, Term, Timing};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The cluster's Lease as last read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Who holds it.
    pub holder: Option<Identity>,
    /// The term of its last holder.
    pub term: Term,
    /// Its version.
    pub version: u64,
    /// Those whose consent its holder may go on with.
    pub peers: Peers,
    /// For how long this process has seen that version.
    pub unchanged_for: Duration,
    /// For how long this process has known that one of the peers does not consent: it has a later term on its disk, or is no
    /// more. Zero if it knows of none.
    pub refused_for: Duration,
}

impl Lease {
    /// Whether its holder must have stopped, though nothing is known of it.
    fn has_elapsed(&self, policy: &Policy, timing: &Timing) -> bool {
        let is_refused = self.peers.is_empty() || self.refused_for >= timing.lease_duration;
        let is_decided = policy.without_consent == Some(self.version);
        let is_over = is_refused || is_decided || self.unchanged_for >= timing.consent_elapsed;
        self.unchanged_for >= timing.lease_duration && is_over
    }
}

/// One instance as last observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Member {
    /// What its manager answered, in this observation.
    pub status: Option<Status>,
    /// For how long its manager has not answered.
    pub silent_for: Duration,
    /// The kubelet reports that this life of it has ended.
    pub ended: Option<Identity>,
    /// It should not be primary for long: its pod is being deleted, or about to be replaced.
    pub leaving: bool,
    /// Among equals, the highest becomes primary.
    pub preference: u8,
}

impl Member {
    fn is_leaving(&self) -> bool {
        self.leaving || self.status.as_ref().is_some_and(|status| status.leaving)
    }
}

/// What the operator sees of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The lease; none if there is no such object.
    pub lease: Option<Lease>,
    /// All instances that the cluster should have, and those that are leaving it.
    pub members: BTreeMap<Name, Member>,
    /// The highest term that the status of the cluster remembers.
    pub remembered: Term,
    /// For how long this process has seen that nobody accepts writes.
    pub vacant_for: Duration,
    /// The instances to which clients that want to write are directed.
    pub routed: BTreeSet<Name>,
    /// Pods that have ended for good: no manager is started in them any more.
    pub gone: Peers,
}

/// How patient the operator is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// For how long a primary is silent before it is suspected.
    pub failover_after: Duration,
    /// For how long replicas may take in what their sockets hold.
    pub drain: Duration,
    /// With quorum durability, how many instances have each write that is promised to survive.
    pub quorum: Option<Quorum>,
    /// A user has decided that missing instances are not waited for.
    pub without_missing: bool,
    /// A user knows that the holder of the lease of this version does not run. The next renewal voids it.
    pub without_consent: Option<u64>,
}

/// A write that `holders` of `members` instances have survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    /// How many instances there were when the promise was made; there may be more by now.
    pub members: usize,
    /// How many of them have a promised write, the primary among them.
    pub holders: usize,
}

impl Quorum {
    /// Whether every set of holders has one of so many electors.
    fn is_met(self, electors: usize, members: usize) -> bool {
        electors + self.holders > self.members.max(members)
    }
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Create the lease, without a holder, with this term.
    CreateLease(Term),
    /// Ask an instance to stop what it does for the sake of this coming term.
    Hold(Name, Term),
    /// Ask an instance to take the lease of this version with this term.
    Promote(Name, Term, u64),
    /// Direct clients that want to write to this instance, and to no other.
    Route(Name, Term),
    /// Ask an instance to disconnect its clients, which are to find the primary of this term.
    Kick(Name, Term),
    /// Ask an instance to follow the primary of this term.
    Follow(Name, Name, Term),
    /// Observe again soon; why nothing can be done now.
    Wait(Wait),
    /// One primary, and everybody who answers follows it.
    Settled(Name, Term),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// The holder may still accept writes.
    Term,
    /// The holder may accept writes for as long as these consent, and none of them is known not to.
    Consent(Vec<Name>),
    /// An instance changes its role.
    Change(Name),
    /// Replicas take in what was already sent to them.
    Drain(Name),
    /// These may know more than those that answer.
    Missing(Vec<Name>),
    /// Nobody can be elected: every instance is loading, copying, or silent.
    Candidates,
    /// The lease has a smaller term than was seen before.
    LeaseWentBack(Term),
}

/// Decides what to do for a cluster.
pub fn decide(policy: &Policy, timing: &Timing, view: &View) -> Step {
    let seen = highest_seen(view);
    let Some(lease) = &view.lease else { return Step::CreateLease(seen) };
    if lease.term < view.remembered {
        return Step::Wait(Wait::LeaseWentBack(view.remembered));
    }
    let next = lease.term.next().max(seen);
    match reign(policy, timing, view, lease, next) {
        Reign::Serving(primary) => serving(view, lease, next, primary),
        Reign::Suspect(holder) => suspicion::suspect(timing, view, lease, next, &holder),
        Reign::Vacant => vacancy::vacant(policy, view, lease, next),
    }
}

/// Whether nobody accepts writes, and nobody can begin to without the lease.
pub fn is_vacant(policy: &Policy, timing: &Timing, view: &View) -> bool {
    let Some(lease) = &view.lease else { return true };
    matches!(reign(policy, timing, view, lease, lease.term.next().max(highest_seen(view))), Reign::Vacant)
}

enum Reign<'view> {
    Serving(&'view Name),
    Suspect(Identity),
    Vacant,
}

fn reign<'view>(
    policy: &Policy,
    timing: &Timing,
    view: &'view View,
    lease: &'view Lease,
    next: Term,
) -> Reign<'view> {
    let Some(holder) = &lease.holder else { return Reign::Vacant };
    let member = view.members.get(&holder.name);
    let status = member.and_then(|member| member.status.as_ref());
    if let Some(status) = status {
        if holder.is_succeeded_by(&status.identity) {
            return Reign::Vacant;
        }
        if status.identity == *holder {
            let held = status.role == Role::Held && status.seen >= next;
            return match status.role {
                _ if held => Reign::Vacant,
                // A lease that names peers may be unchanged for longer: they have consented, or it was renewed after it was read.
                Role::Primary(term)
                    if term == lease.term
                        && (!lease.peers.is_empty() || lease.unchanged_for < timing.lease_duration) =>
                {
                    Reign::Serving(&holder.name)
                }
                _ => Reign::Suspect(holder.clone()),
            };
        }
    }
    let ended = member.and_then(|member| member.ended.as_ref());
    let is_over = ended == Some(holder)
        || ended.is_some_and(|ended| holder.is_succeeded_by(ended))
        || view.gone.contains(&Peer::from(holder));
    if is_over || lease.has_elapsed(policy, timing) {
        return Reign::Vacant;
    }
    let patient = member.is_some_and(|member| member.silent_for < policy.failover_after);
    if patient && status.is_none() { Reign::Serving(&holder.name) } else { Reign::Suspect(holder.clone()) }
}

/// There is a primary: whoever answers and does not follow it, should; one that is leaving hands over.
fn serving(view: &View, lease: &Lease, next: Term, primary: &Name) -> Step {
    let status = view.members.get(primary).and_then(|member| member.status.as_ref());
    // Without the API, no other may take the lease: one that has to stop does, and others wait.
    let by_consent = status.is_some_and(|status| status.by_consent);
    let leaving = match status {
        Some(status) if by_consent => status.leaving,
        _ => view.members.get(primary).is_some_and(Member::is_leaving),
    };
    let answers = view.members.get(primary).is_some_and(|member| member.status.is_some());
    if leaving && answers && has_successor(view, primary, lease.term) {
        return Step::Hold(primary.clone(), next);
    }
    // Prepared for a term that nobody took: they refuse to go back to this one, so another is begun.
    let is_named = |status: &Status| lease.peers.contains(&Peer::from(&status.identity));
    let ahead = |member: &Member| {
        let status = member.status.as_ref().filter(|status| !by_consent || is_named(status));
        status.is_some_and(|status| status.seen > lease.term)
    };
    if answers && others(view, primary).any(|(_, member)| ahead(member)) {
        return Step::Hold(primary.clone(), next);
    }
    if answers && view.routed.iter().ne([primary]) {
        return Step::Route(primary.clone(), lease.term);
    }
    // Only now: clients that reconnect earlier come back to the same server, and stay there.
    for (name, member) in others(view, primary) {
        let misrouted = |status: &Status| status.misrouted && status.role != Role::Changing;
        if answers && member.status.as_ref().is_some_and(misrouted) {
            return Step::Kick(name.clone(), lease.term);
        }
    }
    for (name, member) in others(view, primary) {
        let Some(status) = &member.status else { continue };
        let follows = status.role == Role::Replica(primary.clone()) && status.seen >= lease.term;
        if answers && !follows && status.role != Role::Changing {
            return Step::Follow(name.clone(), primary.clone(), lease.term);
        }
    }
    Step::Settled(primary.clone(), lease.term)
}

fn has_successor(view: &View, primary: &Name, term: Term) -> bool {
    others(view, primary).any(|(_, member)| {
        !member.is_leaving()
            && member.status.as_ref().is_some_and(|status| status.synced && at(status).term == term)
    })
}

fn is_held_for(status: &Status, next: Term) -> bool {
    status.role == Role::Held && status.seen >= next && !status.restarted
}

fn at(status: &Status) -> Position {
    status.position.unwrap_or_default()
}

fn others<'view>(
    view: &'view View,
    primary: &'view Name,
) -> impl Iterator<Item = (&'view Name, &'view Member)> {
    view.members.iter().filter(move |(name, _)| *name != primary)
}

fn highest_seen(view: &View) -> Term {
    let seen = view.members.values().filter_map(|member| member.status.as_ref()).map(|status| status.seen);
    seen.max().unwrap_or_default().max(view.remembered)
}
