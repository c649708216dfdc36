//! Subscribers of a project poll, the recorded digests of each service, and what the last list delivered. Pure
//! bookkeeping: no calls, no decisions, and time is an argument.

use super::known::Known;
use crate::{
    controller::{schedule::clock::Clock, tokens::TokenSource},
    provider::Service,
};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant},
};

/// A project with more services than this for each of ours is not listed.
const SPARSE: usize = 50;

/// All resources that take part, by the name of their service.
#[derive(Default)]
pub(super) struct Subscribers {
    by_name: HashMap<String, Vec<Subscriber>>,
    pub(super) count: usize,
    /// Where the subscribers' tokens are; subscribers hold them.
    sources: Vec<Weak<TokenSource>>,
    round: u64,
    /// Services in the project when it was last listed, ours and foreign ones.
    pub(super) listed: usize,
    /// How long the last list took, without and with the time in which its services waited to be worked on.
    pub(super) took: Duration,
    pub(super) whole: Duration,
    /// A resource joined whose service was not observed yet.
    pub(super) fresh: bool,
    /// When the service that was begun last began to build.
    pub(super) youngest: Option<Instant>,
}

/// A resource that takes part.
pub(super) struct Subscriber {
    pub(super) uid: Box<str>,
    /// Reconciles the resource.
    pub(super) wake: Box<dyn Fn() + Send>,
    /// None when its token has become another one.
    pub(super) source: Option<Arc<TokenSource>>,
    /// Recorded digests of its service.
    pub(super) known: Known,
    /// When it reads its service without a list.
    pub(super) clock: Clock,
    /// Since when its service builds.
    pub(super) building_since: Option<Instant>,
    /// Lower bound of the time of that observation.
    pub(super) since: Instant,
    /// When the last list was requested that showed no change.
    pub(super) listed: Option<Instant>,
    pub(super) round: u64,
    pub(super) delivery: Option<Delivery>,
    /// When that was handed over.
    pub(super) handed: Instant,
}

/// What a project poll delivers to a resource.
pub(in crate::controller) enum Delivery {
    /// The service as the list shows it.
    Listed(Listed),
    /// The list is not sufficient: read the service itself.
    Observe,
    /// The token has changed: find the project poll of the new one.
    Moved,
}

/// A service from a list.
pub(in crate::controller) struct Listed {
    pub(in crate::controller) service: Box<Service>,
    /// Digest of the service in the list.
    pub(in crate::controller) digest: u64,
    /// When the list was requested.
    pub(in crate::controller) asked: Instant,
    /// Bounds how many of them there are at a time.
    pub(in crate::controller) slot: OwnedSemaphorePermit,
}

/// A service as a list shows it.
#[derive(Clone, Copy)]
pub(super) struct Sighting {
    pub(super) digest: u64,
    /// When the list was requested.
    pub(super) asked: Instant,
    pub(super) round: u64,
    /// How long until the next list.
    pub(super) pause: Duration,
}

impl Subscribers {
    /// Takes `subscriber` in, in the place of an earlier entry of the same resource.
    pub(super) fn join(&mut self, name: &str, mut subscriber: Subscriber) -> &mut Subscriber {
        if let Some(source) = subscriber.source.take() {
            subscriber.source = Some(self.shared(source));
        }
        subscriber.round = self.round;
        self.fresh |= subscriber.known.is_empty();
        self.youngest = self.youngest.max(subscriber.building_since);
        let entry = self.by_name.entry(name.to_owned()).or_insert_with(|| Vec::with_capacity(1));
        if let Some(index) = entry.iter().position(|other| other.uid == subscriber.uid) {
            entry[index] = subscriber;
            return &mut entry[index];
        }
        self.count += 1;
        entry.push_mut(subscriber)
    }

    /// The same source, if another subscriber has it already.
    fn shared(&mut self, source: Arc<TokenSource>) -> Arc<TokenSource> {
        let same = self.sources.iter().filter_map(Weak::upgrade).find(|other| **other == *source);
        same.unwrap_or_else(|| {
            self.sources.retain(|other| other.strong_count() > 0);
            self.sources.push(Arc::downgrade(&source));
            source
        })
    }

    /// Drops a resource.
    pub(super) fn leave(&mut self, name: &str, uid: &str) {
        let Some(entry) = self.by_name.get_mut(name) else { return };
        let before = entry.len();
        entry.retain(|subscriber| *subscriber.uid != *uid);
        self.count -= before - entry.len();
        if entry.is_empty() {
            self.by_name.remove(name);
        }
    }

    /// Whether lists cost less than one read per service, for `minimum` subscribers or more.
    pub(super) fn is_worth_lists(&self, minimum: usize) -> bool {
        self.count >= minimum.max(1) && self.listed <= self.count * SPARSE
    }

    /// How much later the next list shows what this one shows, if lists are begun after such a pause.
    pub(super) fn period(&self, pause: Option<Duration>) -> Option<Duration> {
        pause.map(|pause| pause + self.whole * 2)
    }

    /// Whether a subscriber waits for the service `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn subscriber(&mut self, name: &str, uid: &str) -> Option<&mut Subscriber> {
        self.by_name.get_mut(name)?.iter_mut().find(|subscriber| *subscriber.uid == *uid)
    }

    /// Those who wait for the service `name`.
    pub(super) fn waiting(&mut self, name: &str) -> impl Iterator<Item = &mut Subscriber> {
        self.by_name.get_mut(name).into_iter().flatten()
    }

    /// All subscribers.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Subscriber> {
        self.by_name.values_mut().flatten()
    }

    /// Where the token can be read.
    pub(super) fn sources(&self) -> Vec<Arc<TokenSource>> {
        self.sources.iter().filter_map(Weak::upgrade).collect()
    }

    /// Begins a list; returns its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.round += 1;
        self.fresh = false;
        self.round
    }

    /// Records what a list shows of the service `name`; returns how many subscribers need it.
    pub(super) fn record(&mut self, name: &str, sighting: Sighting) -> usize {
        self.waiting(name).filter_map(|subscriber| subscriber.takes(sighting).then_some(())).count()
    }

    /// Records the result of a whole list, and triggers reads of services that were not in it.
    pub(super) fn finish(&mut self, round: u64, listed: usize, [took, whole]: [Duration; 2], now: Instant) {
        (self.listed, self.took, self.whole) = (listed, took, whole);
        self.youngest = self.all().filter_map(|subscriber| subscriber.building_since).max();
        for subscriber in
            self.all().filter(|subscriber| subscriber.round < round && subscriber.delivery.is_none())
        {
            subscriber.hand(Delivery::Observe, now);
        }
    }

    /// Drops deliveries that were not collected for `age`.
    pub(super) fn reclaim(&mut self, age: Duration, now: Instant) {
        for subscriber in
            self.all().filter(|subscriber| now.saturating_duration_since(subscriber.handed) >= age)
        {
            subscriber.delivery = None;
        }
    }

    /// Reconciles one resource with this source, unless it had one within `pause`.
    pub(super) fn request_one_observation(
        &mut self,
        source: &Arc<TokenSource>,
        pause: Duration,
        now: Instant,
    ) {
        let rested = |subscriber: &&mut Subscriber| {
            subscriber.uses(source)
                && subscriber.delivery.is_none()
                && now.saturating_duration_since(subscriber.since) >= pause
        };
        if let Some(subscriber) = self.all().find(rested) {
            subscriber.hand(Delivery::Observe, now);
        }
    }

    /// Sends those away whose token `source` was.
    pub(super) fn drop_source(&mut self, source: &Arc<TokenSource>, now: Instant) {
        for subscriber in self.all().filter(|subscriber| subscriber.uses(source)) {
            subscriber.source = None;
            subscriber.hand(Delivery::Moved, now);
        }
    }
}

impl Subscriber {
    fn uses(&self, source: &Arc<TokenSource>) -> bool {
        self.source.as_ref().is_some_and(|own| Arc::ptr_eq(own, source))
    }

    /// Hands something over and reconciles the resource.
    pub(super) fn hand(&mut self, delivery: Delivery, now: Instant) {
        (self.delivery, self.handed) = (Some(delivery), now);
        (self.wake)();
    }

    /// Records what a list shows of the service; returns whether the subscriber needs it.
    fn takes(&mut self, sighting: Sighting) -> bool {
        self.round = sighting.round;
        let wants = self.wants(sighting);
        if !wants && self.delivery.is_none() && sighting.asked > self.since {
            self.known.listed_again(sighting.digest);
            self.listed = self.listed.max(Some(sighting.asked));
        }
        wants
    }

    /// Whether the service as a list shows it is of interest.
    pub(super) fn wants(&self, sighting: Sighting) -> bool {
        let Sighting { digest, asked, pause, .. } = sighting;
        // A list from before the last read may be outdated.
        asked > self.since
            && self.delivery.is_none()
            && (self.known.is_changed(digest) || self.clock.takes_list(asked, pause))
    }
}
