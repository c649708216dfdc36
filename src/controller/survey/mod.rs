//! One list per project and token instead of a look per resource: it wakes the resources whose service has
//! changed, is gone, or is due to be compared again, and no others. Lists are frequent while something
//! builds and rare when nothing does, never take more than a tenth of the time, and are not used where a
//! project has only a few of our services, or very many of others. What a list shows is an observation
//! like another, except that the engine never acts on it alone.

mod roster;
mod round;

pub(super) use roster::Delivery;

use super::{context::Context, credentials::TokenSource, error::PassError, observe};
use crate::{
    engine::{ObservedService, backoff},
    provider::Token,
    settings::Settings,
    telemetry::repeats::tell_failure,
};
use futures::FutureExt as _;
use roster::{Member, Roster};
use std::{
    collections::HashMap,
    fmt,
    hash::RandomState,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinSet,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Listed services that wait for their resource's turn; more would only fill the memory.
const SLOTS: usize = 128;
/// A service that nobody collects for so long is dropped.
const UNCOLLECTED: Duration = Duration::from_secs(30);
/// A project with more services than this for each of ours is not listed.
const SPARSE: usize = 50;
/// A list may take this part of the time.
const SHARE: u32 = 10;

/// All surveys of the process.
pub(super) struct Surveys {
    hasher: RandomState,
    by_key: Mutex<HashMap<Key, Arc<Survey>>>,
    begin: mpsc::UnboundedSender<Arc<Survey>>,
    to_keep: Mutex<Option<mpsc::UnboundedReceiver<Arc<Survey>>>>,
    slots: Arc<Semaphore>,
}

/// Tokens are told apart by a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    token: u64,
    project: String,
}

/// The survey of one project with one token.
pub(super) struct Survey {
    key: Key,
    roster: Mutex<Roster>,
    hurry: Notify,
}

/// A resource that wants to take part.
pub(super) struct Joining {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) source: TokenSource,
    /// Gives the resource its turn.
    pub(super) wake: Box<dyn Fn() + Send>,
    /// What its service looked like, if anybody looked.
    pub(super) digest: Option<u64>,
    /// When it takes its turn although nothing has changed.
    pub(super) due: Duration,
    /// Since when its service builds.
    pub(super) building_since: Option<Instant>,
}

impl Default for Surveys {
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

impl Surveys {
    /// The survey of `project` with `token`; it begins when there is none.
    pub(super) fn of(&self, token: &Token, project: &str) -> Arc<Survey> {
        let key = Key { token: token.fingerprint(&self.hasher), project: project.to_owned() };
        let mut surveys = lock(&self.by_key);
        if let Some(survey) = surveys.get(&key) {
            return Arc::clone(survey);
        }
        let survey = Arc::new(Survey { key: key.clone(), roster: Mutex::default(), hurry: Notify::new() });
        surveys.insert(key, Arc::clone(&survey));
        // Nobody receives any more when the process ends.
        drop(self.begin.send(Arc::clone(&survey)));
        survey
    }

    /// A number that changes when something about the service does that matters.
    pub(super) fn digest(&self, service: &ObservedService) -> u64 {
        observe::digest(service, &self.hasher)
    }

    /// Keeps all surveys going until `shutdown`.
    pub(super) async fn keep(context: Arc<Context>, shutdown: CancellationToken) {
        let Some(mut to_keep) = lock(&context.surveys.to_keep).take() else { return };
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(survey) = to_keep.recv() => {
                    tasks.spawn(keep(Arc::clone(&context), survey).boxed());
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    fn fits(&self, token: &Token, survey: &Survey) -> bool {
        token.fingerprint(&self.hasher) == survey.key.token
    }

    /// Ends a survey in which nobody takes part any more.
    fn retire(&self, survey: &Arc<Survey>) -> bool {
        let mut surveys = lock(&self.by_key);
        // Whoever is about to join holds a second reference, or finds no survey any more.
        let unused = survey.roster().count == 0 && Arc::strong_count(survey) <= 2;
        if unused {
            surveys.remove(&survey.key);
        }
        unused
    }
}

impl Survey {
    /// Takes a resource in; what was on its way to it is out of date.
    pub(super) fn join(&self, joining: Joining) {
        let now = Instant::now();
        let mut roster = self.roster();
        let urgent = joining.digest.is_none() || joining.building_since.is_some();
        let member = Member {
            uid: joining.uid.into(),
            wake: joining.wake,
            source: Arc::new(joining.source),
            digest: joining.digest,
            due: now + joining.due,
            building_since: joining.building_since,
            since: now,
            round: 0,
            delivery: None,
            handed: now,
        };
        roster.join(&joining.name, member);
        if urgent {
            self.hurry.notify_one();
        }
    }

    /// Forgets a resource.
    pub(super) fn leave(&self, name: &str, uid: &str) {
        self.roster().leave(name, uid);
    }

    /// Whether something waits for the resource.
    pub(super) fn has_delivery(&self, name: &str, uid: &str) -> bool {
        self.roster().member(name, uid).is_some_and(|member| member.delivery.is_some())
    }

    /// Takes what waits for the resource.
    pub(super) fn collect(&self, name: &str, uid: &str) -> Option<Delivery> {
        self.roster().member(name, uid)?.delivery.take()
    }

    /// Whether lists cost less here than looks at each service.
    pub(super) fn is_worthwhile(&self, settings: &Settings) -> bool {
        let roster = self.roster();
        roster.count >= settings.survey_minimum.max(1) && roster.listed <= roster.count * SPARSE
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    /// How long after the beginning of one list the next one begins.
    fn pause(&self, settings: &Settings, failures: u32) -> Duration {
        let roster = self.roster();
        let shortest = settings.survey_interval_min;
        let quiet = settings.survey_interval.min(settings.resync_interval).max(shortest);
        let pause = match roster.youngest {
            _ if roster.fresh => shortest,
            Some(since) => {
                backoff::building(since.elapsed(), shortest, settings.building_interval_max.min(quiet))
            }
            None => quiet,
        };
        let failing = shortest.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX));
        let failing = if failures == 0 { Duration::ZERO } else { failing.min(quiet) };
        pause.max(roster.took * SHARE).max(failing)
    }
}

/// Keeps one survey going until nobody takes part.
async fn keep(context: Arc<Context>, survey: Arc<Survey>) {
    let (mut last, mut failures) = (Instant::now(), 0);
    let mut jitter = rand::random();
    loop {
        if survey.is_worthwhile(&context.settings) {
            let next = last + backoff::spread(survey.pause(&context.settings, failures), jitter);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = survey.hurry.notified() => continue,
            }
        } else {
            let long = tokio::time::timeout(context.settings.resync_interval, survey.hurry.notified()).await;
            if long.is_err() && context.surveys.retire(&survey) {
                context.metrics.fleet().unlisted(&survey.key.project);
                return;
            }
            continue;
        }
        (last, jitter) = (Instant::now(), rand::random());
        let outcome = AssertUnwindSafe(survey.list(&context)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(PassError::Defect("a list panicked".to_owned())));
        match outcome {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(project = survey.key.project, failures, "lists go well again");
                }
                failures = 0;
            }
            Err(error) => {
                failures += 1;
                tell_failure!(failures, project = survey.key.project, %error, "list failed");
                survey.failed(error.class());
            }
        }
    }
}

impl fmt::Debug for Survey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Survey").field("project", &self.key.project).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves bookkeeping that is at worst out of date.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
