//! What all reconciliations share.

use super::{
    authorities::Authorities,
    backup::{Backups, Schedules},
    memory::Memories,
    project_poll::ProjectPollers,
    schedule::queue::Queue,
    secret_tracker::SecretTracker,
    tokens::{cache::TokenReads, pauses::TokenPauses},
    user::Users,
    valkey_cluster::Clusters,
    watch::owners::Owners,
};
use crate::{
    cluster::events::Recorder,
    ha::Fence,
    provider::{Address, AddressError, Client as Provider},
    server::health::Health,
    settings::Settings,
    telemetry::{metrics::Metrics, repeats::Repeats},
};
use kube::Client;
use std::sync::Arc;
use tokio::time::Instant;

/// Shared handles and limits; one per process.
pub struct Context {
    pub(super) client: Client,
    /// Closes when this process leads no more. The clients ask it themselves; verbs to instances ask it here.
    pub(super) fence: Fence,
    pub(super) provider: Provider,
    pub(super) recorder: Recorder,
    pub(super) settings: Settings,
    /// The bound on concurrent work.
    pub(super) queue: Arc<Queue>,
    /// The same for self-hosted clusters, whose failovers do not wait for managed services.
    pub(super) cluster_queue: Arc<Queue>,
    pub(super) clusters: Clusters,
    pub(super) backups: Backups,
    pub(super) schedules: Schedules,
    pub(super) users: Users,
    pub(super) memories: Memories,
    pub(super) owners: Owners,
    /// Tracker of changes to Secrets, where the operator watches them.
    pub(super) secret_tracker: Option<SecretTracker>,
    pub(super) project_pollers: ProjectPollers,
    pub(super) authorities: Authorities,
    pub(super) token_reads: TokenReads,
    pub(super) token_pauses: TokenPauses,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) repeats: Arc<Repeats>,
}

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The provider's address is not acceptable.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The TLS stack did not start.
    #[error("cannot set up the provider client: {0}")]
    Provider(#[from] reqwest::Error),
    /// An address to listen on, or the certificate for it, cannot be used.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
}

/// Where reconciliations emit their events.
#[derive(Clone)]
pub struct Instruments {
    /// For probes.
    pub health: Health,
    /// For dashboards and alerts.
    pub metrics: Metrics,
}

/// A client for the provider of these settings; makes no calls.
pub fn provider(settings: &Settings, metrics: Metrics) -> Result<Provider, StartError> {
    let address = Address::parse(&settings.provider_url, settings.allow_plain_http)?;
    Ok(Provider::new(address, settings.provider_limits())?.measured(metrics))
}

impl Context {
    /// Puts the handles together.
    pub fn new(
        settings: Settings,
        client: Client,
        provider: Provider,
        recorder: Recorder,
        instruments: Instruments,
    ) -> Self {
        let secret_tracker = settings.watch_secrets.then(SecretTracker::default);
        let token_pauses = TokenPauses::new(settings.token_pause);
        let Instruments { health, metrics } = instruments;
        let queue = || Queue::new(settings.concurrency, health.clone(), settings.reconcile_timeout);
        let (queue, cluster_queue) = (queue(), queue());
        Self {
            client,
            fence: Fence::open(),
            provider,
            recorder,
            settings,
            queue,
            cluster_queue,
            clusters: Clusters::default(),
            backups: Backups::default(),
            schedules: Schedules::default(),
            users: Users::default(),
            health,
            metrics,
            repeats: Arc::default(),
            memories: Memories::default(),
            owners: Owners::default(),
            secret_tracker,
            project_pollers: ProjectPollers::default(),
            authorities: Authorities::default(),
            token_reads: TokenReads::default(),
            token_pauses,
        }
    }

    /// The same, with a fence that closes.
    #[must_use]
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence, ..self }
    }

    /// The client of Aiven, for what can be ordered.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// A reconciliation saw or wrote this version of the resource's connection Secret.
    pub(super) fn saw_secret(&self, uid: &str, version: u64) {
        if let Some(tracker) = &self.secret_tracker {
            tracker.saw(uid, version);
        }
    }

    /// When the resource should be reconciled because of its Secrets, if it should.
    pub(super) fn secrets_due(&self, uid: &str) -> Option<Instant> {
        self.secret_tracker.as_ref()?.due(uid)
    }

    /// Drops the state of a deleted resource; `name` is that of its service.
    pub(super) fn forget(&self, uid: &str, name: &str) {
        self.memories.forget(uid, name);
        self.repeats.went_well(uid);
        self.clusters.forget(uid);
        self.backups.forget(uid);
        self.schedules.forget(uid);
        self.users.forget(uid);
        self.metrics.backups().forget(uid);
        if let Some(tracker) = &self.secret_tracker {
            tracker.forget(uid);
        }
        self.metrics.fleet().forget(uid);
    }

    /// Whether resources of `namespace` are watched.
    pub(super) fn watches(&self, namespace: &str) -> bool {
        self.namespaces().iter().any(|watched| watched.as_deref().is_none_or(|name| name == namespace))
    }

    /// The namespaces to watch; `None` stands for all of them.
    pub(crate) fn namespaces(&self) -> Vec<Option<String>> {
        let names =
            self.settings.watched_namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let names: Vec<_> = names.map(|name| Some(name.to_owned())).collect();
        if names.is_empty() { vec![None] } else { names }
    }
}
