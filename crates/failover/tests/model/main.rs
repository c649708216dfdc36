//! The protocol, explored exhaustively: an operator that crashes and stands still, two or three managers that
//! freeze and restart, servers that end, verbs and lease requests that are lost, late or repeated, and an
//! operator's clock that runs up to twice as fast as the managers'; with and without consent of peers. Every state within the bounds is visited once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod bounds;
mod decisions;
mod explore;
mod moves;
mod peers;
mod world;

use bounds::{Bounds, Disk, Durability, Mutation, POLICY, policy, timing};
use explore::{run, run_after_a_return, run_with_consent, run_with_quorum};
use moves::successors;
use peers::peer;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    hash::Hash,
    time::Duration,
};
use valkeeper_failover::{
    Identity, Name, Position, Term,
    manager::{Command, ConsentAnswer, Effect, Input, LeaseAnswer, Manager},
    observer::LeaseReading,
    operator::{self, Lease, Member, Policy, Step, View},
    protocol::{Peer, Peers, Role, Status},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Server {
    alive: bool,
    writable: bool,
    queue: VecDeque<(u64, Command)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pod {
    manager: Manager,
    server: Server,
    frozen: bool,
    /// Nothing that it asks of the API server arrives.
    cut: bool,
    /// Nothing that the operator asks of it arrives.
    deaf: bool,
    /// The term whose primary began the history of its data; 0 without data.
    history: Term,
    /// The writes that it has, one bit each.
    data: u64,
    /// History and data on its disk, which lack what came last.
    saved: (Term, u64),
    /// The writes that lie in its socket.
    incoming: u64,
    follows: Option<usize>,
    /// The stream from its primary has begun, after the link came up.
    begun: bool,
    /// It reached its data in this life of its server.
    live: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Verb {
    Hold(usize, Term),
    Promote(usize, Term, u64),
    Follow(usize, usize, Term),
    /// Directs clients; takes effect at once.
    Route(usize, Term),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    from: usize,
    boot: u64,
    effect: Effect,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Response {
    to: usize,
    boot: u64,
    request: u64,
    answer: LeaseAnswer,
}

/// A primary asks its peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    from: usize,
    boot: u64,
    request: u64,
    term: Term,
    waits_for: BTreeSet<usize>,
    answer: ConsentAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    holder: Option<Identity>,
    term: Term,
    version: u64,
    peers: Peers,
    pods: Vec<Pod>,
    verbs: Vec<Verb>,
    requests: Vec<Request>,
    responses: Vec<Response>,
    questions: Vec<Question>,
    /// What the operator has read last, and for how long by its clock it is the same.
    read: Option<LeaseReading>,
    watched: u8,
    /// For how long it knows of a peer that refuses.
    refused: Option<u8>,
    fresh: bool,
    granted: BTreeMap<Term, Identity>,
    deviations: u8,
    /// For how many ticks the operator has seen that nobody accepts writes.
    vacant: u8,
    /// How many writes there were.
    written: u8,
    /// Acknowledged writes that no promotion has given up.
    kept: u64,
    /// Writes that two instances had at the same time.
    promised: u64,
    /// Where clients are directed.
    routed: Option<usize>,
    /// The rule that a decision of the operator broke.
    broken: Option<String>,
}

/// More of them would only make more states.
const WRITES: u8 = 3;

/// The most states of one exploration.
const STATES: usize = 1_000_000;
/// The most of one with quorum durability, which begins later.
const QUORUM_STATES: usize = 400_000;
/// The most of one with consent of peers.
const CONSENT_STATES: usize = 400_000;

fn name(index: usize) -> Name {
    ["a", "b", "c"][index].into()
}

impl Pod {
    fn hears(&self) -> bool {
        !self.frozen && !self.deaf
    }
}

impl Verb {
    fn to(&self) -> usize {
        match self {
            Self::Hold(to, _) | Self::Promote(to, ..) | Self::Follow(to, ..) | Self::Route(to, _) => *to,
        }
    }

    fn input(&self) -> Input {
        match self {
            Self::Hold(_, term) => Input::Hold { term: *term },
            Self::Promote(_, term, version) => Input::Promote { term: *term, version: *version },
            Self::Follow(_, primary, term) => Input::Follow { term: *term, primary: name(*primary) },
            // No instance hears of it.
            Self::Route(..) => Input::Tick,
        }
    }
}

fn index(name: &Name) -> usize {
    ["a", "b", "c"].iter().position(|known| *name == Name::from(*known)).unwrap()
}

#[test]
fn protocol_holds_with_two_members() {
    for (rate, disk) in [(1, Disk::Behind), (2, Disk::None)] {
        let explored = run(2, 3, rate, disk, Mutation::None);
        assert_eq!(explored.violation, None);
        assert!(explored.reigns >= 3);
    }
}

#[test]
fn protocol_holds_with_three_members() {
    for disk in [Disk::Whole, Disk::None] {
        assert_eq!(run(3, 2, 2, disk, Mutation::None).violation, None);
    }
}

#[test]
fn promised_writes_survive_with_quorum_durability() {
    for disk in [Disk::Behind, Disk::None] {
        let explored = run_with_quorum(2, disk, Mutation::None);
        assert_eq!(explored.violation, None);
        assert!(explored.reigns >= 2);
    }
}

#[test]
fn quorum_with_restarted_electors_is_found() {
    assert!(run_with_quorum(3, Disk::None, Mutation::RestartedElector).violation.is_some());
}

#[test]
fn protocol_holds_when_an_old_primary_returns() {
    assert_eq!(run_after_a_return(Mutation::None).violation, None);
}

#[test]
fn protocol_holds_with_consent_of_peers() {
    for (members, deviations, rate) in [(2, 3, 2), (3, 2, 2), (3, 2, 1)] {
        let explored = run_with_consent(members, deviations, rate, Mutation::None);
        assert_eq!(explored.violation, None);
        assert!(explored.reigns >= 2, "{members}");
    }
}

#[test]
fn missing_consent_is_found_by_the_model() {
    for mutation in [Mutation::NoRefusal, Mutation::RefusalIsConsent] {
        assert!(run_with_consent(2, 2, 2, mutation).violation.is_some(), "{mutation:?} was not found");
    }
}

#[test]
fn comparison_of_offsets_across_histories_is_found() {
    assert!(run_after_a_return(Mutation::OffsetsAlone).violation.is_some());
}

#[test]
fn every_mutation_is_found() {
    for (mutation, deviations, disk) in [
        (Mutation::NoWait, 2, Disk::Whole),
        (Mutation::BootAsPrimary, 2, Disk::Whole),
        (Mutation::FenceUnconfirmed, 2, Disk::Whole),
        (Mutation::UnguardedLease, 2, Disk::Whole),
        (Mutation::NoDeadline, 2, Disk::Whole),
        (Mutation::LabelFirst, 2, Disk::Whole),
        (Mutation::NoDrain, 2, Disk::None),
        (Mutation::LinkIsSync, 2, Disk::Whole),
    ] {
        assert!(run(2, deviations, 2, disk, mutation).violation.is_some(), "{mutation:?} was not found");
    }
}
