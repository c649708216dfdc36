//! How a reconciliation ends: when the resource is requeued, and whether a project poll observes its service.

use super::Reconciliation;
use crate::{
    controller::{
        context::Context,
        edits,
        memory::Memory,
        project_poll::{Joining, Known, ProjectPoller},
        schedule::{
            clock::{Clock, Ending, Intervals, Reason},
            scheduler::Wake,
        },
        tokens::{self, TokenSource},
        valkey_cluster::now,
    },
    settings::Settings,
};
use kube::ResourceExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::ManagedService;
use valkeeper_engine::{Remote, RequeueClass, Step, VpcReference};

impl<K: ManagedService> Reconciliation<K> {
    /// Sets the clock after a reconciliation that ended with `step`.
    pub(in crate::controller) fn requeue_after(&mut self, step: &Step) {
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
        let switch = self.next_switch();
        let plan = move |poll| {
            let clock =
                retry.into_iter().fold(plan(poll), |clock, at| clock.no_later_than(at, Reason::Backoff));
            switch.into_iter().fold(clock, |clock, at| clock.no_later_than(at, Reason::Switch))
        };
        let poller = if looks_by_lists { self.poller() } else { None };
        let Some((poller, known)) = poller else {
            self.leave_project_poll();
            self.memory.clock = Some(plan(None));
            return;
        };
        let joining =
            joining(&self.context.settings, &self.object, &self.wake, known, self.memory.building_since);
        // A list that was requested before the last read may be outdated.
        let since = if self.observed.listed { self.seen_at } else { Instant::now() };
        let joining = Joining { since, ..joining };
        self.memory.clock = Some(poller.join(&self.context.settings, joining, plan));
        self.memory.poller = Some(poller);
    }

    /// When the power schedule of the resource switches next.
    fn next_switch(&self) -> Option<Instant> {
        let due = self.desired.schedule.as_ref()?.next_switch()?;
        // A switch that has come since the decision is due immediately.
        Some(Instant::now() + (due - now()).to_std().unwrap_or_default())
    }

    /// Whether the first list since this process began shows what is as it should be, and hides how to connect.
    pub(in crate::controller) fn credentials_are_hidden(&self, step: &Step) -> bool {
        let Remote::Present(service) = &self.observed.remote else { return false };
        self.observed.secret_may_wait && matches!(step, Step::Done) && service.connection.is_none()
    }

    /// Takes the resource out of its project poll.
    pub(in crate::controller) fn leave_project_poll(&mut self) {
        self.memory.leave_project_poll(&self.desired.name, &self.desired.uid);
    }

    fn ending(&mut self, step: &Step) -> Ending {
        match step {
            Step::Done if self.credentials_are_hidden(step) => self.ends(Ending::CredentialsHidden),
            Step::Done => self.ends(Ending::Settled),
            Step::Wait(RequeueClass::Building) => self.changing(),
            Step::Refuse(RequeueClass::Building) => Ending::Waiting(self.elapsed()),
            Step::Wait(RequeueClass::AwaitingExternal) | Step::Refuse(RequeueClass::AwaitingExternal) => {
                self.ends(Ending::AwaitingExternal)
            }
            _ => self.ends(Ending::AwaitingSpecChange),
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

    /// A change is in progress. If lists show it, the project poll observes it.
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

    /// The project poll that can observe the service, and the digests to give to it.
    fn poller(&mut self) -> Option<(Arc<ProjectPoller>, Known)> {
        let Remote::Present(service) = &self.observed.remote else { return None };
        let pollers = &self.context.project_pollers;
        let digest = pollers.digest(service);
        let used = self.token_use.token().map(|token| pollers.of(token, &self.desired.project));
        let poller = used.or_else(|| self.memory.poller.clone())?;
        if self.memory.poller.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &poller)) {
            self.leave_project_poll();
        }
        let known = if self.observed.listed {
            Known::listed(digest)
        } else {
            poller.known(&self.desired.name, &self.desired.uid).then_observed(digest, self.list_digest)
        };
        Some((poller, known))
    }
}

/// Lets a resource that was settled before this process began wait for the first list of its project; whether
/// that will be made.
pub(in crate::controller) async fn wait_for_list<K: ManagedService>(
    context: &Context,
    object: &K,
    memory: &mut Memory,
    wake: &Wake<K>,
) -> bool {
    let Ok(found) = tokens::token(context, &TokenSource::of(&context.settings, object)).await else {
        return false;
    };
    let poller = context.project_pollers.of(&found.token, &object.service().project);
    let joining = joining(&context.settings, object, wake, Known::default(), None);
    let clock =
        poller.join(&context.settings, joining, planned(&context.settings, Ending::NotBegun, Instant::now()));
    let waits = poller.pause(&context.settings).is_some();
    memory.poller = Some(poller);
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
