//! One list of a project: reads the token, offers each service to its waiting subscribers, and triggers a read for
//! services that are missing from the list.

use super::{
    ProjectPoller, UNCOLLECTED,
    subscribers::{Delivery, Listed, Sighting},
};
use crate::{
    controller::{
        context::Context,
        error::ReconcileError,
        managed_service::observe,
        tokens::{self, Sourced, TokenSource},
    },
    provider::{self, Heading, Service, Token},
    telemetry::repeats::log_failure,
};
use std::sync::Arc;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant},
};
use valkeeper_engine::{failure::Class, orphans};

impl ProjectPoller {
    /// Reads the token; those whose token has become another one are sent away.
    async fn token(&self, context: &Context) -> Result<Option<Sourced>, ReconcileError> {
        let mut outcome = Ok(None);
        let sources = self.subscribers().sources();
        for source in sources {
            match tokens::token(context, &source).await {
                Ok(found) if context.project_pollers.fits(&found.token, self) => {
                    self.check_hold(context, &source, &found);
                    return Ok(Some(found));
                }
                Ok(_) => self.subscribers().drop_source(&source, Instant::now()),
                Err(unusable) => outcome = Err(unusable.error),
            }
        }
        outcome
    }

    /// One resource is reconciled if the token Secret has lost the finalizer that keeps it in place.
    fn check_hold(&self, context: &Context, source: &Arc<TokenSource>, found: &Sourced) {
        let Some(name) = &found.secret else { return };
        if !context.token_reads.is_held(&(source.namespace.clone(), name.clone())) {
            let pause = context.settings.external_wait_interval;
            self.subscribers().request_one_observation(source, pause, Instant::now());
        }
    }

    /// Lists the project once.
    pub(super) async fn list(&self, context: &Context) -> Result<(), ReconcileError> {
        let Some(Sourced { token, source, .. }) = self.token(context).await? else { return Ok(()) };
        let outcome = self.list_with(context, &token).await;
        outcome.map_err(|error| context.token_pauses.learn(&token, &source, error))
    }

    async fn list_with(&self, context: &Context, token: &Token) -> Result<(), ReconcileError> {
        let (round, asked) = (self.subscribers().begin(), Instant::now());
        let pause = self.pause(&context.settings).unwrap_or_default();
        let mut services = context.provider.services(token, &self.key.project).await?;
        context.token_pauses.accepted(token);
        let (mut listed, mut waited, mut owners) = (0, Duration::ZERO, Vec::new());
        let mut is_ours = |name: &str, heading: &Heading<'_>| {
            listed += 1;
            owners.extend(heading.tags.as_ref().and_then(orphans::owner).map(str::to_owned));
            self.subscribers().has(name)
        };
        while let Some(found) = services.next(&mut is_ours).await? {
            match found {
                provider::Listed::Service(service) => {
                    let digest = context.project_pollers.digest(&observe::service((*service).clone()));
                    let sighting = Sighting { digest, asked, round, pause };
                    waited += self.offer(context, service, sighting).await;
                }
                provider::Listed::Unreadable { name, cause } => {
                    self.request_observation(context, &name, &cause, round);
                }
            }
        }
        context.metrics.fleet().listed(&self.key.project, owners.iter().map(String::as_str));
        let whole = asked.elapsed();
        self.subscribers().finish(round, listed, [whole.saturating_sub(waited), whole], Instant::now());
        Ok(())
    }

    /// Offers a service to those who wait for it; returns how long that had to wait for a slot.
    async fn offer(&self, context: &Context, service: Box<Service>, sighting: Sighting) -> Duration {
        let (name, begun) = (service.service_name.clone(), Instant::now());
        if self.subscribers().record(&name, sighting) == 0 {
            return Duration::ZERO;
        }
        let mut remaining = Some(service);
        while let Some(service) = remaining.take() {
            let Some(slot) = self.slot(context).await else { break };
            let mut subscribers = self.subscribers();
            // Two resources may name one service; each gets its own copy.
            let wanting = subscribers.waiting(&name).filter(|subscriber| subscriber.wants(sighting)).count();
            remaining = (wanting > 1).then(|| service.clone());
            if let Some(subscriber) = subscribers.waiting(&name).find(|subscriber| subscriber.wants(sighting))
            {
                let listed = Listed { service, digest: sighting.digest, asked: sighting.asked, slot };
                subscriber.hand(Delivery::Listed(listed), Instant::now());
            }
        }
        begun.elapsed()
    }

    /// Triggers reads, in intervals, by the subscribers of a service that the list does not show properly.
    fn request_observation(&self, context: &Context, name: &str, cause: &str, round: u64) {
        let project = &self.key.project;
        let times = context.repeats.failed(&format!("service {name} in lists of {project}"), cause);
        log_failure!(times, service = name, project, cause, "service in list not readable");
        let mut subscribers = self.subscribers();
        for subscriber in subscribers.waiting(name) {
            subscriber.round = round;
            let rested = subscriber.since.elapsed() >= context.settings.external_wait_interval;
            if rested && subscriber.delivery.is_none() {
                subscriber.hand(Delivery::Observe, Instant::now());
            }
        }
    }

    /// Waits until fewer services are in progress.
    async fn slot(&self, context: &Context) -> Option<OwnedSemaphorePermit> {
        loop {
            let slot = Arc::clone(&context.project_pollers.slots).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(UNCOLLECTED, slot).await {
                return slot.ok();
            }
            // Their resources are gone.
            self.subscribers().reclaim(UNCOLLECTED, Instant::now());
        }
    }

    /// A list failed. Where lists are refused for good, every waiting subscriber reads its service. Other resources
    /// are scheduled by their own clock.
    pub(super) fn failed(&self, class: Class) {
        if matches!(class, Class::Transient | Class::Throttled { .. } | Class::Conflict) {
            return;
        }
        let now = Instant::now();
        for subscriber in self.subscribers().all() {
            let waits = subscriber.building_since.is_some() || subscriber.known.is_empty();
            if waits && subscriber.delivery.is_none() {
                subscriber.hand(Delivery::Observe, now);
            }
        }
    }
}
