//! The control surface for tests and demonstrations: read the requests to the provider, move time, create and revoke
//! tokens, make requests fail. External changes to services are in the file next to this one. Clones act on the same
//! provider, and nothing here shows up in the request log.

use super::clock::after;
use super::content::Content;
use super::faults::{Fault, Matcher};
use super::log::RequestRecord;
use super::options::{RateLimit, TokenSpec, Unknowns};
use super::project::Vpc;
use super::render::{self, Scene, Secrets};
use super::server::Shared;
use super::service::Service;
use super::world::World;
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Controls a simulated provider; cheap to clone.
#[derive(Clone)]
pub struct ProviderHandle {
    pub(super) shared: Arc<Shared>,
}

impl fmt::Debug for ProviderHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProviderHandle").finish_non_exhaustive()
    }
}

/// Reads of the request log.
impl ProviderHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Every request that is still in the log, in order of arrival.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.log().entries()
    }

    /// Requests that arrived after the one with number `sequence`.
    pub fn requests_after(&self, sequence: u64) -> Vec<RequestRecord> {
        self.shared.log().entries_after(sequence)
    }

    /// Number of requests by method and route template.
    pub fn counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.shared.log().counts()
    }

    /// Number of requests other than GET, successful or not.
    pub fn writes(&self) -> u64 {
        self.shared.log().writes()
    }

    /// Empties the log and resets the counters.
    pub fn clear_requests(&self) {
        self.shared.log().clear();
    }
}

/// Reads of services.
impl ProviderHandle {
    /// Every service of a project as a token with full access sees it, in order of name.
    pub fn services(&self, project: &str) -> Vec<Value> {
        let world = self.shared.world();
        let services: Vec<_> = world
            .projects
            .get(project)
            .map(|project| project.services.values().cloned().collect())
            .unwrap_or_default();
        services.iter().map(|service| self.snapshot(&world, service)).collect()
    }

    /// One service as a token with full access sees it.
    pub fn service(&self, project: &str, name: &str) -> Option<Value> {
        let world = self.shared.world();
        world.find(project, name).map(|service| self.snapshot(&world, service))
    }

    /// A service as it is and as it was, back to what the slowest reader may have seen a moment ago.
    pub fn service_versions(&self, project: &str, name: &str) -> Vec<Value> {
        let world = self.shared.world();
        let versions = world.find(project, name).into_iter().chain(world.earlier_services(project, name));
        versions.map(|service| self.snapshot(&world, service)).collect()
    }

    /// Every VPC of a project.
    pub fn vpcs(&self, project: &str) -> Vec<Value> {
        let world = self.shared.world();
        let vpcs =
            world.projects.get(project).map(|project| project.vpcs.values().map(Vpc::listing).collect());
        vpcs.unwrap_or_default()
    }

    /// Number of services over all projects.
    pub fn service_count(&self) -> usize {
        self.shared.world().projects.values().map(|project| project.services.len()).sum()
    }

    /// The certificate of the authority that signed the certificates of all services, as PEM; `None` where
    /// services are simulated.
    pub fn certificate_authority(&self) -> Option<String> {
        self.shared.world().servers.as_ref().map(|servers| servers.authority().to_owned())
    }

    /// Runs a command on the real server behind a service, as the platform may: the answer as texts.
    pub async fn server_command(
        &self,
        project: &str,
        name: &str,
        words: &[&str],
    ) -> anyhow::Result<Vec<String>> {
        let (servers, identity) = {
            let world = self.shared.world();
            let service = world.find(project, name).context("no such service")?;
            (world.servers.clone().context("services are simulated")?, service.identity())
        };
        servers.command(&identity, words).await
    }

    /// Everything the provider holds: projects with their services, integrations and VPCs.
    pub fn content(&self) -> Content {
        Content::of(&self.shared.world(), &self.shared.clock)
    }

    fn snapshot(&self, world: &World, service: &Service) -> Value {
        let scene = Scene {
            now: self.shared.clock.now(),
            unknowns: &world.unknowns,
            redis_end_of_life: world.timing.redis_end_of_life,
            secrets: Secrets::Shown,
        };
        render::value(service, &scene)
    }
}

/// Time, access and misbehaviour.
impl ProviderHandle {
    /// Moves the provider's time forward.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
        drop(self.shared.world());
    }

    /// Adds a token, or replaces the one with the same name.
    pub fn add_token(&self, token: &TokenSpec) {
        self.shared.world().control.add_token(token);
    }

    /// Revokes a token by name; whether there was one.
    pub fn revoke_token(&self, name: &str) -> bool {
        self.shared.world().control.revoke_token(name)
    }

    /// Names of all tokens, and whether they are accepted.
    pub fn token_names(&self) -> Vec<(String, bool)> {
        self.shared.world().control.token_names()
    }

    /// Refuses a token until it is restored; whether there was one to refuse.
    pub fn suspend_token(&self, name: &str) -> bool {
        self.shared.world().control.suspend_token(name)
    }

    /// Accepts a suspended token again; whether there was one.
    pub fn restore_token(&self, name: &str) -> bool {
        self.shared.world().control.restore_token(name)
    }

    /// Adds an empty project.
    pub fn add_project(&self, name: &str) {
        self.shared.world().projects.entry(name.to_owned()).or_default();
    }

    /// Delay added to every request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.world().control.latency = latency;
    }

    /// Requests per token before `429`.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.shared.world().control.set_rate_limit(limit);
    }

    /// Build time of everything that starts to build from now on.
    pub fn set_build_time(&self, build_time: Duration) {
        self.shared.world().timing.build_time = build_time;
    }

    /// How long everything takes that is powered off from now on.
    pub fn set_power_off_time(&self, time: Duration) {
        self.shared.world().timing.power_off_time = time;
    }

    /// How long every VPC takes that is created or deleted from now on.
    pub fn set_vpc_time(&self, time: Duration) {
        self.shared.world().timing.vpc_time = time;
    }

    /// Wait for the first backup of everything that is built from now on.
    pub fn set_backup_after(&self, wait: Duration) {
        self.shared.world().timing.backup_after = wait;
    }

    /// Whether `redis` services may be created.
    pub fn allow_redis_creation(&self, allowed: bool) {
        self.shared.world().redis_creation_allowed = allowed;
    }

    /// When, counted from now, Redis services become Valkey services.
    pub fn set_redis_end_of_life(&self, wait: Option<Duration>) {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.timing.redis_end_of_life = wait.map(|wait| after(now, wait));
        world.forget_renderings();
        world.schedule_all();
    }

    /// Changes how the provider behaves where documentation leaves it open.
    pub fn set_unknowns(&self, change: impl FnOnce(&mut Unknowns)) {
        let mut world = self.shared.world();
        change(&mut world.unknowns);
        world.forget_renderings();
    }

    /// Makes the next `times` requests that match fail.
    pub fn fail_next(&self, matcher: Matcher, times: u32, fault: Fault) {
        self.shared.script().add(matcher, times, fault);
    }

    /// How far the provider's time moves with every request from now on, so that durations are a matter of reads and
    /// not of the speed of a machine.
    pub fn set_time_per_request(&self, time: Duration) {
        self.shared.world().control.time_per_request = time;
    }

    /// Failures that are scripted and have not happened yet.
    pub fn pending_faults(&self) -> u32 {
        self.shared.script().remaining()
    }

    /// Requests without an answer that are still to take effect.
    pub fn late_requests(&self) -> usize {
        self.shared.late.load(Ordering::SeqCst)
    }

    /// Drops all scripted failures.
    pub fn clear_faults(&self) {
        self.shared.script().clear();
    }
}
