//! How a pass ends: what the clock of the resource is told, and whether lists of its project look after it.

use super::Pass;
use crate::{
    controller::{
        context::Context,
        edits,
        memory::Memory,
        schedule::{
            clock::{Clock, Ending, Intervals, Reason},
            turns::Wake,
        },
        survey::{Joining, Known, Survey},
        tokens::{self, TokenSource},
    },
    settings::Settings,
};
use kube::ResourceExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::ManagedService;
use valkeeper_engine::{Pace, Remote, Step, VpcReference};

impl<K: ManagedService> Pass<K> {
    /// Sets the clock after a pass that ended with `step`.
    pub(in crate::controller) fn rest(&mut self, step: &Step) {
        let ending = self.ending(step);
        self.set_clock(ending);
    }

    fn set_clock(&mut self, ending: Ending) {
        let looks_by_lists = matches!(
            ending,
            Ending::Settled | Ending::CredentialsHidden | Ending::Building(_) | Ending::Stabilizing(..)
        );
        let plan = planned(&self.context.settings, ending, self.seen_at);
        let retry = self.memory.refusals.next().map(|delay| Instant::now() + delay);
        let plan = move |poll| {
            retry.into_iter().fold(plan(poll), |clock, at| clock.no_later_than(at, Reason::Backoff))
        };
        let survey = if looks_by_lists { self.survey() } else { None };
        let Some((survey, known)) = survey else {
            self.leave_survey();
            self.memory.clock = Some(plan(None));
            return;
        };
        let joining =
            joining(&self.context.settings, &self.object, &self.wake, known, self.memory.building_since);
        // A list that was asked for before the last look may show what is over.
        let since = if self.observed.listed { self.seen_at } else { Instant::now() };
        let joining = Joining { since, ..joining };
        self.memory.clock = Some(survey.join(&self.context.settings, joining, plan));
        self.memory.survey = Some(survey);
    }

    /// Whether the first list since this process began shows what is as it should be, and hides how to connect.
    pub(in crate::controller) fn credentials_are_hidden(&self, step: &Step) -> bool {
        let Remote::Present(service) = &self.observed.remote else { return false };
        self.observed.secret_may_wait && matches!(step, Step::Done) && service.connection.is_none()
    }

    /// Takes the resource out of its survey.
    pub(in crate::controller) fn leave_survey(&mut self) {
        self.memory.leave_survey(&self.desired.name, &self.desired.uid);
    }

    fn ending(&mut self, step: &Step) -> Ending {
        match step {
            Step::Done if self.credentials_are_hidden(step) => self.ends(Ending::CredentialsHidden),
            Step::Done => self.ends(Ending::Settled),
            Step::Wait(Pace::Building) => self.changing(),
            Step::Refuse(Pace::Building) => Ending::Waiting(self.elapsed()),
            Step::Wait(Pace::Attentive) | Step::Refuse(Pace::Attentive) => self.ends(Ending::External),
            _ => self.ends(Ending::Quiet),
        }
    }

    /// For how long something has been on its way.
    fn elapsed(&mut self) -> Duration {
        self.memory.building_since.get_or_insert_with(Instant::now).elapsed()
    }

    fn ends(&mut self, ending: Ending) -> Ending {
        self.memory.building_since = None;
        ending
    }

    /// Something is on its way; whether the service shows it decides who may look for it.
    fn changing(&mut self) -> Ending {
        let elapsed = self.elapsed();
        match (&self.observed.remote, self.memory.settles_at.filter(|_| self.observed.unsettled)) {
            (Remote::Absent, _) => {
                let settings = &self.context.settings;
                let certain = self.memory.missing.certain_at(settings.absence_period);
                let over = self.memory.requests.over_at(settings.late_effect());
                certain.max(over).map_or(Ending::Waiting(elapsed), |at| Ending::Absent(elapsed, at))
            }
            (Remote::Unknown, _) => Ending::Waiting(elapsed),
            _ if self.desired.deleting => Ending::Waiting(elapsed),
            (Remote::Present(_), Some(until)) => Ending::Stabilizing(elapsed, until),
            (Remote::Present(_), None) if matches!(self.observed.vpc, VpcReference::NotReady(_)) => {
                Ending::Waiting(elapsed)
            }
            (Remote::Present(_), None) => Ending::Building(elapsed),
        }
    }

    /// The survey that can look after the service, and what is known of that when it does.
    fn survey(&mut self) -> Option<(Arc<Survey>, Known)> {
        let Remote::Present(service) = &self.observed.remote else { return None };
        let surveys = &self.context.surveys;
        let digest = surveys.digest(service);
        let used = self.token_use.token().map(|token| surveys.of(token, &self.desired.project));
        let survey = used.or_else(|| self.memory.survey.clone())?;
        if self.memory.survey.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &survey)) {
            self.leave_survey();
        }
        let known = if self.observed.listed {
            Known::listed(digest)
        } else {
            survey.known(&self.desired.name, &self.desired.uid).then_looked(digest, self.list_digest)
        };
        Some((survey, known))
    }
}

/// Lets a resource that was settled before this process began wait for the first list of its project; whether
/// that will be made.
pub(in crate::controller) async fn wait_for_a_list<K: ManagedService>(
    context: &Context,
    object: &K,
    memory: &mut Memory,
    wake: &Wake<K>,
) -> bool {
    let Ok(found) = tokens::token(context, &TokenSource::of(&context.settings, object)).await else {
        return false;
    };
    let survey = context.surveys.of(&found.token, &object.service().project);
    let joining = joining(&context.settings, object, wake, Known::default(), None);
    let clock =
        survey.join(&context.settings, joining, planned(&context.settings, Ending::NotBegun, Instant::now()));
    let waits = survey.pause(&context.settings).is_some();
    memory.survey = Some(survey);
    if waits {
        (memory.edit, memory.clock) = (Some(edits::edit(object)), Some(clock));
    }
    waits
}

/// The clock after such an ending, with a service as it was at `seen`, where lists are made that often.
pub(in crate::controller) fn planned(
    settings: &Settings,
    ending: Ending,
    seen: Instant,
) -> impl Fn(Option<Duration>) -> Clock + use<> {
    let intervals = Intervals {
        resync: settings.resync_interval,
        external: settings.external_wait_interval,
        building: [settings.building_interval_min, settings.building_interval_max],
    };
    let (now, jitter) = (Instant::now(), rand::random());
    move |poll| Clock::after(ending, [seen, now], &intervals, poll, jitter)
}

fn joining<K: ManagedService>(
    settings: &Settings,
    object: &K,
    wake: &Wake<K>,
    known: Known,
    building_since: Option<Instant>,
) -> Joining {
    let wake = wake.clone();
    Joining {
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        source: TokenSource::of(settings, object),
        wake: Box::new(move || wake.wake()),
        known,
        building_since,
        since: Instant::now(),
    }
}
