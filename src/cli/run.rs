//! `valkeeper run`: runs the operator until a signal stops it.

use crate::{
    aiven_operator, cluster, operator::Operator, server::Listeners, settings::Settings,
    telemetry::logs::LogLevel,
};
use anyhow::Context as _;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::{path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The flags of `valkeeper run`.
#[derive(Args, Debug)]
#[command(after_help = "\
TIME is a number with a unit: 500ms, 30s, 5m, 1h.

Exit codes:
  0  stopped by SIGTERM or SIGINT
  1  cannot start
  2  wrong usage

Examples:
  valkeeper run --kubeconfig ~/.kube/config --default-token-file token
  valkeeper run --leader-elect --watched-namespaces=team-a,team-b")]
pub(super) struct Run {
    /// Kubeconfig of the cluster; without it, the usual places and the pod's own account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

impl Run {
    pub(super) async fn run(self, log_level: LogLevel) -> anyhow::Result<ExitCode> {
        let cluster = match &self.kubeconfig {
            Some(path) => {
                let file =
                    Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
                kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
            }
            None => kube::Config::infer().await.context(
                "found no Kubernetes cluster: run this in a pod, set KUBECONFIG, or pass --kubeconfig",
            )?,
        };
        for note in aiven_operator::notes(|name| std::env::var_os(name).is_some()) {
            tracing::warn!("{note}");
        }
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            tracing::info!("stopping");
            stop.cancel();
        });
        let listeners = Listeners::bind(self.settings.listening.addresses()).await?;
        let operator = Operator::new(self.settings, cluster::connect(cluster)?);
        Box::pin(operator.run(listeners, log_level, shutdown)).await?;
        Ok(ExitCode::SUCCESS)
    }
}
