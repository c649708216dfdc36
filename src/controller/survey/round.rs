//! One list of a project: reads the token, offers each service to those who wait for it, and sends those to
//! look whose service is not in it, or who can wait no longer for a list that fails.

use super::{Survey, UNCOLLECTED, roster::Delivery};
use crate::{
    controller::{
        context::Context,
        credentials::{self, Sourced},
        error::PassError,
        observe,
    },
    engine::orphans,
    failure::Class,
    provider::{Heading, Service, Token},
};
use std::sync::Arc;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Duration, Instant},
};

impl Survey {
    /// Reads the token; those whose token has become another one are sent away.
    async fn token(&self, context: &Context) -> Result<Option<Sourced>, PassError> {
        let mut outcome = Ok(None);
        let sources = self.roster().sources();
        for source in sources {
            match credentials::read(context, &source).await {
                Ok(found) if context.surveys.fits(&found.token, self) => return Ok(Some(found)),
                Ok(_) => self.roster().drop_source(&source),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// Lists the project once.
    pub(super) async fn list(&self, context: &Context) -> Result<(), PassError> {
        let Some(Sourced { token, source }) = self.token(context).await? else { return Ok(()) };
        let outcome = self.list_with(context, &token).await;
        outcome.map_err(|error| context.token_pauses.learn(&token, &source, error))
    }

    async fn list_with(&self, context: &Context, token: &Token) -> Result<(), PassError> {
        let (round, asked) = (self.roster().begin(), Instant::now());
        let mut services = context.provider.services(token, &self.key.project).await?;
        context.token_pauses.accepted(token);
        let (mut listed, mut waited, mut owners) = (0, Duration::ZERO, Vec::new());
        let mut is_ours = |heading: &Heading<'_>| {
            listed += 1;
            owners.extend(heading.tags.as_ref().and_then(orphans::owner).map(str::to_owned));
            self.roster().has(&heading.service_name)
        };
        while let Some(service) = services.next(&mut is_ours).await? {
            waited += self.offer(context, service, asked, round).await;
        }
        context.metrics.fleet().listed(&self.key.project, owners.iter().map(String::as_str));
        self.roster().finish(round, listed, asked.elapsed().saturating_sub(waited));
        Ok(())
    }

    /// Offers a service to those who wait for it; returns how long that had to wait for a slot.
    async fn offer(&self, context: &Context, service: Service, asked: Instant, round: u64) -> Duration {
        let digest = context.surveys.digest(&observe::service(service.clone()));
        let (name, begun) = (service.service_name.clone(), Instant::now());
        let wanted = {
            let mut roster = self.roster();
            roster.waiting(&name).fold(false, |wanted, member| {
                member.round = round;
                wanted | member.wants(digest, asked, begun)
            })
        };
        if !wanted {
            return Duration::ZERO;
        }
        let mut remaining = Some(service);
        while let Some(service) = remaining.take() {
            let Some(slot) = self.slot(context).await else { break };
            let now = Instant::now();
            let mut roster = self.roster();
            // Two resources may name one service; each gets its own copy.
            let wanting = roster.waiting(&name).filter(|member| member.wants(digest, asked, now)).count();
            remaining = (wanting > 1).then(|| service.clone());
            if let Some(member) = roster.waiting(&name).find(|member| member.wants(digest, asked, now)) {
                member.hand(Delivery::Listed(Box::new(service), slot));
            }
        }
        begun.elapsed()
    }

    /// Waits until fewer services are under way.
    async fn slot(&self, context: &Context) -> Option<OwnedSemaphorePermit> {
        loop {
            let slot = Arc::clone(&context.surveys.slots).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(UNCOLLECTED, slot).await {
                return slot.ok();
            }
            // Their resources are gone.
            self.roster().reclaim(UNCOLLECTED);
        }
    }

    /// A list failed: those who are due look for themselves, and so does everybody who waits for
    /// something to be built where lists are refused for good.
    pub(super) fn failed(&self, class: Class) {
        let now = Instant::now();
        let refused = !matches!(class, Class::Transient | Class::Throttled { .. } | Class::Conflict);
        for member in self.roster().all() {
            let waits = member.building_since.is_some() || member.digest.is_none();
            if member.delivery.is_none() && (now >= member.due || (refused && waits)) {
                member.hand(Delivery::Look);
            }
        }
    }
}
