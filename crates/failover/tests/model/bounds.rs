//! What is explored: how many instances, how far, what is done wrong on purpose, and how patient all are.

use std::time::Duration;
use valkeeper_failover::{
    operator::{Policy, Quorum},
    protocol::Timing,
};

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
    /// Managers ignore their deadlines.
    NoDeadline,
    /// Offsets are compared across histories.
    OffsetsAlone,
    /// Clients are directed to an instance before its promotion.
    LabelFirst,
    /// Replicas are held before they have taken in what lies in their sockets.
    NoDrain,
    /// A replica counts as synced as soon as its link is up.
    LinkIsSync,
    /// An instance that was started again is an elector.
    RestartedElector,
    /// The operator does not wait for a peer that refuses.
    NoRefusal,
    /// A peer that refuses counts as one that consents.
    RefusalIsConsent,
}

/// What servers keep when they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    None,
    /// All but what came last.
    Behind,
    Whole,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) members: usize,
    pub(crate) horizon: u8,
    pub(crate) deviations: u8,
    pub(crate) operator_rate: u8,
    pub(crate) states: usize,
    pub(crate) disk: Disk,
    pub(crate) durability: Durability,
    /// A primary goes on without the lease while its replicas consent.
    pub(crate) consent: bool,
    pub(crate) mutation: Mutation,
}

/// What is promised of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    BestEffort,
    /// One that two of three instances have had survives for as long as one of them has it.
    Quorum,
}

pub(crate) const POLICY: Policy = Policy {
    failover_after: Duration::ZERO,
    drain: Duration::from_secs(1),
    quorum: None,
    without_missing: true,
    without_consent: None,
};

/// The operator's policy; with quorum durability, no user decides to go on without what is promised.
pub(crate) fn policy(bounds: &Bounds) -> Policy {
    match bounds.durability {
        Durability::BestEffort => Policy { without_missing: !bounds.consent, ..POLICY },
        Durability::Quorum => {
            let quorum = Some(Quorum { members: bounds.members, holders: 2 });
            Policy { quorum, without_missing: false, ..POLICY }
        }
    }
}

impl Bounds {
    /// Until an unchanged lease is over, more than twice as long as its holder accepts writes. Where peers matter, the
    /// holder has the time to renew it before it stops.
    pub(crate) fn lease(&self) -> u8 {
        if self.consent { 7 } else { 5 }
    }
}

pub(crate) fn timing(bounds: &Bounds, mutation: Mutation) -> Timing {
    let ticks = |ticks| Duration::from_secs(ticks);
    let (soft, hard) = match (mutation, bounds.consent) {
        (Mutation::NoDeadline, _) => (100, 100),
        (_, false) => (1, 2),
        (_, true) => (2, 3),
    };
    Timing {
        lease_duration: ticks(bounds.lease().into()),
        hard_deadline: ticks(hard),
        soft_deadline: ticks(soft),
        renew_interval: ticks(0),
        retry_interval: ticks(0),
        request_timeout: ticks(1),
        fence_timeout: ticks(1),
        consent_after: ticks(0),
        consent_limit: ticks(100),
        consent_elapsed: ticks(200),
    }
}
