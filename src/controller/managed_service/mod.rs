//! One reconciliation of one resource: observe, decide and perform one step, until there is nothing left to do. A
//! reconciliation holds all its observations, and the resource as it is after the reconciliation's own writes.

mod config_map;
pub(super) mod facts;
mod handover;
pub(super) mod measure;
mod migration;
pub(super) mod observe;
pub(super) mod outcome;
mod perform;
mod pretend;
pub mod preview;
mod publish;
pub(super) mod requeue;
mod vpc_reference;

use super::{
    announcements::Announcements,
    connection_secret::SecretSeen,
    context::Context,
    edits,
    error::ReconcileError,
    memory::{Memory, Missing},
    project_poll::Listed,
    refusals,
    schedule::{
        queue::{Permit, Priority},
        scheduler::Wake,
    },
    token_use::TokenUse,
    tokens,
    valkey_cluster::now,
    watch::cached,
    work_item::WorkItem,
};
use crate::{
    cluster::{data_objects, metadata, token_secret},
    provider::{Absence, Client, Found, ProviderError, Reference, Service, Token},
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use std::{fmt::Write as _, sync::Arc};
use tokio::time::{Duration, Instant};
use valkeeper_api::{
    ManagedService,
    names::{self, reason},
    service_facts::WrittenSecret,
    validate::validate,
};
use valkeeper_engine::{
    self as engine, Decision, Desired, DriftSeen, Observed, ObservedService, Power, Remote, Report, Request,
    Step, Target, absence, conditions, failure::Class,
};

/// More steps than any reconciliation needs; a decision that repeats itself ends here instead of looping.
const MOST_STEPS: usize = 16;
/// How long a requested deletion is waited for before it is requested again.
const DELETION_PATIENCE: Duration = Duration::from_mins(1);

/// The connection ConfigMap, as far as the reconciliation has read it.
#[derive(Default)]
pub(super) enum ConfigMapSeen {
    #[default]
    Unknown,
    Absent,
    Present(Box<ConfigMap>),
}

/// A reconciliation in progress.
pub(super) struct Reconciliation<K: ManagedService> {
    pub(super) context: Arc<Context>,
    pub(super) api: Api<K>,
    pub(super) namespace: String,
    pub(super) object: K,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) memory: Memory,
    /// The connection Secret, as it was read or written last.
    pub(super) secret_seen: SecretSeen,
    pub(super) secret_written: Option<WrittenSecret>,
    /// The connection ConfigMap, as it was read or written last.
    config_map_seen: ConfigMapSeen,
    /// The certificate of the project's authority.
    pub(super) authority: Option<String>,
    pub(super) released: bool,
    announcements: Announcements,
    pub(super) drift_seen: Option<DriftSeen>,
    pub(super) migration_password: Option<SecretString>,
    /// The last request of this reconciliation that was refused, and when it is made again.
    pub(super) refusal: Option<(ReconcileError, Duration)>,
    /// The service as a list showed it, to begin with.
    pub(super) listed: Option<Listed>,
    /// Digest of what the list showed.
    pub(super) list_digest: Option<u64>,
    /// When the service was as it was seen last.
    pub(super) seen_at: Instant,
    /// When the last decision was made.
    pub(super) decided_at: Instant,
    /// The edit that it was made for. A later one, which the answer to a write may bring along, was not seen.
    pub(super) decided_edit: u64,
    /// Schedules another reconciliation of the resource.
    pub(super) wake: Wake<K>,
    /// A user waits for the effect of an edit, so these calls are sent despite a recorded outage.
    pub(super) provider: Client,
    permit: Permit,
    pub(super) token_use: TokenUse,
    /// The namespace is being deleted.
    no_secret_can_be_created: bool,
}

impl<K: ManagedService> Reconciliation<K> {
    pub(super) fn new(context: Arc<Context>, item: WorkItem<K>, wake: Wake<K>) -> Self {
        let WorkItem { object, mut memory, listed, permit } = item;
        let edit = edits::edit(&object);
        if memory.edit.is_some_and(|known| known != edit) {
            // The user who edits a resource needs the current result.
            memory.refusals.try_again();
        }
        let namespace = object.namespace().unwrap_or_default();
        Self {
            api: Api::namespaced(context.client.clone(), &namespace),
            desired: desired(&context, &object),
            namespace,
            observed: Observed::default(),
            memory,
            secret_seen: secret_before(&object),
            secret_written: None,
            config_map_seen: ConfigMapSeen::default(),
            authority: None,
            released: false,
            announcements: Announcements::default(),
            drift_seen: None,
            migration_password: None,
            refusal: None,
            listed,
            list_digest: None,
            seen_at: Instant::now(),
            decided_at: Instant::now(),
            decided_edit: edit,
            object,
            wake,
            provider: context.provider.urgent(permit.priority() == Priority::Edit),
            context,
            permit,
            token_use: TokenUse::default(),
            no_secret_can_be_created: false,
        }
    }

    /// Runs until the engine requests a pause; the last decision holds the reason.
    pub(super) async fn run(&mut self) -> Result<Decision, ReconcileError> {
        if self.memory.doubts(&self.object) {
            self.refresh().await?;
        }
        if let Some(Listed { service, digest, asked, slot: _slot }) = self.listed.take() {
            (self.observed.listed, self.list_digest) = (true, Some(digest));
            self.observed.secret_may_wait = self.memory.waits_for_first_list()
                && edits::is_settled(&self.object)
                && !edits::is_out_of_sync(&self.object);
            self.saw(*service);
            self.seen_at = asked;
        }
        for _ in 0..MOST_STEPS {
            self.recall();
            let decision = engine::decide(&self.desired, &self.observed);
            if decision.step.ends_reconciliation() || self.released {
                return Ok(decision);
            }
            tracing::debug!(step = decision.step.name(), reason = decision.report.reason, "step");
            match self.perform(&decision).await {
                Ok(()) => self.memory.refusals.were_overcome_by(&decision.step),
                Err(error) => self.note_refusal(&decision.step, error)?,
            }
        }
        Err(ReconcileError::Defect(format!("no end after {MOST_STEPS} steps")))
    }

    /// A refusal is the end of one request and not of the reconciliation.
    fn note_refusal(&mut self, step: &Step, error: ReconcileError) -> Result<(), ReconcileError> {
        let state = match &self.observed.remote {
            Remote::Present(service) if !self.desired.deleting => service.state.as_str().to_owned(),
            _ => return Err(error),
        };
        let Some(request) = Request::of(step) else { return Err(error) };
        let class = error.class();
        let attempts = self.memory.refusals.attempts(&request) + 1;
        if !refusals::concerns_one_request(&error, attempts) {
            self.memory.refusals.count(request, attempts);
            return Err(error);
        }
        if class == Class::Denied {
            self.context.token_reads.forget();
        }
        let delay = self.context.settings.retry.delay(class, attempts, rand::random());
        let failure = error.failure(&self.token_source());
        self.memory.refusals.note(request, failure, state, delay);
        self.refusal = Some((error, delay));
        Ok(())
    }

    /// Reads what the engine requested.
    pub(super) async fn observe(&mut self, target: Target) -> Result<(), ReconcileError> {
        match target {
            Target::Service => self.observe_service().await,
            Target::Object => self.read_object().await,
            Target::Secret => self.observe_secret().await,
            Target::ConfigMap => self.observe_config_map().await,
            Target::Authority => self.observe_authority().await,
            Target::Predecessor => self.observe_predecessor().await,
            Target::Successor => self.observe_successor().await,
            Target::TokenSecrets => self.observe_token_secrets().await,
            Target::Source => self.observe_source().await,
            Target::Vpc => self.follow_vpc().await,
            Target::MigrationPassword => self.read_migration_password().await,
            Target::Migration => self.follow_migration().await,
        }
    }

    async fn observe_service(&mut self) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let asked = Instant::now();
        let found = self.during(provider.service(&token, &reference)).await?;
        self.observed.listed = false;
        match found {
            Found::Service(service) => {
                let service = self.with_tags(*service).await?;
                self.saw(service);
            }
            Found::Absent(absence) => self.saw_nothing(absence).await?,
        }
        self.seen_at = asked;
        Ok(())
    }

    async fn observe_source(&mut self) -> Result<(), ReconcileError> {
        let Some(source) = self.desired.source.clone() else { return Ok(()) };
        let token = self.token().await?;
        let reference = Reference { project: source.project.clone(), service: source.name.clone() };
        let provider = self.provider.clone();
        let mut found = self.during(provider.service(&token, &reference)).await?;
        if let Found::Service(service) = &mut found
            && service.backups.as_ref().is_none_or(Vec::is_empty)
        {
            // The service may not list its backups, and the token may lack the permission to list them.
            match self.during(provider.backups(&token, &reference)).await {
                Ok(backups) => service.backups = Some(backups),
                Err(error) if matches!(error.status(), Some(403 | 404)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.observed.source = observe::source(K::KIND, &source, found);
        Ok(())
    }

    /// Reads the tags that an answer about the service lacks: without them the owner is unknown.
    pub(super) async fn with_tags(&mut self, service: Service) -> Result<Service, ReconcileError> {
        if service.tags.is_some() {
            return Ok(service);
        }
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let tags = self.during(provider.tags(&token, &reference)).await?;
        Ok(Service { tags: Some(tags), ..service })
    }

    async fn observe_secret(&mut self) -> Result<(), ReconcileError> {
        let Some(target) = &self.desired.secret else { return Ok(()) };
        let found = data_objects::get::<Secret>(&self.context.client, &self.namespace, &target.name).await?;
        self.saw_secret(found);
        Ok(())
    }

    async fn observe_token_secrets(&mut self) -> Result<(), ReconcileError> {
        let secrets = self.desired.token_secrets().map(str::to_owned).collect();
        self.observed.held_names = Some(TokenUse::held(&self.context, &self.object, secrets).await?);
        Ok(())
    }

    /// Takes in the connection Secret as the API server shows it.
    pub(super) fn saw_secret(&mut self, found: Option<Secret>) {
        let version = found.as_ref().map_or(0, crate::cluster::version);
        self.context.saw_secret(&self.desired.uid, version);
        self.secret_seen = SecretSeen::found(found);
    }

    /// A write met another version than the cache's: the watch may be behind for long, the API server is not.
    async fn refresh(&mut self) -> Result<(), ReconcileError> {
        self.read_object().await?;
        self.desired = desired(&self.context, &self.object);
        self.memory.conflicted = false;
        Ok(())
    }

    async fn read_object(&mut self) -> Result<(), ReconcileError> {
        let object = metadata::read_live(&self.api, &self.object).await?;
        self.adopt(object);
        self.observed.object_is_live = true;
        Ok(())
    }

    /// Waits for a call that changes something at the provider. Without an answer that states the outcome, the call
    /// may still take effect.
    pub(super) async fn sending<T>(
        &mut self,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let before = self.memory.requests;
        self.memory.requests.unanswered(Instant::now());
        let answer = self.during(call).await;
        match &answer {
            Err(error) if error.may_take_effect() => self.memory.requests.unanswered(Instant::now()),
            _ => self.memory.requests = before,
        }
        answer
    }

    /// Takes in an answer of the provider.
    pub(super) fn saw(&mut self, service: Service) {
        self.seen_at = Instant::now();
        self.measure_observation(Some(&service));
        let service = observe::service(service);
        self.memory.missing = Missing::default();
        self.forget_what_shows(&service);
        let owner = service.tags.get(names::OWNER_TAG).filter(|uid| **uid != self.desired.uid);
        self.observed.owner = owner.and_then(|uid| self.context.owners.find(uid));
        self.observed.remote = Remote::Present(Box::new(service));
    }

    /// Takes in an answer that there is no service. Where the resource would lose something by it and the answer
    /// may be about the project, the list of the project has to lack the service as well.
    async fn saw_nothing(&mut self, absence: Absence) -> Result<(), ReconcileError> {
        self.measure_observation(None);
        self.observed.remote = Remote::Absent;
        let now = Instant::now();
        self.memory.missing.reported(absence, now);
        let explained = self.memory.deletion_requested.is_some_and(|at| now < at + DELETION_PATIENCE);
        let matters = self.desired.initialized || (self.desired.deleting && self.desired.has_finalizer);
        let again = self.context.settings.external_wait_interval;
        if explained || !matters || !self.memory.missing.should_list(absence, now, again) {
            return Ok(());
        }
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        if self.during(provider.is_listed(&token, &reference)).await? {
            self.memory.missing = Missing::default();
            self.observed.remote = Remote::Unknown;
            return Err(ReconcileError::Contradiction(format!(
                "Cannot read {reference}: Aiven reports that it does not exist, and lists it in its project"
            )));
        }
        self.memory.missing.unlisted = true;
        Ok(())
    }

    /// The object is now `object`, as the API server answered.
    pub(super) fn adopt(&mut self, mut object: K) {
        // The same form as in the cache, or a comparison with it would see an edit.
        cached::prune(&mut object);
        self.desired = desired(&self.context, &object);
        self.insert_migration_password();
        self.memory.wrote(&object);
        self.object = object;
    }

    pub(super) async fn token(&mut self) -> Result<Token, ReconcileError> {
        self.token_use.read(&self.context, &self.object).await
    }

    /// Waits for a call of the provider; while it is slow, other reconciliations use the permit.
    pub(super) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        self.permit.during(call).await
    }

    pub(super) fn reference(&self) -> Reference {
        Reference { project: self.desired.project.clone(), service: self.desired.name.clone() }
    }

    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            block_owner_deletion: Some(true),
            ..self.object.controller_owner_ref(&()).unwrap_or_default()
        }
    }

    /// Where the token of this reconciliation came from, or should have come from, in words.
    pub(super) fn token_source(&self) -> String {
        self.token_use.source(&self.context, &self.object)
    }

    /// Finds out whether a Secret that is missing can be created at all, where that decides what to do about it.
    pub(super) async fn observe_namespace(&mut self, error: &ReconcileError) {
        if let (ReconcileError::NoTokenSecret { secret, .. }, true) = (error, self.desired.deleting)
            && let Some((namespace, name)) = secret.split_once('/')
        {
            let possible = token_secret::can_be_created(&self.context.client, namespace, name).await;
            self.no_secret_can_be_created = !possible;
        }
    }

    /// The report of a failed reconciliation.
    pub(super) fn failure(&self, error: &ReconcileError) -> Report {
        let mut failure = error.failure(&self.token_source());
        // A project that cannot be found anymore proves nothing about the service in it.
        failure.passing |= self.desired.initialized && error.is_about_the_project();
        if let (ReconcileError::NoTokenSecret { secret, .. }, true) = (error, self.no_secret_can_be_created) {
            let (kind, name) = (K::KIND.name(), &self.desired.name);
            failure.message = format!(
                "Cannot delete service {name}: Secret {secret} with its token is gone, and in a namespace that is \
                 being deleted none can be created. Name another Secret in spec.authSecretRef, or annotate {kind} \
                 {name} with {}={}.",
                names::DELETION_POLICY,
                names::DELETION_POLICY_ORPHAN
            );
        } else if self.desired.deleting && !failure.passing {
            let _ = write!(
                failure.message,
                " To delete {} {} without its service, annotate it with {}={}.",
                K::KIND.name(),
                self.desired.name,
                names::DELETION_POLICY,
                names::DELETION_POLICY_ORPHAN
            );
        }
        Report::failed(&failure, &self.desired, &self.observed, self.memory.failures)
    }

    fn recall(&mut self) {
        let now = Instant::now();
        (self.decided_at, self.decided_edit) = (now, edits::edit(&self.object));
        self.observed.unsettled = self.memory.settles_at.is_some_and(|until| now < until);
        let secret = self.token_use.secret(&self.context, &self.object);
        self.desired.token_secret = secret.map(|(_, name)| name);
        self.observed.token_is_held = self.token_use.is_held(&self.context, &self.object);
        self.recall_authority();
        self.recall_secret();
        self.recall_config_map();
        self.recall_sent();
        self.recall_refusals();
        self.observed.deletion_requested =
            self.memory.deletion_requested.is_some_and(|at| now < at + DELETION_PATIENCE);
        self.memory.requests.seen(self.desired.has_finalizer, now);
        let over = self.memory.requests.over_at(self.context.settings.late_effect());
        self.observed.requests_may_take_effect = over.is_some_and(|over| self.seen_at < over);
        let evidence = self.memory.missing.evidence(now, self.observed.deletion_requested);
        self.observed.absence_is_certain =
            absence::is_certain(evidence, self.context.settings.absence_period);
    }

    /// The meaning of the Secret depends on the current state of the service.
    fn recall_secret(&mut self) {
        let connection = match &self.observed.remote {
            Remote::Present(service) => service.connection.as_ref(),
            Remote::Unknown | Remote::Absent => None,
        };
        let Some(target) = &self.desired.secret else { return };
        let found = self.secret_seen.judge(&self.owner(), target, connection);
        self.observed.secret = found.secret;
        self.secret_written = found.record.or_else(|| self.secret_written.take());
    }

    fn recall_sent(&mut self) {
        let generation = self.desired.generation;
        self.memory.sent.take_if(|sent| sent.0 != generation || sent.1.is_empty());
        let sent = self.memory.sent.as_deref().map(|(_, sent)| sent.clone()).unwrap_or_default();
        self.observed.sent = Some(sent.patch).filter(|patch| !patch.is_empty());
        self.observed.sent_tags = Some(sent.tags).filter(|tags| !tags.is_empty());
    }

    /// Drops sent changes once the service shows them.
    fn forget_what_shows(&mut self, service: &ObservedService) {
        let unsettled = self.memory.settles_at.is_some_and(|until| Instant::now() < until);
        if let (Some(sent), false) = (&mut self.memory.sent, unsettled)
            && service.state.power() != Power::Changing
        {
            sent.1 = sent.1.common(&engine::outstanding(&self.desired, service));
        }
    }

    fn recall_refusals(&mut self) {
        let state = match &self.observed.remote {
            Remote::Present(service) => service.state.as_str(),
            Remote::Unknown | Remote::Absent => return,
        };
        self.observed.refused = self.memory.refusals.seen_from(state, self.decided_at);
    }
}

/// Reads a Secret that caused a conflict before; without the read, each reconciliation would try to create it.
fn secret_before<K: ManagedService>(object: &K) -> SecretSeen {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    match conditions::reason_of_ready(conditions) {
        Some(reason::SECRET_CONFLICT) => SecretSeen::Exists,
        _ => SecretSeen::Unknown,
    }
}

fn desired<K: ManagedService>(context: &Context, object: &K) -> Desired {
    let defaults = context.settings.policy_defaults();
    let mut desired = Desired::of(object, defaults).scheduled(object, now());
    desired.violations = validate(object);
    let target = desired.secret.as_ref().map(|target| target.name.clone());
    desired.violations.extend(tokens::misplaced_connection(&context.settings, target.as_deref()));
    desired
}
