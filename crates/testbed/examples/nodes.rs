//! Starts three nodes for the API server of the present kubeconfig, until Ctrl-C:
//!
//! `KUBECONFIG=FILE cargo run -p valkeeper-testbed --example nodes`

use kube::{Client, Config};
use valkeeper_testbed::node::{NodeOptions, Nodes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    // The client needs a process-wide provider; there is none yet.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_from(Config::infer().await?)?;
    let nodes = Nodes::start(client, NodeOptions::default()).await?;
    tracing::info!(nodes = ?nodes.names(), mode = ?nodes.mode(), "started");
    tokio::signal::ctrl_c().await?;
    nodes.stop().await;
    Ok(())
}
