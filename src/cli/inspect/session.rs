//! What the commands share: how to reach the cluster and Aiven, and how to answer. Guarantees that the clients of a
//! session only read.

use crate::{
    cluster::{self, events::Recorder},
    controller::{self, Context, Instruments},
    ha::Fence,
    provider::Client as Provider,
    server::health::Health,
    settings::Settings,
    telemetry::metrics::Metrics,
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use secrecy::SecretString;
use serde::Serialize;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// How to reach the cluster and Aiven.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(in crate::cli) struct Connection {
    /// Kubeconfig of the cluster
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Namespace; by default that of the context
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,

    /// Base URL of the Aiven API, without /v1
    #[arg(long, env = "AIVEN_WEB_URL", value_name = "URL", default_value = "https://api.aiven.io")]
    provider_url: String,

    /// Allow HTTP without TLS to an API that is not on this machine
    #[arg(long)]
    allow_plain_http: bool,

    /// Token for resources without spec.authSecretRef
    #[arg(long, env = "DEFAULT_AIVEN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    default_token: Option<SecretString>,

    /// File with the token for resources without spec.authSecretRef
    #[arg(long, env = "DEFAULT_AIVEN_TOKEN_FILE", value_name = "FILE", conflicts_with = "default_token")]
    default_token_file: Option<PathBuf>,

    /// Name of the Secret in each namespace with the token for resources without spec.authSecretRef
    #[arg(long, env = "NAMESPACE_TOKEN_SECRET", value_name = "NAME")]
    namespace_token_secret: Option<String>,

    /// Key of the token in the Secret of the namespace
    #[arg(long, env = "NAMESPACE_TOKEN_KEY", value_name = "KEY", default_value = "token")]
    namespace_token_key: String,
}

/// How a command writes what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Output {
    /// Writes the text or the value to standard output.
    pub(super) fn write(self, text: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Text => out.write_all(text.as_bytes())?,
            Self::Json => writeln!(out, "{}", serde_json::to_string_pretty(value)?)?,
        }
        Ok(())
    }
}

/// Clients that only read, and the namespaces to read.
pub(in crate::cli) struct Session {
    /// Sends reads and nothing else.
    pub(super) client: Client,
    /// Sends everything: for questions about permissions and dry runs, which store nothing.
    pub(super) asking: Client,
    pub(super) namespace: String,
    pub(super) context: Arc<Context>,
}

impl Connection {
    /// Connects, without a call.
    pub(super) async fn open(&self) -> anyhow::Result<Session> {
        let mut config = self.config().await?;
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.clone());
        }
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let asking = cluster::connect(config)?;
        let closed = Fence::until(Instant::now());
        let client = closed.guard(asking.clone());
        let settings = self.settings();
        let provider: Provider = controller::provider(&settings, Metrics::new())?.guarded(closed);
        // No events are emitted: the receiver is dropped.
        let (recorder, _) = Recorder::start(client.clone(), String::new());
        let instruments = Instruments { health: Health::default(), metrics: Metrics::new() };
        let context = Arc::new(Context::new(settings, client.clone(), provider, recorder, instruments));
        Ok(Session { client, asking, namespace, context })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        match &self.kubeconfig {
            Some(path) => {
                let file =
                    Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok(Config::from_custom_kubeconfig(file, &options).await?)
            }
            None if self.context.is_some() => Ok(Config::from_kubeconfig(&options).await?),
            None => Config::infer()
                .await
                .context("found no Kubernetes cluster: set KUBECONFIG, or pass --kubeconfig"),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            provider_url: self.provider_url.clone(),
            allow_plain_http: self.allow_plain_http,
            default_token: self.default_token.clone(),
            default_token_file: self.default_token_file.clone(),
            namespace_token_secret: self.namespace_token_secret.clone(),
            namespace_token_key: self.namespace_token_key.clone(),
            // The command reports its first observation and does not wait for a second one.
            absence_period: Duration::ZERO,
            late_effect: Some(Duration::ZERO),
            ..Settings::default()
        }
    }
}
