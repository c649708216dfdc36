//! The plan of one run: the counter, the log, and what is still to go wrong.

use super::disturbance::Disturbance;
use super::mode::Mode;
use super::news::News;
use super::schedule::{Lane, Place, Schedule};
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The Kubernetes API.
    Kubernetes,
    /// The provider's API.
    Provider,
}

/// A call as it is made.
#[derive(Clone)]
pub struct Request {
    /// Who is called.
    pub side: Side,
    /// The lane in which the call is numbered.
    pub lane: Lane,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The body, where it is JSON.
    pub body: Value,
}

/// A call as the log keeps it. Its `Debug` shows no bodies.
#[derive(Clone)]
pub struct CallRecord {
    /// The call.
    pub request: Request,
    /// Its number while the plan was armed.
    pub place: Option<Place>,
    /// What went wrong.
    pub mode: Option<Mode>,
    /// Whether it took effect: it was carried out and succeeded.
    pub executed: bool,
    /// The status that the server answered, which need not have reached the operator.
    pub status: Option<u16>,
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(formatter, "{place}: ")?,
            None => write!(formatter, "-: ")?,
        }
        write!(formatter, "{} {}", self.request.method, self.request.path)?;
        if let Some(status) = self.status {
            write!(formatter, " -> {status}")?;
        }
        if let Some(mode) = self.mode {
            write!(formatter, " [{mode}]")?;
        }
        Ok(())
    }
}

/// Sees every call before it is carried out, whatever goes wrong with it.
pub type Inspector = Arc<dyn Fn(Request) -> BoxFuture<'static, ()> + Send + Sync>;

/// Receives the disturbances of a plan when it is armed, and none when it is disarmed.
pub type Disturbed = Arc<dyn Fn(&[Disturbance]) + Send + Sync>;

/// What goes wrong with the calls of one operator; cheap to clone.
#[derive(Clone, Default)]
pub struct FaultPlan {
    state: Arc<Mutex<State>>,
    crashed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    armed: bool,
    /// Which log is kept: arming begins a new one.
    volume: usize,
    next: BTreeMap<Lane, usize>,
    calls: Vec<CallRecord>,
    message: String,
    inspector: Option<Inspector>,
    /// Which of the next changes in watches has a fault, and which one.
    news: Option<(usize, News)>,
    /// The revision as of which the next list of custom resources is answered.
    past: Option<String>,
    /// What happens to so many calls to the provider that come next.
    spell: Option<(Mode, u32)>,
    watch_lag: Option<Duration>,
    disturbed: Option<Disturbed>,
}

/// A call in progress.
pub(crate) struct Started {
    volume: usize,
    index: usize,
    pub(crate) mode: Option<Mode>,
    /// The text of the provider's error that the fault makes up.
    pub(crate) message: String,
}

impl State {
    /// What goes wrong with the call at `place`.
    fn mode_at(&mut self, place: Place, side: Side) -> Option<Mode> {
        match self.schedule.take(place) {
            Some(fault) if fault.times == 1 => return Some(fault.mode),
            // Repeated faults are the provider's: a call to Kubernetes only determines when they begin.
            Some(fault) => self.spell = Some((fault.mode, fault.times)),
            None => {}
        }
        let (mode, left) = self.spell.filter(|(_, left)| side == Side::Provider && *left > 0)?;
        self.spell = Some((mode, left - 1));
        Some(mode)
    }
}

impl FaultPlan {
    /// A plan that is not armed: calls are noted, but neither counted nor harmed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts from 0 from now on, and injects the faults of `schedule`.
    pub fn arm(&self, schedule: Schedule) {
        self.disturb_with(schedule.disturbances());
        let mut state = self.lock();
        state.schedule = schedule;
        state.armed = true;
        state.volume += 1;
        state.spell = None;
        state.next.clear();
        state.calls.clear();
    }

    /// Nothing goes wrong any more; returns the faults that did not happen.
    pub fn disarm(&self) -> Schedule {
        self.disturb_with(&[]);
        let mut state = self.lock();
        state.armed = false;
        (state.news, state.past, state.spell) = (None, None, None);
        std::mem::take(&mut state.schedule)
    }

    /// Sets the receiver of the active disturbances.
    pub fn set_disturbed(&self, disturbed: Disturbed) {
        self.lock().disturbed = Some(disturbed);
    }

    fn disturb_with(&self, disturbances: &[Disturbance]) {
        let lag = disturbances.iter().find_map(|each| match each {
            Disturbance::WatchLag(lag) => Some(*lag),
            _ => None,
        });
        let disturbed = {
            let mut state = self.lock();
            state.watch_lag = lag;
            state.disturbed.clone()
        };
        if let Some(disturbed) = disturbed {
            disturbed(disturbances);
        }
    }

    /// How much later a watch delivers what arrives now.
    pub(crate) fn watch_lag(&self) -> Option<Duration> {
        self.lock().watch_lag
    }

    /// The text of the provider's errors that faults make up.
    pub fn set_message(&self, message: impl Into<String>) {
        self.lock().message = message.into();
    }

    /// Sets who sees every call before it is carried out.
    pub fn set_inspector(&self, inspector: Inspector) {
        self.lock().inspector = Some(inspector);
    }

    /// Lets the change with `number`, counted from 0 over all watches of custom resources, go astray.
    pub fn disturb(&self, number: usize, news: News) {
        self.lock().news = Some((number, news));
    }

    /// Lets the next list of custom resources show the past.
    pub fn show_past(&self, revision: impl Into<String>) {
        self.lock().past = Some(revision.into());
    }

    /// Whether what was to happen to lists and watches is still to happen.
    pub fn is_disturbed(&self) -> bool {
        let state = self.lock();
        state.news.is_some() || state.past.is_some()
    }

    /// The fault of the next change in a watch.
    pub(crate) fn next_fault(&self) -> Option<News> {
        let mut state = self.lock();
        match &mut state.news {
            Some((0, _)) => state.news.take().map(|(_, news)| news),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    /// The revision as of which a list that begins now is answered.
    pub(crate) fn past(&self) -> Option<String> {
        self.lock().past.take()
    }

    /// The calls since the plan was armed, or made.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().calls.clone()
    }

    /// How many calls so far are such as `counts`; without a copy of the log.
    pub fn count(&self, counts: impl Fn(&CallRecord) -> bool) -> usize {
        self.lock().calls.iter().filter(|call| counts(call)).count()
    }

    /// How many numbers of `lane` are used up.
    pub fn counted(&self, lane: Lane) -> usize {
        self.lock().next.get(&lane).copied().unwrap_or_default()
    }

    /// Waits until the plan reports that the operator has crashed.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    pub(crate) fn crash(&self) {
        self.crashed.notify_one();
    }

    /// Numbers a call and returns its fate.
    pub(crate) async fn begin(&self, request: Request) -> Started {
        let (started, inspector) = {
            let mut state = self.lock();
            let place = state.armed.then(|| {
                let counter = state.next.entry(request.lane).or_default();
                *counter += 1;
                Place { lane: request.lane, number: *counter - 1 }
            });
            let mode = place.and_then(|place| state.mode_at(place, request.side));
            let index = state.calls.len();
            let record = CallRecord { request: request.clone(), place, mode, executed: false, status: None };
            state.calls.push(record);
            (
                Started { volume: state.volume, index, mode, message: state.message.clone() },
                state.inspector.clone(),
            )
        };
        if let Some(inspector) = inspector {
            inspector(request).await;
        }
        started
    }

    /// Notes what became of a call.
    pub(crate) fn finish(&self, started: &Started, status: u16) {
        let mut state = self.lock();
        if state.volume != started.volume {
            return;
        }
        if let Some(record) = state.calls.get_mut(started.index) {
            record.status = Some(status);
            record.executed = status < 400;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FaultPlan").finish_non_exhaustive()
    }
}
