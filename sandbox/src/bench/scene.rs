//! The surroundings of one measurement: API server, provider, door and operator, all on loopback.
//! Guarantees that they end with the scene.

use super::{
    operator::{self, Operator, Place, Usage},
    options::{ApiServer, BenchOptions},
    proxy::Proxy,
    workload,
};
use crate::demo::manifests::install_definitions;
use anyhow::{Context as _, bail};
use kube::Client;
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::time::Instant;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::{
    envtest::RealApiServer,
    faults::Disturbance,
    provider::{ProviderHandle, ProviderOptions, ProviderServer, TokenSpec},
};

/// Interval of checks of a condition.
const POLL: Duration = Duration::from_millis(10);
/// How long nothing must be written until everything counts as settled.
const QUIET: Duration = Duration::from_secs(4);
/// Requests that the provider's log keeps: enough for those between two checks.
const LOG: usize = 4_000;

enum Cluster {
    Sandbox(KubeServer),
    Envtest(Box<RealApiServer>),
}

/// Everything that one measurement needs.
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) provider: ProviderHandle,
    pub(crate) proxy: Proxy,
    place: Place,
    options: BenchOptions,
    operator: Option<Operator>,
    _provider: ProviderServer,
    _cluster: Cluster,
    _folder: TempDir,
}

impl Scene {
    /// Starts everything but the operator.
    pub(crate) async fn prepare(options: &BenchOptions, latency: Duration) -> anyhow::Result<Self> {
        let program = operator::find(options).await?;
        let folder = tempfile::Builder::new().prefix("valkeeper-bench-").tempdir()?;
        let cluster = start_cluster(options.apiserver).await.context("cannot start the API server")?;
        let mut config = match &cluster {
            Cluster::Sandbox(server) => server.client_config()?,
            Cluster::Envtest(server) => server.client_config().await?,
        };
        config.default_retry = false;
        let client = Client::try_from(config)?;
        install_definitions(&client).await?;
        workload::create_token(&client).await?;
        let provider = ProviderServer::start(ProviderOptions {
            projects: (0..options.projects).map(workload::project).collect(),
            tokens: vec![TokenSpec::full_access("bench", workload::TOKEN)],
            build_time: options.build_time,
            latency,
            // The status reports backups; they are not part of the measurement.
            backup_after: Duration::from_hours(1),
            log_capacity: LOG,
            ..ProviderOptions::default()
        })
        .await?;
        if options.redacted_lists {
            provider.handle().disturb(Disturbance::RedactedLists);
        }
        let proxy = Proxy::start(client.clone()).await?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, proxy.kubeconfig())?;
        let log = options.log.clone().unwrap_or_else(|| folder.path().join("operator.log"));
        let place = Place { program, kubeconfig, log, provider_url: provider.url() };
        Ok(Self {
            client,
            provider: provider.handle(),
            proxy,
            place,
            options: options.clone(),
            operator: None,
            _provider: provider,
            _cluster: cluster,
            _folder: folder,
        })
    }

    /// Starts the operator and waits until it watches.
    pub(crate) async fn start_operator(&mut self) -> anyhow::Result<()> {
        self.operator = Some(Operator::start(&self.place, &self.options)?);
        let watches = |scene: &Self| scene.proxy.tally().calls.keys().any(|call| call.starts_with("WATCH"));
        self.until("the operator watches", Duration::from_mins(1), watches).await
    }

    /// Ends the operator.
    pub(crate) async fn kill_operator(&mut self) -> anyhow::Result<()> {
        match self.operator.take() {
            Some(operator) => operator.kill().await,
            None => Ok(()),
        }
    }

    /// What the operator uses.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        self.operator.as_ref().context("the operator does not run")?.usage()
    }

    /// Waits for a condition.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !holds(self) {
            if Instant::now() > deadline {
                let log = tail(&self.place.log);
                bail!("gave up waiting: {what}. The end of the operator's log:\n{log}");
            }
            if let Some(operator) = &mut self.operator {
                operator.check(&self.place.log)?;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until nothing was written for a while.
    pub(crate) async fn until_quiet(&mut self) -> anyhow::Result<()> {
        let writes =
            |scene: &Self| (scene.proxy.writes() + scene.proxy.tally().events(), scene.provider.writes());
        let mut last = (writes(self), Instant::now());
        while last.1.elapsed() < QUIET {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = writes(self);
            if now != last.0 {
                last = (now, Instant::now());
            }
            if let Some(operator) = &mut self.operator {
                operator.check(&self.place.log)?;
            }
        }
        Ok(())
    }

    /// Counts from nothing at both doors.
    pub(crate) fn clear(&self) {
        self.proxy.clear();
        self.provider.clear_requests();
    }
}

async fn start_cluster(which: ApiServer) -> anyhow::Result<Cluster> {
    Ok(match which {
        ApiServer::Sandbox => Cluster::Sandbox(KubeServer::start(KubeOptions::default()).await?),
        ApiServer::Envtest => {
            let assets = std::env::var("KUBEBUILDER_ASSETS")
                .context("KUBEBUILDER_ASSETS names no folder with etcd and kube-apiserver")?;
            Cluster::Envtest(Box::new(RealApiServer::start(Path::new(&assets)).await?))
        }
    })
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
