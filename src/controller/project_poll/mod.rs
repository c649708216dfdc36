//! One list per project and token instead of one read per resource. It schedules only resources whose service has
//! changed, is gone, or is due for a comparison. Lists are frequent while a service builds and rare otherwise, and
//! never take more than a tenth of the time. They are not used for projects with few of our services or very many
//! foreign ones. The engine uses a list as an observation, but never acts on it alone.
//!
//! ```text
//!            first join             lists are worth it
//!   (none) ─────────────▶ RESTING ──────────────────────▶ LISTING every pause ─┐ whole list: hand over
//!      ▲                   │   ▲                            │   ▲              │ what is new, due or gone
//!      │ no resource joins │   └────────────────────────────┘   └──────────────┘ failed: longer pauses
//!      │ for a resync      ▼        not any more
//!      └───────────────── ended
//! ```
//!
//! No resource depends on a successful list: the clock of each resource runs on (`clock`), and lists only precede it.

mod keep;
mod known;
mod round;
mod subscribers;

pub(super) use known::Known;
pub(super) use subscribers::{Delivery, Listed};

use super::{managed_service::observe, schedule::clock::Clock, tokens::TokenSource};
use crate::{provider::Token, settings::Settings};
use std::{
    collections::HashMap,
    fmt,
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use subscribers::{Subscriber, Subscribers};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Duration, Instant},
};
use valkeeper_engine::{ObservedService, backoff};

/// Most listed services that wait until their resource is reconciled; this bounds the memory.
const SLOTS: usize = 128;
/// A listed service that is not collected for so long is dropped.
const UNCOLLECTED: Duration = Duration::from_secs(30);
/// A list may take this part of the time.
const SHARE: u32 = 10;

/// All project polls of the process.
pub(super) struct ProjectPollers {
    hasher: RandomState,
    by_key: Mutex<HashMap<Key, Arc<ProjectPoller>>>,
    begin: mpsc::UnboundedSender<Arc<ProjectPoller>>,
    to_keep: Mutex<Option<mpsc::UnboundedReceiver<Arc<ProjectPoller>>>>,
    slots: Arc<Semaphore>,
}

/// A keyed hash distinguishes tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    token: u64,
    project: String,
}

/// The project poll of one project with one token.
pub(super) struct ProjectPoller {
    key: Key,
    subscribers: Mutex<Subscribers>,
    hurry: Notify,
}

/// A resource that subscribes.
pub(super) struct Joining {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) source: TokenSource,
    /// Reconciles the resource.
    pub(super) wake: Box<dyn Fn() + Send>,
    /// Recorded digests of its service, if it was observed.
    pub(super) known: Known,
    /// Lower bound of the time of that observation.
    pub(super) since: Instant,
    /// Since when its service builds.
    pub(super) building_since: Option<Instant>,
}

impl Default for ProjectPollers {
    fn default() -> Self {
        let (begin, to_keep) = mpsc::unbounded_channel();
        Self {
            hasher: RandomState::new(),
            by_key: Mutex::default(),
            begin,
            to_keep: Mutex::new(Some(to_keep)),
            slots: Arc::new(Semaphore::new(SLOTS)),
        }
    }
}

impl ProjectPollers {
    /// The project poll of `project` with `token`; it begins when there is none.
    pub(super) fn of(&self, token: &Token, project: &str) -> Arc<ProjectPoller> {
        let key = Key { token: token.fingerprint(&self.hasher), project: project.to_owned() };
        let mut pollers = lock(&self.by_key);
        if let Some(poller) = pollers.get(&key) {
            return Arc::clone(poller);
        }
        let poller =
            Arc::new(ProjectPoller { key: key.clone(), subscribers: Mutex::default(), hurry: Notify::new() });
        pollers.insert(key, Arc::clone(&poller));
        // The receiver is gone when the process ends.
        drop(self.begin.send(Arc::clone(&poller)));
        poller
    }

    /// A number that changes when something about the service does that matters.
    pub(super) fn digest(&self, service: &ObservedService) -> u64 {
        observe::digest(service, &self.hasher)
    }

    fn fits(&self, token: &Token, poller: &ProjectPoller) -> bool {
        token.fingerprint(&self.hasher) == poller.key.token
    }

    /// Ends a project poll without subscribers.
    fn retire(&self, poller: &Arc<ProjectPoller>) -> bool {
        let mut pollers = lock(&self.by_key);
        // A resource about to join holds a second reference, or no longer finds the project poll.
        let unused = poller.subscribers().count == 0 && Arc::strong_count(poller) <= 2;
        if unused {
            pollers.remove(&poller.key);
        }
        unused
    }
}

impl ProjectPoller {
    /// Takes a resource in; what was on its way to it is out of date. `plan` sets its clock, given how often
    /// lists are made now.
    pub(super) fn join(
        &self,
        settings: &Settings,
        joining: Joining,
        plan: impl Fn(Option<Duration>) -> Clock,
    ) -> Clock {
        let now = Instant::now();
        let urgent = joining.known.is_empty() || joining.building_since.is_some();
        let subscriber = Subscriber {
            uid: joining.uid.clone().into(),
            wake: joining.wake,
            source: Some(Arc::new(joining.source)),
            known: joining.known,
            clock: plan(None),
            building_since: joining.building_since,
            since: joining.since,
            listed: None,
            round: 0,
            delivery: None,
            handed: now,
        };
        let clock = {
            let mut subscribers = self.subscribers();
            subscribers.join(&joining.name, subscriber);
            let clock = plan(subscribers.period(pause(&subscribers, settings, 0)));
            if let Some(subscriber) = subscribers.subscriber(&joining.name, &joining.uid) {
                subscriber.clock = clock;
            }
            clock
        };
        if urgent {
            self.hurry.notify_one();
        }
        clock
    }

    /// Drops a resource.
    pub(super) fn leave(&self, name: &str, uid: &str) {
        self.subscribers().leave(name, uid);
    }

    /// The recorded digests of the service of the resource.
    pub(super) fn known(&self, name: &str, uid: &str) -> Known {
        self.subscribers().subscriber(name, uid).map(|subscriber| subscriber.known).unwrap_or_default()
    }

    /// When the last list was requested that showed no change of the service.
    pub(super) fn listed(&self, name: &str, uid: &str) -> Option<Instant> {
        self.subscribers().subscriber(name, uid)?.listed
    }

    /// Whether something waits for the resource.
    pub(super) fn has_delivery(&self, name: &str, uid: &str) -> bool {
        self.subscribers().subscriber(name, uid).is_some_and(|subscriber| subscriber.delivery.is_some())
    }

    /// Takes what waits for the resource.
    pub(super) fn collect(&self, name: &str, uid: &str) -> Option<Delivery> {
        self.subscribers().subscriber(name, uid)?.delivery.take()
    }

    /// Interval of lists of the project; none when one read per service costs less.
    pub(super) fn pause(&self, settings: &Settings) -> Option<Duration> {
        pause(&self.subscribers(), settings, 0)
    }

    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        lock(&self.subscribers)
    }
}

/// How long after the beginning of one list the next one begins; none when there is no next one.
fn pause(subscribers: &Subscribers, settings: &Settings, failures: u32) -> Option<Duration> {
    if !subscribers.is_worth_lists(settings.project_poll_minimum) {
        return None;
    }
    let shortest = settings.project_poll_interval_min;
    let quiet = settings.project_poll_interval.min(settings.resync_interval).max(shortest);
    let pause = match subscribers.youngest {
        _ if subscribers.fresh => shortest,
        Some(since) => {
            backoff::building(since.elapsed(), shortest, settings.building_interval_max.min(quiet))
        }
        None => quiet,
    };
    let failing = shortest.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX));
    let failing = if failures == 0 { Duration::ZERO } else { failing.min(quiet) };
    Some(pause.max(subscribers.took * SHARE).max(failing))
}

impl fmt::Debug for ProjectPoller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProjectPoller").field("project", &self.key.project).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves bookkeeping that is at worst out of date.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
