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
    protocol::{Identity, Name, Status, Term, Timing},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// The lease as one reading shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseReading {
    /// Who holds it.
    pub holder: Option<Identity>,
    /// The term of its last holder.
    pub term: Term,
    /// Its version.
    pub version: u64,
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
}

/// What is remembered of one cluster between readings.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    lease: Option<(LeaseReading, Moment)>,
    heard: BTreeMap<Name, Moment>,
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
        let mut view = View { lease, members, remembered, vacant_for: Duration::ZERO, routed };
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
        let LeaseReading { holder, term, version } = read.clone();
        Some(Lease { holder, term, version, unchanged_for: reading.began.saturating_sub(since) })
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
        let lease = LeaseReading { holder: None, term: Term(3), version };
        Reading {
            began: seconds(began),
            ended: seconds(ended),
            lease: Some(lease),
            members: BTreeMap::from([("a".into(), MemberReading::default())]),
            remembered: Term(3),
        }
    }

    fn policy() -> Policy {
        Policy {
            failover_after: seconds(5),
            drain: Duration::from_millis(500),
            quorum: None,
            without_missing: false,
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
}
