//! The simulated world: virtual time, a queue of events, a network, the Lease, and what was recorded.
//!
//! Guarantees: everything that happens is decided by the seed; an event of a process that has ended is dropped,
//! and one of a process that stands still waits until it continues.

use crate::{instance::Pod, operator::OperatorProcess, record::Record};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use valkeeper_failover::{
    Identity, Name, Term,
    manager::{Effect, LeaseAnswer},
    protocol::{Peers, Timing},
};

/// What happens at a moment.
pub(crate) type Action = Box<dyn FnOnce(&mut World)>;

/// What is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// The operator does not wait for the term of a silent holder to end.
    NoWait,
    /// A server accepts writes as soon as it is started.
    BootAsPrimary,
    /// A manager takes the command to hold for its confirmation.
    FenceUnconfirmed,
    /// The API server does not compare versions.
    UnguardedLease,
    /// The operator does not wait for a peer that refuses.
    NoRefusal,
    /// A peer that does not answer counts as one that consents.
    SilenceIsConsent,
}

/// One end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Api,
    Operator,
    Pod(usize),
}

/// The Lease, as the API server stores it.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) holder: Option<Identity>,
    pub(crate) term: Term,
    pub(crate) version: u64,
    pub(crate) peers: Peers,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) mutation: Mutation,
    pub(crate) random: SmallRng,
    pub(crate) timing: Timing,
    /// Servers keep their data when they end.
    pub(crate) persists: bool,
    /// Primaries go on without the lease while their replicas consent.
    pub(crate) consent: bool,
    queue: BTreeMap<(Duration, u64), Action>,
    events: u64,
    pub(crate) lease: Option<Lease>,
    /// Requests to the API server fail.
    pub(crate) api_is_down: bool,
    /// Requests to the API server take so much longer.
    pub(crate) api_delay: Duration,
    cut: BTreeMap<(Place, Place), u32>,
    /// The version of the Lease whose holder and peers do not run, as a user has said.
    pub(crate) user_decided: Option<u64>,
    /// Of a hundred messages, so many are lost.
    pub(crate) loss: u32,
    /// All pods that ever were.
    pub(crate) pods: Vec<Pod>,
    /// The newest pod of each name.
    pub(crate) current: BTreeMap<Name, usize>,
    pub(crate) operators: Vec<OperatorProcess>,
    /// The pod to which clients are directed.
    pub(crate) routed: Option<usize>,
    /// The highest term that the status of the cluster remembers.
    pub(crate) remembered: Term,
    pub(crate) record: Record,
    /// How many writes were acknowledged.
    pub(crate) acknowledged: usize,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Mutation) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let persists = random.random_bool(0.5);
        let is_about_consent = [Mutation::NoRefusal, Mutation::SilenceIsConsent].contains(&mutation);
        let consent = random.random_bool(0.5) || is_about_consent;
        let mut timing = Timing::default();
        if random.random_bool(0.5) && !is_about_consent {
            // Otherwise, no schedule is long enough for it to matter.
            (timing.consent_limit, timing.consent_elapsed) =
                (Duration::from_secs(20), Duration::from_secs(30));
        }
        Self {
            now: Duration::ZERO,
            mutation,
            random,
            timing,
            persists,
            consent,
            queue: BTreeMap::new(),
            events: 0,
            lease: None,
            api_is_down: false,
            api_delay: Duration::ZERO,
            cut: BTreeMap::new(),
            user_decided: None,
            loss: 0,
            pods: Vec::new(),
            current: BTreeMap::new(),
            operators: Vec::new(),
            routed: None,
            remembered: Term(0),
            record: Record::default(),
            acknowledged: 0,
        }
    }

    /// Lets this happen after a delay.
    pub(crate) fn after(&mut self, delay: Duration, action: impl FnOnce(&mut Self) + 'static) {
        self.events += 1;
        self.queue.insert((self.now + delay, self.events), Box::new(action));
    }

    /// Goes on until this moment.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), action) = entry.remove_entry();
            self.now = at;
            action(self);
        }
        self.now = end;
    }

    /// A random time between two bounds, in milliseconds.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.random.random_range(from * 1_000..=to * 1_000))
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// How long a message takes from one place to another; none if it is lost.
    pub(crate) fn wire(&mut self, from: Place, to: Place) -> Option<Duration> {
        if self.is_cut(from, to) || self.chance(self.loss) {
            return None;
        }
        let delay = match self.random.random_range(0..100) {
            0 => self.millis(100, 3_000),
            1..5 => self.millis(10, 100),
            _ => self.millis(1, 5),
        };
        Some(if from == Place::Api || to == Place::Api { delay + self.api_delay / 2 } else { delay })
    }

    pub(crate) fn is_cut(&self, from: Place, to: Place) -> bool {
        self.cut.contains_key(&(from, to))
    }

    /// Cuts a wire in both directions, or joins it. Cuts add up.
    pub(crate) fn cut(&mut self, one: Place, other: Place, cut: bool) {
        for wire in [(one, other), (other, one)] {
            let count = self.cut.entry(wire).or_default();
            *count = if cut { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.cut.remove(&wire);
            }
        }
    }

    pub(crate) fn heal_wires(&mut self) {
        self.cut.clear();
        (self.loss, self.api_is_down, self.api_delay) = (0, false, Duration::ZERO);
    }

    /// What the API server does with a request for the Lease.
    pub(crate) fn serve(&mut self, effect: &Effect) -> LeaseAnswer {
        let Some(lease) = &mut self.lease else { return LeaseAnswer::Unknown };
        let Effect::WriteLease { version, term, holder, peers, .. } = effect else {
            let Lease { holder, term, version, .. } = lease.clone();
            return LeaseAnswer::Read { holder, term, version };
        };
        if *version != lease.version && self.mutation != Mutation::UnguardedLease {
            return LeaseAnswer::Conflict;
        }
        let (version, peers) = (lease.version + 1, peers.clone());
        *lease = Lease { holder: holder.clone(), term: *term, version, peers };
        let version = lease.version;
        if let Some(holder) = holder {
            self.record.claim(self.now, holder, *term);
        }
        LeaseAnswer::Written { version }
    }

    /// The pods that are the newest of their names.
    pub(crate) fn newest(&self) -> BTreeSet<usize> {
        self.current.values().copied().collect()
    }
}
