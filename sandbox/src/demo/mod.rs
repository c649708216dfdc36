//! The course of a run: start everything, apply the examples, show progress, check the Secrets, suggest commands, and
//! stay up. Everything ends with the command, however it ends.

mod cluster;
mod connect;
mod engine;
mod files;
pub(crate) mod manifests;
mod nodes;
pub(crate) mod options;
mod progress;
mod sandbox;
mod screen;
mod secrets;
mod self_hosted;
mod state;
mod summary;
mod table;

use anyhow::{Context as _, bail};
use files::Files;
use kube::Client;
use manifests::Example;
use options::Options;
use progress::Progress;
use sandbox::Sandbox;
use screen::Screen;
use secrets::Checked;
use std::sync::Mutex;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use valkeeper::{controller::StartError, operator, settings::Settings};
use valkeeper_testbed::provider::ProviderServer;

/// Interval of reads of the resources.
const PACE: Duration = Duration::from_millis(200);
/// Longest wait for the Secrets, in addition to the time the provider builds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The token that the provider accepts.
const TOKEN: &str = "sandbox-token";

/// Runs the command.
pub(crate) async fn run(mut options: Options) -> anyhow::Result<()> {
    if options.self_hosted && options.nodes == 0 {
        options.nodes = 3;
    }
    let files = Files::prepare(&options)?;
    start_logging(&options, &files)?;
    let screen = Screen::new();
    if options.self_hosted {
        let outcome = self_hosted::run(&options, &files, &screen).await;
        if outcome.is_err() && options.verbose == 0 {
            show_end_of_log(&files, &screen);
        }
        return outcome;
    }
    let sandbox = Sandbox::start(&options, &files).await?;
    let outcome = tokio::select! {
        outcome = present(&options, &files, &screen, &sandbox) => outcome,
        error = sandbox.keep_state() => Err(error),
        stopped = stopped() => {
            stopped.context("cannot listen for signals")?;
            screen.line("");
            screen.line("Stopped.");
            Ok(())
        }
    };
    if outcome.is_err() && options.verbose == 0 {
        show_end_of_log(&files, &screen);
    }
    sandbox.stop().await.and(outcome)
}

/// Waits for Ctrl-C, or for the request to terminate.
async fn stopped() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

fn start_logging(options: &Options, files: &Files) -> anyhow::Result<()> {
    let filter = EnvFilter::new(if options.verbose > 1 { "info,valkeeper=debug" } else { "info" });
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if options.verbose > 0 {
        subscriber.with_writer(std::io::stderr).init();
    } else {
        subscriber.with_ansi(false).with_writer(Mutex::new(files.create_log()?)).init();
    }
    Ok(())
}

/// Everything from the first read to the end of the run.
async fn present(options: &Options, files: &Files, screen: &Screen, sandbox: &Sandbox) -> anyhow::Result<()> {
    let provider = &sandbox.provider;
    let client = sandbox.cluster.client().await?;
    manifests::install_definitions(&client).await.context("cannot install the resource definitions")?;
    manifests::apply_token(&client, TOKEN).await?;
    let authority = provider.handle().certificate_authority();
    if let Some(authority) = &authority {
        std::fs::write(&files.authority, authority)?;
    }
    // From here on the cluster can be used, which is what waiting for this file means.
    files.write_kubeconfig(&sandbox.cluster.kubeconfig(), &provider.url())?;
    let config = sandbox.cluster.config().await?;
    let settings = settings(provider);
    summary::opening(screen, &address(&config), sandbox, files, options);
    summary::intervals(screen, &settings);
    let mut operator = Operator::start(settings, valkeeper::cluster::connect(config)?);
    let mut progress = Progress::new(client.clone());
    if options.without_examples {
        summary::ready(screen, files, provider);
    } else {
        let examples = manifests::apply(&client, authority.is_some()).await?;
        summary::applied(screen, &examples);
        let patience = options.build_time + PATIENCE;
        let checked = tokio::select! {
            checked = until_checked(&client, provider, &examples, &mut progress, screen, patience) => checked?,
            ended = operator.ended() => return Err(ended),
        };
        summary::result(screen, &client, &checked).await?;
        if let Some(authority) = &authority {
            screen.heading("Connected with nothing but the Secrets");
            for example in &examples {
                connect::prove(screen, &client, example, authority).await?;
            }
        }
        if options.once {
            return operator.stop().await;
        }
        summary::suggestions(screen, files, provider);
    }
    tokio::select! {
        error = watch(&mut progress, screen) => Err(error),
        ended = operator.ended() => Err(ended),
    }
}

/// Address of the API server as people write it.
fn address(config: &kube::Config) -> String {
    config.cluster_url.to_string().trim_end_matches('/').to_owned()
}

/// Reads the resources until all are ready and their Secrets match the provider.
async fn until_checked(
    client: &Client,
    provider: &ProviderServer,
    examples: &[Example],
    progress: &mut Progress,
    screen: &Screen,
    patience: Duration,
) -> anyhow::Result<Vec<Checked>> {
    let deadline = Instant::now() + patience;
    loop {
        progress.update(screen).await?;
        let waiting = examples
            .iter()
            .find(|example| !progress.report(example.kind, &example.name).is_some_and(|report| report.ready));
        let Some(example) = waiting else { break };
        if Instant::now() > deadline {
            let last =
                progress.report(example.kind, &example.name).map_or("nothing", |report| &report.message);
            bail!("{} is still not ready; the operator says: {last}", example.name);
        }
        tokio::time::sleep(PACE).await;
    }
    let mut checked = Vec::new();
    for example in examples {
        checked.push(secrets::check(client, &provider.handle(), example).await?);
    }
    Ok(checked)
}

/// Prints changes; ends only when the API server does not answer any more.
async fn watch(progress: &mut Progress, screen: &Screen) -> anyhow::Error {
    loop {
        if let Err(error) = progress.update(screen).await {
            return error.context("the Kubernetes API does not answer");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Shorter intervals than a real operator has, so that a spectator need not wait.
fn settings(provider: &ProviderServer) -> Settings {
    Settings {
        provider_url: provider.url(),
        building_interval_min: Duration::from_millis(250),
        building_interval_max: Duration::from_secs(1),
        external_wait_interval: Duration::from_secs(2),
        resync_interval: Duration::from_secs(5),
        stabilization_period: Duration::from_millis(500),
        late_effect: Some(Duration::from_secs(5)),
        ..Settings::default()
    }
}

/// The operator in this process.
struct Operator {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), StartError>>,
}

impl Operator {
    fn start(settings: Settings, client: Client) -> Self {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(operator::run(settings, client, shutdown.clone()));
        Self { shutdown, task }
    }

    /// Waits until it ends by itself, which is an error, and returns the reason.
    async fn ended(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(())) => anyhow::anyhow!("the operator ended"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the operator cannot start"),
            Err(error) => anyhow::Error::new(error).context("the operator failed"),
        }
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        (&mut self.task).await?.context("the operator cannot start")
    }
}

impl Drop for Operator {
    /// Without its servers the operator would only fill the log.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last lines of the operator's log, where the reason of a failure is.
fn show_end_of_log(files: &Files, screen: &Screen) {
    let log = std::fs::read_to_string(&files.log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    if lines.is_empty() {
        return;
    }
    screen.heading("End of the operator's log");
    for line in &lines[lines.len().saturating_sub(10)..] {
        screen.line(&format!("  {line}"));
    }
}
