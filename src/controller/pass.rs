//! One pass over one resource: observe, decide, perform one step, again, until there is nothing to do
//! now. A pass holds everything it learnt, and the resource as it is after the pass's own writes.

use super::{
    cached,
    context::Context,
    credentials::{self, Sourced},
    error::PassError,
    memory::Memory,
    observe,
    queue::{Lane, Permit},
    reconcile::{Listed, Turn},
    turns::Wake,
};
use crate::{
    api::{ManagedService, names, service_facts::WrittenSecret, validate::validate},
    cluster::secrets,
    engine::{self, Decision, Desired, DriftSeen, Observed, Remote, Report, Source, connection},
    provider::{Client, Reference, Service, Token},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};
use tokio::time::{Duration, Instant};

/// More steps than any pass needs; a decision that repeats itself ends here instead of looping.
const MOST_STEPS: usize = 16;
/// How long a requested deletion is waited for before it is requested again.
const DELETION_PATIENCE: Duration = Duration::from_mins(1);

/// A pass under way.
pub(super) struct Pass<K: ManagedService> {
    pub(super) context: Arc<Context>,
    pub(super) api: Api<K>,
    pub(super) namespace: String,
    pub(super) object: K,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) memory: Memory,
    pub(super) secret_seen: secrets::Look,
    pub(super) secret_written: Option<WrittenSecret>,
    pub(super) released: bool,
    pub(super) told: Vec<&'static str>,
    pub(super) drift_seen: Option<DriftSeen>,
    pub(super) migration_password: Option<SecretString>,
    /// The service as a list showed it, to begin with.
    pub(super) listed: Option<Listed>,
    /// Gives the resource another turn.
    pub(super) wake: Wake<K>,
    /// Somebody waits for what an edit does, and is not told of an outage from memory.
    pub(super) provider: Client,
    permit: Permit,
    token: Option<Sourced>,
    /// Where a token is, or should be, that cannot be used.
    unusable: Option<String>,
}

impl<K: ManagedService> Pass<K> {
    pub(super) fn new(context: Arc<Context>, turn: Turn<K>, wake: Wake<K>) -> Self {
        let Turn { object, memory, listed, permit } = turn;
        let namespace = object.namespace().unwrap_or_default();
        Self {
            api: Api::namespaced(context.client.clone(), &namespace),
            desired: desired(&context, &object),
            namespace,
            object,
            observed: Observed::default(),
            memory,
            secret_seen: secrets::Look::default(),
            secret_written: None,
            released: false,
            told: Vec::new(),
            drift_seen: None,
            migration_password: None,
            listed,
            wake,
            provider: context.provider.urgent(permit.lane() == Lane::Edit),
            context,
            permit,
            token: None,
            unusable: None,
        }
    }

    /// Goes on until the engine wants to rest; the last decision says why.
    pub(super) async fn run(&mut self) -> Result<Decision, PassError> {
        if self.memory.doubts(&self.object) {
            self.refresh().await?;
        }
        self.read_migration_password().await?;
        self.follow_vpc().await?;
        if let Some((service, _slot)) = self.listed.take() {
            self.observed.listed = true;
            self.saw(Some(*service)).await?;
        }
        for _ in 0..MOST_STEPS {
            self.recall();
            let decision = engine::decide(&self.desired, &self.observed);
            if decision.step.ends_the_pass() || self.released {
                return Ok(decision);
            }
            tracing::debug!(step = decision.step.name(), reason = decision.report.reason, "step");
            self.perform(&decision).await?;
        }
        Err(PassError::Defect(format!("no rest after {MOST_STEPS} steps")))
    }

    /// Reads what the engine asked for: the object if it came from a cache, then the service, then the
    /// Secret when the service is up.
    pub(super) async fn look(&mut self) -> Result<(), PassError> {
        if matches!(self.observed.remote, Remote::Unknown) || self.observed.listed {
            let token = self.token().await?;
            let reference = self.reference();
            let found = {
                let provider = self.provider.clone();
                self.during(provider.service(&token, &reference)).await?
            };
            self.observed.listed = false;
            return self.saw(found).await;
        }
        if let (Remote::Absent, Source::Unknown, Some(source)) =
            (&self.observed.remote, &self.observed.source, self.desired.source.clone())
        {
            let token = self.token().await?;
            let reference = Reference { project: source.project.clone(), service: source.name.clone() };
            let found = {
                let provider = self.provider.clone();
                self.during(provider.service(&token, &reference)).await?
            };
            self.observed.source = observe::source(K::KIND, &source, found);
            return Ok(());
        }
        self.read_object().await
    }

    /// A write met another version than the cache's: the watch may be behind for long, the API server is not.
    async fn refresh(&mut self) -> Result<(), PassError> {
        self.read_object().await?;
        self.desired = desired(&self.context, &self.object);
        self.memory.conflicted = false;
        Ok(())
    }

    async fn read_object(&mut self) -> Result<(), PassError> {
        let name = self.object.name_any();
        let doing = || format!("reading {} {name}", K::KIND.name());
        let object = crate::cluster::bounded(doing, self.api.get(&name)).await?;
        if object.meta().uid != self.object.meta().uid {
            return Err(PassError::Cluster(crate::cluster::ClusterError::replaced(K::KIND.name(), &name)));
        }
        self.adopt(object);
        self.observed.object_is_live = true;
        Ok(())
    }

    /// Takes in an answer of the provider, and looks at the Secret if the service is up.
    pub(super) async fn saw(&mut self, found: Option<Service>) -> Result<(), PassError> {
        self.measure_look(found.as_ref());
        let Some(service) = found.map(observe::service) else {
            self.memory.saw_nothing();
            self.observed.remote = Remote::Absent;
            return Ok(());
        };
        self.memory.absent_since = None;
        if let (Some(target), Some(connection), false) =
            (&self.desired.secret, &service.connection, self.desired.deleting)
        {
            let content = connection::content(target, connection);
            let owner = self.owner();
            self.secret_seen = secrets::look(&self.context.client, &self.namespace, &content, &owner).await?;
            self.context.saw_secret(&self.desired.uid, self.secret_seen.version);
            self.secret_written.clone_from(&self.secret_seen.record);
            self.observed.secret = self.secret_seen.finding.clone();
        }
        self.follow_migration(&service).await?;
        self.observed.remote = Remote::Present(Box::new(service));
        Ok(())
    }

    /// The object is now `object`, as the API server answered.
    pub(super) fn adopt(&mut self, mut object: K) {
        // The same form as in the cache, or a comparison with it would see an edit.
        cached::prune(&mut object);
        let previously = self.desired.previously_declared.take();
        self.desired = desired(&self.context, &object);
        self.desired.previously_declared = previously;
        self.insert_migration_password();
        self.memory.wrote(&object);
        self.object = object;
    }

    pub(super) async fn token(&mut self) -> Result<Token, PassError> {
        if self.token.is_none() {
            let own = self.object.service().auth_secret_ref.as_ref();
            let read = credentials::token(&self.context, &self.namespace, own).await;
            let read = read.inspect_err(|unusable| self.unusable = Some(unusable.source.clone()));
            self.token = Some(read?);
        }
        let token = self.token.as_ref().map(|sourced| sourced.token.clone());
        token.ok_or_else(|| PassError::Defect("no token after reading one".to_owned()))
    }

    /// The token that this pass has used, if it used one.
    pub(super) fn used_token(&self) -> Option<&Token> {
        self.token.as_ref().map(|sourced| &sourced.token)
    }

    /// Waits for a call of the provider; while it is slow others work.
    pub(super) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        self.permit.during(call).await
    }

    /// Namespace and name of the Secret with the resource's own token.
    pub(super) fn token_secret(&self) -> Option<(String, String)> {
        let reference = self.object.service().auth_secret_ref.as_ref()?;
        Some((self.namespace.clone(), reference.name.clone()))
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

    /// What the status should list as declared: what is declared now, and what was and is not reset yet.
    pub(super) fn declared_fields(&self, all_sent: bool) -> Vec<String> {
        let mut fields: BTreeSet<_> = self.desired.declared.clone();
        if !all_sent {
            fields.extend(self.desired.previously_declared.iter().flatten().cloned());
        }
        fields.into_iter().collect()
    }

    /// Where the token of this pass came from, or should have come from, in words.
    pub(super) fn token_source(&self) -> String {
        let used = self.token.as_ref().map(|sourced| &sourced.source);
        if let Some(source) = used.or(self.unusable.as_ref()) {
            return source.clone();
        }
        match self.token_secret() {
            Some((namespace, name)) => format!("Secret {namespace}/{name}"),
            None => "the operator's default token".to_owned(),
        }
    }

    /// What the end of the pass says about the token it used, which other resources may use as well.
    pub(super) fn learn_about_token<T>(&self, outcome: Result<T, PassError>) -> Result<T, PassError> {
        let Some(Sourced { token, source }) = &self.token else { return outcome };
        let pauses = &self.context.token_pauses;
        outcome.inspect(|_| pauses.accepted(token)).map_err(|error| pauses.learn(token, source, error))
    }

    /// The report of a failed pass.
    pub(super) fn failure(&self, error: &PassError) -> Report {
        let mut failure = error.failure(&self.token_source());
        if self.desired.deleting && !failure.passing {
            let _ = write!(
                failure.message,
                ". The service is not deleted until then; to leave it at the provider, annotate this object {}={}",
                names::DELETION_POLICY,
                names::DELETION_POLICY_ORPHAN
            );
        }
        Report::failed(&failure, &self.desired, &self.observed)
    }

    fn recall(&mut self) {
        let now = Instant::now();
        self.observed.unsettled = self.memory.settles_at.is_some_and(|until| now < until);
        self.observed.token_is_held =
            self.token_secret().is_none_or(|key| self.context.held_tokens().contains(&key));
        let generation = self.desired.generation;
        let sent = self.memory.sent.as_deref().filter(|(sent_for, _)| *sent_for == generation);
        self.observed.sent = sent.map(|(_, patch)| patch.clone());
        self.observed.deletion_requested =
            self.memory.deletion_requested.is_some_and(|at| now < at + DELETION_PATIENCE);
        // A deletion that the provider has accepted explains an absence.
        let long = self.context.settings.building_interval_min / 2;
        self.observed.absence_is_certain = self.observed.deletion_requested
            || self.memory.absent_since.is_some_and(|since| now >= since + long);
    }
}

fn desired<K: ManagedService>(context: &Context, object: &K) -> Desired {
    let defaults = context.settings.policy_defaults();
    let mut desired = Desired::of(object, defaults);
    desired.violations = validate(object).iter().map(ToString::to_string).collect();
    desired.violations.extend(credentials::misplaced_connection(&context.settings, &desired));
    desired
}
