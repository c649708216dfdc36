//! The cluster as the failover protocol sees it: which instances count, which of them are leaving, and to which of them
//! clients are directed.

use crate::desired::Desired;
use crate::durability;
use crate::names;
use crate::observed::{LeaseSeen, Observed};
use crate::pod_seen::PodSeen;
use crate::rollout;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use valkeeper_failover::{
    Identity, Name, Term,
    manager::Moment,
    observer::{MemberReading, Reading},
    operator::Policy,
};

/// How long replicas may take in what lies in their sockets.
const DRAIN: Duration = Duration::from_millis(500);

/// How patient the operator is with this cluster.
pub fn policy(desired: &Desired) -> Policy {
    let decided = desired.without_missing.as_ref().and_then(|term| term.parse().ok());
    Policy {
        failover_after: desired.failover_after(),
        drain: DRAIN,
        quorum: durability::quorum(desired),
        without_missing: decided == Some(desired.remembered().0),
        without_consent: desired.without_missing.as_deref().and_then(decided_lease),
    }
}

/// The version of the Lease in `TERM/VERSION`: a user confirms that its holder does not run.
fn decided_lease(decision: &str) -> Option<u64> {
    decision.split_once('/')?.1.parse().ok()
}

/// What was observed between these moments, for the protocol; none without a Lease.
pub fn reading(desired: &Desired, observed: &Observed, began: Moment, ended: Moment) -> Option<Reading> {
    let LeaseSeen::Present(lease) = &observed.lease else { return None };
    let leaving = leaving(desired, observed);
    let mut members = BTreeMap::new();
    for ordinal in ordinals(desired, observed, lease.term) {
        let pod = observed.pods.get(&ordinal);
        let status = observed.instances.get(&ordinal).map(|instance| instance.status.clone());
        let name: Name = desired.instance(ordinal).as_str().into();
        let member = MemberReading {
            status,
            ended: pod.and_then(|pod| ended_life(&name, pod)),
            leaving: leaving.contains(&ordinal),
            preference: preference(desired, pod),
            routed: pod.is_some_and(|pod| pod.role.as_deref() == Some(names::PRIMARY)),
        };
        members.insert(name, member);
    }
    let (remembered, gone) = (desired.remembered(), observed.gone.clone());
    Some(Reading { began, ended, lease: Some(lease.clone()), members, remembered, gone })
}

/// Instances that should be there, and those that still are. One that never had data is not missed.
fn ordinals(desired: &Desired, observed: &Observed, term: Term) -> BTreeSet<u32> {
    let wanted = (0..desired.instances()).chain(observed.pods.keys().copied());
    let wanted = wanted.chain(retained(desired, observed));
    let never_reigned = term == Term(0) && desired.remembered() == Term(0);
    let is_new = |ordinal: &u32| {
        let claim = observed.claims.get(ordinal);
        let unstarted = observed.pods.get(ordinal).is_none_or(|pod| pod.unstarted);
        unstarted && claim.is_none_or(|claim| claim.created >= desired.created)
    };
    wanted.filter(|ordinal| !(never_reigned && is_new(ordinal))).collect()
}

/// Instances beyond those that are declared whose volumes may have the latest data: servers were not there when fewer were
/// asked for.
pub(crate) fn retained(desired: &Desired, observed: &Observed) -> impl Iterator<Item = u32> {
    let never_reigned = desired.remembered() == Term(0);
    let before = match desired.status.members.and_then(|count| u32::try_from(count).ok()) {
        Some(count) => count,
        None if never_reigned => 0,
        // By an operator that did not note it.
        None => u32::MAX,
    };
    let may_have =
        move |ordinal: u32, created: i64| ordinal < before || never_reigned && created < desired.created;
    let beyond = observed.claims.range(desired.instances()..);
    beyond.filter(move |(ordinal, claim)| may_have(**ordinal, claim.created)).map(|(ordinal, _)| *ordinal)
}

/// Whether instances but the first have volumes of an earlier cluster of this name.
pub(crate) fn has_earlier_volumes(desired: &Desired, observed: &Observed) -> bool {
    observed.claims.range(1..).any(|(_, claim)| claim.created < desired.created)
}

/// How many instances there are while there is a primary, for later.
pub(crate) fn counted(desired: &Desired, observed: &Observed) -> Option<i32> {
    let highest = observed.pods.keys().next_back().filter(|_| desired.is_powered());
    let count = highest.and_then(|highest| i32::try_from(highest + 1).ok());
    observed.primary().and(count).or(desired.status.members)
}

/// All lives of a pod whose container does not run have ended: a later one would have to be promoted again.
fn ended_life(name: &Name, pod: &PodSeen) -> Option<Identity> {
    let life = || Identity { name: name.clone(), pod: pod.uid.as_str().into(), boot: u64::MAX };
    (pod.ended && !pod.unstarted).then(life)
}

fn preference(desired: &Desired, pod: Option<&PodSeen>) -> u8 {
    let Some(pod) = pod else { return 0 };
    u8::from(pod.ready) + 2 * u8::from(pod.revision == crate::pod::revision(desired))
}

/// Instances that should not be primary for long.
fn leaving(desired: &Desired, observed: &Observed) -> BTreeSet<u32> {
    let mut leaving: BTreeSet<u32> = observed
        .pods
        .iter()
        .filter(|(ordinal, pod)| pod.deleting || **ordinal >= desired.instances())
        .map(|(ordinal, _)| *ordinal)
        .collect();
    leaving.extend(rollout::primary_to_replace(desired, observed));
    leaving
}
