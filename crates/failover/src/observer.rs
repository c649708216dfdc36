//! Notes what is observed of a cluster from one reading to the next, so that [`operator::decide`] sees for how
//! long a lease is unchanged, a manager silent and a cluster without a primary.
//!
//! Guarantees: durations are never longer than what this process has seen by its own clock, and begin again when
//! it starts. A lease counts as unchanged from the end of the first reading that showed it to the beginning of
//! the last; a write of it between the two readings shows in its version.
//!
//! Left to others: reading the lease before the statuses, sending the step.

use crate::{
    manager::Moment,
    operator::{self, Lease, Member, Policy, Step, View},
    protocol::{Identity, Name, Peer, Peers, Status, Term, Timing},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The lease as one reading shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseReading {
    /// Who holds it.
    pub holder: Option<Identity>,
    /// The term of its last holder.
    pub term: Term,
    /// Its version.
    pub version: u64,
    /// Those whose consent its holder may go on with.
    pub peers: Peers,
}

/// One instance as one reading shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberReading {
    /// What its manager answered; none if it did not.
    pub status: Option<Status>,
    /// The kubelet reports that this life of it has ended.
    pub ended: Option<Identity>,
    /// Its pod is being deleted, or about to be replaced.
    pub leaving: bool,
    /// Among equals, the highest becomes primary.
    pub preference: u8,
    /// Clients that want to write are directed to it.
    pub routed: bool,
}

/// Everything that one reading shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// When the reading of the lease began, and nothing of this was read yet.
    pub began: Moment,
    /// When all of it had been read.
    pub ended: Moment,
    /// The lease; none if there is no such object.
    pub lease: Option<LeaseReading>,
    /// All instances that the cluster should have, and those that are leaving it.
    pub members: BTreeMap<Name, MemberReading>,
    /// The highest term that the status of the cluster remembers.
    pub remembered: Term,
    /// Pods that have ended for good: no manager is started in them any more.
    pub gone: Peers,
}

/// What is remembered of one cluster between readings.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    lease: Option<(LeaseReading, Moment)>,
    heard: BTreeMap<Name, Moment>,
    /// When the last reading was complete.
    read: Option<Moment>,
    /// Pods that do not consent to this term any more, and since when that is known.
    refusals: (Term, BTreeMap<Peer, Moment>),
    vacant_since: Option<Moment>,
}

impl Observer {
    /// Notes a reading and decides by it.
    pub fn decide(&mut self, policy: &Policy, timing: &Timing, reading: Reading) -> (View, Step) {
        let view = self.view(policy, timing, reading);
        let step = operator::decide(policy, timing, &view);
        (view, step)
    }

    /// Notes a reading; answers what it means together with the earlier ones.
    pub fn view(&mut self, policy: &Policy, timing: &Timing, reading: Reading) -> View {
        let now = reading.ended;
        let lease = self.lease(&reading);
        // Silence is not measured while the operator cannot read.
        let gap = self.read.replace(now).map_or(Duration::ZERO, |last| reading.began.saturating_sub(last));
        if gap > policy.failover_after {
            self.heard.values_mut().for_each(|heard| *heard = (*heard + gap).min(now));
        }
        self.heard.retain(|name, _| reading.members.contains_key(name));
        let mut routed = BTreeSet::new();
        let mut members = BTreeMap::new();
        for (name, member) in reading.members {
            if member.routed {
                routed.insert(name.clone());
            }
            let silent_for = self.silence(&name, member.status.is_some(), now);
            let MemberReading { status, ended, leaving, preference, .. } = member;
            members.insert(name, Member { status, silent_for, ended, leaving, preference });
        }
        let remembered = reading.remembered;
        let (vacant_for, gone) = (Duration::ZERO, reading.gone);
        let mut view = View { lease, members, remembered, vacant_for, routed, gone };
        if operator::is_vacant(policy, timing, &view) {
            view.vacant_for = now.saturating_sub(*self.vacant_since.get_or_insert(now));
        } else {
            self.vacant_since = None;
        }
        view
    }

    fn lease(&mut self, reading: &Reading) -> Option<Lease> {
        let Some(read) = &reading.lease else {
            self.lease = None;
            return None;
        };
        let since = match &self.lease {
            Some((known, since)) if known == read => *since,
            _ => {
                self.lease = Some((read.clone(), reading.ended));
                reading.ended
            }
        };
        let LeaseReading { holder, term, version, peers } = read.clone();
        let unchanged_for = reading.began.saturating_sub(since);
        let refused_for = self.refusal(reading, term, &peers);
        Some(Lease { holder, term, version, peers, unchanged_for, refused_for })
    }

    /// For how long the first of the peers is known not to consent: a later term is on its disk, or its pod is no more.
    fn refusal(&mut self, reading: &Reading, term: Term, peers: &Peers) -> Duration {
        if self.refusals.0 != term {
            self.refusals = (term, BTreeMap::new());
        }
        let known = &mut self.refusals.1;
        for status in reading.members.values().filter_map(|member| member.status.as_ref()) {
            let peer = Peer::from(&status.identity);
            if status.stored > term {
                known.entry(peer).or_insert(reading.ended);
            } else {
                // It has lost what it stored.
                known.remove(&peer);
            }
        }
        for peer in &reading.gone {
            known.entry(peer.clone()).or_insert(reading.ended);
        }
        let since = peers.iter().filter_map(|peer| known.get(peer)).min();
        since.map_or(Duration::ZERO, |since| reading.began.saturating_sub(*since))
    }

    fn silence(&mut self, name: &Name, answers: bool, now: Moment) -> Duration {
        // One that was never heard is silent since it was first asked.
        let heard = self.heard.entry(name.clone()).or_insert(now);
        if answers {
            *heard = now;
        }
        now.saturating_sub(*heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn reading(began: u64, ended: u64, version: u64) -> Reading {
        let lease = LeaseReading { holder: None, term: Term(3), version, peers: Peers::new() };
        Reading {
            began: seconds(began),
            ended: seconds(ended),
            lease: Some(lease),
            members: BTreeMap::from([("a".into(), MemberReading::default())]),
            remembered: Term(3),
            gone: Peers::new(),
        }
    }

    fn policy() -> Policy {
        Policy {
            failover_after: seconds(5),
            drain: Duration::from_millis(500),
            quorum: None,
            without_missing: false,
            without_consent: None,
        }
    }

    #[test]
    fn lease_counts_as_unchanged_between_readings_only() {
        let mut observer = Observer::default();
        let mut unchanged = |reading| {
            let view = observer.view(&policy(), &Timing::default(), reading);
            view.lease.unwrap().unchanged_for
        };
        assert_eq!(unchanged(reading(0, 4, 1)), seconds(0));
        assert_eq!(unchanged(reading(6, 9, 1)), seconds(2));
        assert_eq!(unchanged(reading(19, 20, 1)), seconds(15));
        assert_eq!(unchanged(reading(21, 22, 2)), seconds(0));
        assert_eq!(unchanged(reading(23, 30, 2)), seconds(1));
    }

    #[test]
    fn lease_that_was_gone_is_seen_anew() {
        let mut observer = Observer::default();
        let mut view = |reading| observer.view(&policy(), &Timing::default(), reading);
        view(reading(0, 0, 1));
        assert_eq!(view(Reading { lease: None, ..reading(5, 5, 1) }).lease, None);
        assert_eq!(view(reading(20, 20, 1)).lease.unwrap().unchanged_for, seconds(0));
    }

    #[test]
    fn silence_and_vacancy_are_counted_from_the_first_reading() {
        let mut observer = Observer::default();
        let mut view = |reading| observer.view(&policy(), &Timing::default(), reading);
        let first = view(reading(100, 100, 1));
        assert_eq!((first.members[&"a".into()].silent_for, first.vacant_for), (seconds(0), seconds(0)));
        let later = view(reading(103, 104, 1));
        assert_eq!((later.members[&"a".into()].silent_for, later.vacant_for), (seconds(4), seconds(4)));
        // A holder that may accept writes ends the vacancy.
        let mut taken = reading(105, 105, 2);
        taken.lease.as_mut().unwrap().holder = Some(Identity { name: "a".into(), pod: "u".into(), boot: 1 });
        assert_eq!(view(taken).vacant_for, seconds(0));
        assert_eq!(view(reading(110, 110, 3)).vacant_for, seconds(0));
    }

    #[test]
    fn peer_refuses_with_a_later_term_stored_or_without_its_pod() {
        let status = |stored: u64| Status {
            identity: Identity { name: "a".into(), pod: "u".into(), boot: 1 },
            seen: Term(4),
            stored: Term(stored),
            ..crate::protocol::tests::status()
        };
        let refused = |readings: Vec<(u64, MemberReading, &str)>| {
            let mut observer = Observer::default();
            let seen = readings.into_iter().map(|(at, member, gone)| {
                let members = BTreeMap::from([("a".into(), member)]);
                let gone = crate::protocol::parse_peers(gone);
                let mut reading = Reading { members, gone, ..reading(at, at, 1) };
                reading.lease.as_mut().unwrap().peers = crate::protocol::parse_peers("a/u,b/v");
                observer.view(&policy(), &Timing::default(), reading).lease.unwrap().refused_for
            });
            seen.last().unwrap()
        };
        let answers = |stored| MemberReading { status: Some(status(stored)), ..MemberReading::default() };
        let silent = MemberReading::default;
        // It has seen a later term, which its next start may not know of.
        assert_eq!(refused(vec![(0, answers(3), ""), (20, answers(3), "")]), seconds(0));
        assert_eq!(refused(vec![(0, answers(4), ""), (20, silent(), "")]), seconds(20));
        assert_eq!(refused(vec![(0, silent(), "a/u"), (20, silent(), "")]), seconds(20));
        assert_eq!(refused(vec![(0, silent(), "a/another"), (20, silent(), "a/another")]), seconds(0));
        // What it stored is lost.
        assert_eq!(refused(vec![(0, answers(4), ""), (20, answers(3), ""), (40, silent(), "")]), seconds(0));
    }

    #[test]
    fn silence_is_not_counted_while_nothing_is_read() {
        let mut observer = Observer::default();
        let mut silence = |at| {
            let view = observer.view(&policy(), &Timing::default(), reading(at, at, 1));
            view.members[&"a".into()].silent_for
        };
        assert_eq!((silence(0), silence(4), silence(8)), (seconds(0), seconds(4), seconds(8)));
        assert_eq!((silence(60), silence(63)), (seconds(8), seconds(11)), "the API server was away");
    }
}
