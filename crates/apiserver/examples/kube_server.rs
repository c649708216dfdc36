//! Starts only the Kubernetes API server, writes a kubeconfig and prints its path:
//!
//! `cargo run -p valkeeper-apiserver --example kube_server [PORT]`

use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};
use valkeeper_apiserver::{KubeOptions, KubeServer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server = KubeServer::start(KubeOptions { port, ..KubeOptions::default() }).await?;
    let mut file = tempfile::NamedTempFile::with_suffix(".kubeconfig")?;
    file.write_all(server.kubeconfig().as_bytes())?;
    writeln!(std::io::stdout(), "{}", file.path().display())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
