//! The servers of a run: Kubernetes with its nodes, the provider, and their state if it is to be kept. Guarantees
//! that they are stopped in an orderly way, so that nothing which is to be kept is lost.

use super::cluster::Cluster;
use super::files::Files;
use super::options::Options;
use super::state::State;
use super::{TOKEN, engine, nodes};
use anyhow::Context as _;
use std::time::Duration;
use tokio::sync::Mutex;
use valkeeper_testbed::node::Nodes;
use valkeeper_testbed::provider::{Engine, ProviderOptions, ProviderServer, TokenSpec};

/// How often the state is written; a sandbox that is killed loses at most what happened since.
const CHECKPOINT: Duration = Duration::from_millis(500);

/// What the operator talks to.
pub(crate) struct Sandbox {
    pub(crate) provider: ProviderServer,
    pub(crate) cluster: Cluster,
    pub(crate) engine: Engine,
    pub(crate) nodes: Option<Nodes>,
    state: Option<Mutex<State>>,
}

impl Sandbox {
    /// Starts them; pods find the API by the kubeconfig among the files.
    pub(crate) async fn start(options: &Options, files: &Files) -> anyhow::Result<Self> {
        let state = options.state.as_deref().map(State::open).transpose()?;
        let engine = engine::choose(options, state.as_ref().map(State::data))?;
        let content = state.as_ref().map(State::provider).transpose().context("the state of the provider")?;
        let provider = ProviderServer::start(ProviderOptions {
            port: options.provider_port,
            tokens: vec![TokenSpec::full_access("sandbox", TOKEN)],
            build_time: options.build_time,
            latency: options.latency,
            redis_creation_allowed: options.allow_redis_creation || !options.without_examples,
            engine: engine.clone(),
            content: content.flatten(),
            ..ProviderOptions::default()
        });
        let provider = provider.await.context("cannot start the provider's API")?;
        let content = state.as_ref().map(State::kubernetes).transpose().context("the state of Kubernetes")?;
        let cluster =
            Cluster::start(options, content.flatten()).await.context("cannot start the Kubernetes API")?;
        let data = state.as_ref().map(State::nodes);
        let certificate = cluster.certificate()?;
        let nodes = nodes::start(options, cluster.client().await?, files, certificate, data).await?;
        Ok(Self { provider, cluster, engine, nodes, state: state.map(Mutex::new) })
    }

    /// Writes the state again and again; ends only when that fails.
    pub(crate) async fn keep_state(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(CHECKPOINT).await;
            if let Err(error) = self.checkpoint().await {
                return error;
            }
        }
    }

    async fn checkpoint(&self) -> anyhow::Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        // In this order, no resource is ahead of its service.
        let kubernetes = self.cluster.content();
        let provider = self.provider.handle().content();
        state.lock().await.write(kubernetes, &provider)
    }

    /// Ends both.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let written = self.checkpoint().await;
        if let Some(nodes) = self.nodes {
            nodes.stop().await;
        }
        self.provider.stop().await;
        written
    }
}
