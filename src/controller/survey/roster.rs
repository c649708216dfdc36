//! Who takes part in the survey of a project, what was last known of each service, and what the last list
//! brought for whom. Pure bookkeeping: no calls, no decisions.

use crate::{controller::credentials::TokenSource, provider::Service};
use std::{collections::HashMap, sync::Arc};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant},
};

/// All resources that take part, by the name of their service.
#[derive(Default)]
pub(super) struct Roster {
    members: HashMap<String, Vec<Member>>,
    pub(super) count: usize,
    sources: Vec<Arc<TokenSource>>,
    round: u64,
    /// Services in the project when it was last listed, ours and those of others.
    pub(super) listed: usize,
    /// How long the last list took.
    pub(super) took: Duration,
    /// Somebody joined whose service was not seen yet.
    pub(super) fresh: bool,
    /// When the service that was begun last began to build.
    pub(super) youngest: Option<Instant>,
}

/// A resource that takes part.
pub(super) struct Member {
    pub(super) uid: Box<str>,
    /// Gives the resource its turn.
    pub(super) wake: Box<dyn Fn() + Send>,
    pub(super) source: Arc<TokenSource>,
    /// What its service looked like, if anybody looked.
    pub(super) digest: Option<u64>,
    /// When it takes its turn although nothing has changed.
    pub(super) due: Instant,
    /// Since when its service builds.
    pub(super) building_since: Option<Instant>,
    /// What is known is not older than this.
    pub(super) since: Instant,
    pub(super) round: u64,
    pub(super) delivery: Option<Delivery>,
    /// When that was handed over.
    pub(super) handed: Instant,
}

/// What a survey brings for a resource.
pub(in crate::controller) enum Delivery {
    /// The service as the list shows it; the slot bounds how many of them there are at a time.
    Listed(Box<Service>, OwnedSemaphorePermit),
    /// The list does not help: look at the service itself.
    Look,
    /// The token has changed: find the survey of the new one.
    Moved,
}

impl Roster {
    /// Takes `member` in, in the place of an earlier entry of the same resource.
    pub(super) fn join(&mut self, name: &str, mut member: Member) {
        if let Some(same) = self.sources.iter().find(|source| **source == member.source) {
            member.source = Arc::clone(same);
        } else {
            self.sources.push(Arc::clone(&member.source));
        }
        member.round = self.round;
        self.fresh |= member.digest.is_none();
        self.youngest = self.youngest.max(member.building_since);
        let entry = self.members.entry(name.to_owned()).or_insert_with(|| Vec::with_capacity(1));
        let before = entry.len();
        entry.retain(|other| other.uid != member.uid);
        self.count -= before - entry.len();
        entry.push(member);
        self.count += 1;
    }

    /// Forgets a resource.
    pub(super) fn leave(&mut self, name: &str, uid: &str) {
        let Some(entry) = self.members.get_mut(name) else { return };
        let before = entry.len();
        entry.retain(|member| *member.uid != *uid);
        self.count -= before - entry.len();
        if entry.is_empty() {
            self.members.remove(name);
        }
        if self.members.is_empty() {
            self.sources.clear();
        }
    }

    /// Whether somebody wants to know of the service `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(super) fn member(&mut self, name: &str, uid: &str) -> Option<&mut Member> {
        self.members.get_mut(name)?.iter_mut().find(|member| *member.uid == *uid)
    }

    /// Those who wait for the service `name`.
    pub(super) fn waiting(&mut self, name: &str) -> impl Iterator<Item = &mut Member> {
        self.members.get_mut(name).into_iter().flatten()
    }

    /// Everybody.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut().flatten()
    }

    /// Where the token can be read.
    pub(super) fn sources(&self) -> Vec<Arc<TokenSource>> {
        self.sources.clone()
    }

    /// Begins a list; returns its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.round += 1;
        self.fresh = false;
        self.round
    }

    /// Notes how a whole list went, and sends those to look whose service was not in it.
    pub(super) fn finish(&mut self, round: u64, listed: usize, took: Duration) {
        (self.listed, self.took) = (listed, took);
        self.youngest = self.all().filter_map(|member| member.building_since).max();
        for member in self.all().filter(|member| member.round < round && member.delivery.is_none()) {
            member.hand(Delivery::Look);
        }
    }

    /// Drops what nobody has collected for `age`.
    pub(super) fn reclaim(&mut self, age: Duration) {
        for member in self.all().filter(|member| member.handed.elapsed() >= age) {
            member.delivery = None;
        }
    }

    /// Takes `source` away, together with those whose token it was.
    pub(super) fn drop_source(&mut self, source: &Arc<TokenSource>) {
        self.sources.retain(|other| !Arc::ptr_eq(other, source));
        for member in self.all().filter(|member| Arc::ptr_eq(&member.source, source)) {
            member.hand(Delivery::Moved);
        }
    }
}

impl Member {
    /// Hands something over and gives the resource its turn.
    pub(super) fn hand(&mut self, delivery: Delivery) {
        (self.delivery, self.handed) = (Some(delivery), Instant::now());
        (self.wake)();
    }

    /// Whether the service, looking like `digest` in a list asked for at `asked`, is of interest.
    pub(super) fn wants(&self, digest: u64, asked: Instant, now: Instant) -> bool {
        // A list from before the last look may show what is over.
        asked > self.since && self.delivery.is_none() && (self.digest != Some(digest) || now >= self.due)
    }
}
