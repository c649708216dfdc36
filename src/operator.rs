//! The whole operator as one call: sockets, leader election, clients, event sender and controllers. It works only
//! while this process leads and writes nothing after that. On a signal it ends the reconciliations in progress and
//! then gives the lease back.

use crate::{
    aiven_operator,
    cluster::events::Recorder,
    controller::{self, Context, Instruments, StartError},
    ha::{Candidate, Fence},
    provider::Client as Provider,
    server::{
        Listeners, Served,
        health::{Health, Role},
    },
    settings::Settings,
    telemetry::{logs::LogLevel, metrics::Metrics},
};
use futures::FutureExt as _;
use kube::{Api, Client};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An operator that has not begun to work.
pub struct Operator {
    settings: Settings,
    client: Client,
    health: Health,
    metrics: Metrics,
}

/// Runs until `shutdown`, then lets the reconciliations in progress finish. `client` should come from
/// [`connect`](crate::cluster::connect), and the process-wide TLS provider must be installed before.
pub async fn run(settings: Settings, client: Client, shutdown: CancellationToken) -> Result<(), StartError> {
    let listeners = Listeners::bind(settings.listening.addresses()).await?;
    Operator::new(settings, client).run(listeners, LogLevel::fixed(), shutdown).await
}

impl Operator {
    /// An operator with these settings.
    pub fn new(settings: Settings, client: Client) -> Self {
        let metrics = Metrics::new();
        metrics.compares_every(settings.resync_interval);
        Self { settings, client, health: Health::default(), metrics }
    }

    /// What the probes answer.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// What is exported.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Serves and works until `shutdown`; probes are answered until the last reconciliation has ended.
    pub async fn run(
        self,
        listeners: Listeners,
        log_level: LogLevel,
        shutdown: CancellationToken,
    ) -> Result<(), StartError> {
        // Invalid settings end the program immediately, not when it becomes leader.
        let provider = controller::provider(&self.settings, self.metrics())?;
        let served = Served { health: self.health(), metrics: self.metrics(), log_level };
        let ended = CancellationToken::new();
        let serving = listeners.serve(served, ended.clone());
        let working = async {
            let _ended = ended.clone().drop_guard();
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                provider = self.settings.provider_url,
                "valkeeper starts"
            );
            if self.settings.election.leader_elect {
                self.hold_terms(&provider, &shutdown).await;
            } else {
                self.work(&provider, Fence::open(), shutdown.clone()).await;
            }
        };
        futures::future::join(working, serving).await;
        tracing::info!("valkeeper stops");
        Ok(())
    }

    /// Waits to lead, works, and waits again when the lease is lost.
    async fn hold_terms(&self, provider: &Provider, shutdown: &CancellationToken) {
        let mut candidate = self.candidate();
        while !shutdown.is_cancelled() {
            self.stand_by();
            let health = &self.health;
            let on_attempt = |answered| health.plays(if answered { Role::Standby } else { Role::Unsure });
            let fence = tokio::select! {
                () = shutdown.cancelled() => break,
                fence = candidate.acquire(on_attempt) => fence,
            };
            tracing::info!("became leader");
            tokio::select! {
                () = self.work(provider, fence.clone(), shutdown.clone()) => {}
                () = candidate.keep(&fence) => tracing::warn!("lost leadership"),
            }
        }
        self.stand_by();
        candidate.release().await;
    }

    fn candidate(&self) -> Candidate {
        let election = &self.settings.election;
        let api = match election.leader_elect_resource_namespace.as_str() {
            "" => Api::default_namespaced(self.client.clone()),
            namespace => Api::namespaced(self.client.clone(), namespace),
        };
        // Unlike its name, a process is never there twice.
        let identity = format!("{}_{:016x}", instance(), rand::random::<u64>());
        Candidate::new(api, &election.leader_elect_resource_name, identity, election.timing())
    }

    /// Another replica leads, as far as this one can tell.
    fn stand_by(&self) {
        self.health.plays(Role::Starting);
        self.metrics.leads(false);
        self.metrics.fleet().clear();
        self.metrics.backups().clear();
    }

    /// Works until `shutdown` and as long after it as reconciliations may take to end.
    async fn work(&self, provider: &Provider, fence: Fence, shutdown: CancellationToken) {
        self.health.plays(Role::Leading);
        self.metrics.leads(true);
        let client = fence.guard(self.client.clone());
        let provider = provider.guarded(fence.clone());
        // The sender ends when the last recorder is dropped, which is when the controllers have ended.
        let (recorder, sending) = Recorder::start(client.clone(), instance());
        let instruments = Instruments { health: self.health(), metrics: self.metrics() };
        let context = Context::new(self.settings.clone(), client.clone(), provider, recorder, instruments);
        let context = context.fenced(fence);
        let watching = aiven_operator::watch_out(client, context.namespaces(), shutdown.clone());
        let watching = async {
            // Sharing its lease is another way to keep the two from working at the same time.
            if self.settings.election.leader_elect_resource_name != aiven_operator::LEASE {
                watching.await;
            }
        };
        let controllers = controller::run(Arc::new(context), shutdown.clone()).boxed();
        let watching = watching.boxed();
        let (patience, stopping) = (self.settings.shutdown_timeout, shutdown.clone());
        let too_long = async {
            stopping.cancelled().await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            _ = futures::future::join3(controllers, sending, watching) => {}
            () = too_long => tracing::warn!("reconciliations cancelled; the next start resumes them"),
        }
    }
}

/// The name of this replica.
fn instance() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "valkeeper".to_owned())
}
