//! Lists and the clocks of their subscribers together: whatever happens to lists, no resource waits longer than
//! without them.

use super::{
    Joining, ProjectPollers,
    known::Known,
    subscribers::{Delivery, Sighting, Subscriber, Subscribers},
};
use crate::{
    controller::{
        memory::Memory,
        schedule::clock::{Clock, Ending, Intervals},
        tokens::TokenSource,
    },
    provider::Token,
    settings::Settings,
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::time::{Duration, Instant};

const MINIMUM: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
const INTERVALS: Intervals = Intervals {
    resync: Duration::from_mins(5),
    external: Duration::from_secs(30),
    building: [Duration::from_secs(2), Duration::from_secs(30)],
};
/// What jitter adds at most.
const JITTER: f64 = 1.2;

/// Something happens.
#[derive(Clone, Debug)]
enum Event {
    /// Time elapses.
    Wait(u64),
    /// A service changes, and builds from then on or does not.
    Change(usize, bool),
    /// A resource takes part: it was created, edited, or has failed before.
    Join(usize),
    /// A resource does not take part any more: it was deleted, or fails.
    Leave(usize),
    /// A list is requested.
    Ask,
    /// It arrives: up to this service, and without that one.
    Arrive { up_to: usize, without: usize },
    /// It fails.
    Fail,
    /// So many foreign services appear.
    Foreign(usize),
}

/// One resource, and its service.
#[derive(Clone, Debug)]
struct Resource {
    takes_part: bool,
    clock: Clock,
    /// The longest time that it may be without news.
    patience: Duration,
    service: Service,
    /// When it changed, for each version that was not detected.
    unnoticed: Vec<(u64, Instant)>,
    observations: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Service {
    version: u64,
    builds: bool,
}

struct Scene {
    now: Instant,
    jitter: f64,
    /// Lists show no secrets.
    withhold: bool,
    subscribers: Subscribers,
    resources: Vec<Resource>,
    foreign: usize,
    /// What a list in progress will show, and when it was requested.
    asked: Option<(Instant, u64, Vec<Service>)>,
    notified: Arc<Mutex<Vec<usize>>>,
}

impl Scene {
    fn new(count: usize, jitter: f64, withhold: bool) -> Self {
        let now = Instant::now();
        let clock = Clock::after(Ending::Failed(Duration::ZERO), [now; 2], &INTERVALS, None, 0.0);
        let service = Service { version: 1, builds: true };
        let patience = Duration::ZERO;
        let resource =
            Resource { takes_part: false, clock, patience, service, unnoticed: Vec::new(), observations: 0 };
        let mut scene = Self {
            now,
            jitter,
            withhold,
            subscribers: Subscribers::default(),
            resources: vec![resource; count],
            foreign: 0,
            asked: None,
            notified: Arc::default(),
        };
        (0..count).for_each(|index| scene.observe(index));
        scene
    }

    fn poll(&self) -> Option<Duration> {
        self.subscribers.period(self.subscribers.is_worth_lists(MINIMUM).then_some(PAUSE))
    }

    fn digest(&self, service: Service, list: bool) -> u64 {
        service.version * 2 + u64::from(list && self.withhold)
    }

    /// A reconciliation that saw `service` as it was at `seen` ends, with these recorded digests.
    fn rest(&mut self, index: usize, service: Service, known: Known, seen: Instant) {
        self.resources[index].unnoticed.retain(|(version, _)| *version > service.version);
        // How long it has been building does not matter here.
        let ending = if service.builds { Ending::Building(Duration::ZERO) } else { Ending::Settled };
        let (now, jitter, notified) = (self.now, self.jitter, Arc::clone(&self.notified));
        let subscriber = Subscriber {
            uid: index.to_string().into(),
            wake: Box::new(move || notified.lock().unwrap().push(index)),
            source: Some(Arc::new(TokenSource { namespace: String::new(), own: None, pinned: false })),
            known,
            clock: Clock::after(ending, [seen, now], &INTERVALS, None, jitter),
            building_since: None,
            since: seen,
            listed: None,
            round: 0,
            delivery: None,
            handed: now,
        };
        self.subscribers.join(&index.to_string(), subscriber);
        let poll = self.poll();
        let clock = Clock::after(ending, [seen, now], &INTERVALS, poll, jitter);
        let patience = match ending {
            Ending::Building(elapsed) => INTERVALS.building(elapsed, poll),
            _ => INTERVALS.resync(poll),
        };
        self.subscribers.subscriber(&index.to_string(), &index.to_string()).unwrap().clock = clock;
        let resource = &mut self.resources[index];
        (resource.takes_part, resource.clock, resource.patience) = (true, clock, patience.mul_f64(JITTER));
    }

    fn known(&mut self, index: usize) -> Known {
        let name = index.to_string();
        self.subscribers.subscriber(&name, &name).map(|subscriber| subscriber.known).unwrap_or_default()
    }

    fn observe(&mut self, index: usize) {
        self.observe_listed(index, None);
    }

    fn observe_listed(&mut self, index: usize, list: Option<u64>) {
        let resource = &mut self.resources[index];
        let service = resource.service;
        resource.observations += 1;
        let digest = self.digest(service, false);
        let known = self.known(index).then_observed(digest, list);
        self.rest(index, service, known, self.now);
    }

    /// A reconciliation with what a list delivered.
    fn collect(&mut self, index: usize) {
        let name = index.to_string();
        let delivery =
            self.subscribers.subscriber(&name, &name).and_then(|subscriber| subscriber.delivery.take());
        if matches!(delivery, Some(Delivery::Observe)) {
            self.observe(index);
        }
    }

    /// The service as a list shows it is handed over, and the resource is reconciled.
    fn take(&mut self, index: usize, service: Service, asked: Instant) {
        let list = self.digest(service, true);
        if self.withhold && !service.builds {
            // A service that is missing from the list is read.
            return self.observe_listed(index, Some(list));
        }
        self.rest(index, service, Known::listed(list), asked);
    }

    fn arrive(&mut self, up_to: usize, without: usize) {
        let Some((asked, round, services)) = self.asked.take() else { return };
        let shown = services.iter().enumerate().take(up_to).filter(|(index, _)| *index != without);
        for (index, service) in shown {
            let digest = self.digest(*service, true);
            let sighting = Sighting { digest, asked, round, pause: PAUSE };
            if self.subscribers.record(&index.to_string(), sighting) > 0 {
                self.take(index, *service, asked);
            }
        }
        if up_to >= services.len() {
            self.subscribers.finish(
                round,
                services.len() + self.foreign,
                [PAUSE / 10, self.now - asked],
                self.now,
            );
        }
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let last = self.resources.len() - 1;
        match *event {
            Event::Wait(seconds) => self.reconcile_time(Duration::from_secs(seconds))?,
            Event::Change(index, builds) => {
                let resource = &mut self.resources[index.min(last)];
                resource.service = Service { version: resource.service.version + 1, builds };
                resource.unnoticed.push((resource.service.version, self.now));
            }
            Event::Join(index) => self.observe(index.min(last)),
            Event::Leave(index) => {
                let name = index.min(last).to_string();
                self.subscribers.leave(&name, &name);
                self.resources[index.min(last)].takes_part = false;
            }
            Event::Ask => {
                let services = self.resources.iter().map(|resource| resource.service).collect();
                if self.poll().is_some() {
                    self.asked = Some((self.now, self.subscribers.begin(), services));
                }
            }
            Event::Arrive { up_to, without } => self.arrive(up_to, without),
            Event::Fail => self.asked = None,
            Event::Foreign(count) => self.foreign = count,
        }
        self.reconcile_due()
    }

    fn reconcile_time(&mut self, length: Duration) -> Result<(), TestCaseError> {
        let end = self.now + length;
        while let Some(next) = self.next_observation().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.reconcile_due()?;
        }
        self.now = end;
        self.reconcile_due()
    }

    /// When the first of the subscribers reads its service without a list.
    fn next_observation(&mut self) -> Option<Instant> {
        (0..self.resources.len()).filter_map(|index| self.due(index)).min()
    }

    fn due(&mut self, index: usize) -> Option<Instant> {
        let name = index.to_string();
        let listed = self.subscribers.subscriber(&name, &name)?.listed;
        Some(self.resources[index].clock.next_observation(listed).0)
    }

    /// Reconciles the resources that were notified or are due; none may have waited too long.
    fn reconcile_due(&mut self) -> Result<(), TestCaseError> {
        let notified = std::mem::take(&mut *self.notified.lock().unwrap());
        for index in notified {
            self.collect(index);
        }
        for index in 0..self.resources.len() {
            if self.due(index).is_some_and(|due| due <= self.now) {
                self.observe(index);
            }
            let resource = &self.resources[index];
            let waited = resource.unnoticed.first().map(|(_, since)| self.now - *since).unwrap_or_default();
            let waits = resource.takes_part && waited > resource.patience;
            prop_assert!(!waits, "{index} has waited for {waited:?}: {resource:?}");
        }
        Ok(())
    }
}

fn event() -> impl Strategy<Value = Event> {
    let index = 0..5_usize;
    prop_oneof![
        4 => prop_oneof![4 => 0..4_u64, 1 => 200..400_u64].prop_map(Event::Wait),
        2 => (index.clone(), any::<bool>()).prop_map(|(index, builds)| Event::Change(index, builds)),
        1 => index.clone().prop_map(Event::Join),
        1 => index.clone().prop_map(Event::Leave),
        3 => Just(Event::Ask),
        3 => (0..7_usize, 0..9_usize).prop_map(|(up_to, without)| Event::Arrive { up_to, without }),
        1 => Just(Event::Fail),
        1 => prop_oneof![Just(0), Just(300)].prop_map(Event::Foreign),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// With 300 foreign services, five of ours are too few to list the project.
    #[test]
    fn change_is_observed_within_one_read_interval(
        events in prop::collection::vec(event(), 1..60),
        count in 1..6_usize,
        jitter in 0.0..1.0_f64,
        withhold in any::<bool>(),
    ) {
        let mut scene = Scene::new(count, jitter, withhold);
        for event in events {
            scene.happen(&event)?;
        }
        scene.reconcile_time(INTERVALS.resync * 2)?;
    }
}

/// Lists that are made as planned, for as long as that many of them take.
fn list(scene: &mut Scene, times: usize) {
    for _ in 0..times {
        for event in [Event::Ask, Event::Arrive { up_to: usize::MAX, without: usize::MAX }, Event::Wait(1)] {
            scene.happen(&event).unwrap();
        }
    }
}

#[test]
fn successful_lists_replace_reads() {
    for withhold in [false, true] {
        let mut scene = Scene::new(4, 0.5, withhold);
        list(&mut scene, 3);
        let before: usize = scene.resources.iter().map(|resource| resource.observations).sum();
        list(&mut scene, 60);
        (0..4).for_each(|index| scene.happen(&Event::Change(index, false)).unwrap());
        list(&mut scene, 60);
        let observations =
            scene.resources.iter().map(|resource| resource.observations).sum::<usize>() - before;
        assert_eq!(
            observations,
            if withhold { 4 } else { 0 },
            "one for each whose secrets the list withholds"
        );
    }
}

#[test]
fn list_requested_before_the_last_read_is_ignored() {
    let mut scene = Scene::new(1, 0.5, false);
    let asked = scene.now;
    scene.now += PAUSE;
    scene.observe(0);
    let digest = scene.digest(Service { version: 0, builds: true }, true);
    let sighting = |asked| Sighting { digest, asked, round: 1, pause: PAUSE };
    assert_eq!(scene.subscribers.record("0", sighting(asked)), 0, "it shows what is over");
    assert_eq!(scene.subscribers.record("0", sighting(scene.now + PAUSE)), 1);
}

fn source(namespace: &str) -> TokenSource {
    TokenSource { namespace: namespace.to_owned(), own: None, pinned: false }
}

#[test]
fn token_sources_go_with_their_last_member() {
    let (mut subscribers, now) = (Subscribers::default(), Instant::now());
    let clock = Clock::after(Ending::Settled, [now; 2], &INTERVALS, None, 0.5);
    let moved = Arc::new(Mutex::new(BTreeMap::<&str, u32>::new()));
    for (name, namespace) in [("a", "one"), ("b", "one"), ("c", "two")] {
        let moved = Arc::clone(&moved);
        let subscriber = Subscriber {
            uid: name.into(),
            wake: Box::new(move || *moved.lock().unwrap().entry(name).or_default() += 1),
            source: Some(Arc::new(source(namespace))),
            known: Known::default(),
            clock,
            building_since: None,
            since: now,
            listed: None,
            round: 0,
            delivery: None,
            handed: now,
        };
        subscribers.join(name, subscriber);
    }
    let namespaces = |subscribers: &Subscribers| {
        subscribers.sources().iter().map(|source| source.namespace.clone()).collect::<Vec<_>>()
    };
    assert_eq!(namespaces(&subscribers), ["one", "two"]);
    subscribers.leave("c", "c");
    assert_eq!(namespaces(&subscribers), ["one"], "the namespace is gone");
    let rotated = subscribers.sources().remove(0);
    subscribers.drop_source(&rotated, now);
    drop(rotated);
    assert_eq!(namespaces(&subscribers), <[&str; 0]>::default());
    assert_eq!(*moved.lock().unwrap(), BTreeMap::from([("a", 1), ("b", 1)]));
}

#[test]
fn token_rotation_leaves_no_survey_behind() {
    let (pollers, now) = (ProjectPollers::default(), Instant::now());
    let poller = pollers.of(&Token::parse("old").unwrap(), "project");
    let joining = Joining {
        name: "cache".to_owned(),
        uid: "uid".to_owned(),
        source: source("team"),
        wake: Box::new(|| ()),
        known: Known::default(),
        since: now,
        building_since: None,
    };
    poller.join(&Settings::default(), joining, |poll| {
        Clock::after(Ending::NotBegun, [now; 2], &INTERVALS, poll, 0.5)
    });
    let old = poller.subscribers().sources().remove(0);
    poller.subscribers().drop_source(&old, now);
    assert!(matches!(poller.collect("cache", "uid"), Some(Delivery::Moved)));
    let mut memory = Memory { poller: Some(poller), edit: Some(1), ..Memory::default() };
    memory.moved("cache", "uid");
    assert_eq!(memory.edit, None, "the turn begins as one after an edit");
    let kept = super::lock(&pollers.to_keep).as_mut().unwrap().try_recv().unwrap();
    assert!(pollers.retire(&kept), "a subscriber is left");
}
