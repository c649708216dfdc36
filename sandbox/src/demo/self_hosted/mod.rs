//! The course of a run with a self-hosted cluster: a manifest, three real servers on nodes of this machine, and a
//! write. Then the pod of the primary ends, the run shows the failover as the operator reports it, and repeats the
//! write. Every figure is counted in this run, and everything ends with the command.

mod client;
mod feed;

use super::cluster::Cluster;
use super::files::Files;
use super::manifests::{self, NAMESPACE};
use super::options::Options;
use super::screen::Screen;
use super::{Operator, nodes, stopped};
use anyhow::{Context as _, bail, ensure};
use client::Writer;
use feed::Feed;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use std::time::Duration;
use tokio::time::Instant;
use valkeeper::settings::Settings;
use valkeeper_api::ValkeyCluster;
use valkeeper_testbed::node::Nodes;
use valkeeper_testbed::tools;

const MANIFEST: &str = include_str!("../../../../examples/self-hosted/cluster.yaml");
const FILE: &str = "examples/self-hosted/cluster.yaml";
/// Interval of reads of the cluster.
const PACE: Duration = Duration::from_millis(100);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// Writes before and after the failover.
const WRITES: usize = 500;

/// Runs the command.
pub(crate) async fn run(options: &Options, files: &Files, screen: &Screen) -> anyhow::Result<()> {
    let manifest = manifest()?;
    let cluster = Cluster::start(options, None).await.context("cannot start the Kubernetes API")?;
    let client = cluster.client().await?;
    files.write_kubeconfig(&cluster.kubeconfig(), "none")?;
    manifests::install_definitions(&client).await.context("cannot install the resource definitions")?;
    let nodes = nodes::start(options, client.clone(), files, cluster.certificate()?, None).await?;
    let nodes = nodes.context("a self-hosted cluster needs nodes")?;
    opening(screen, &cluster, &nodes, files, options).await?;
    let mut operator = Operator::start(settings(), valkeeper::cluster::connect(cluster.config().await?)?);
    let outcome = tokio::select! {
        outcome = present(options, files, screen, &client, &manifest) => outcome,
        ended = operator.ended() => Err(ended),
        stopped = stopped() => {
            stopped.context("cannot listen for signals")?;
            screen.line("");
            screen.line("Stopped.");
            Ok(())
        }
    };
    drop(operator);
    nodes.stop().await;
    outcome
}

/// The example, for the server that this machine has.
fn manifest() -> anyhow::Result<ValkeyCluster> {
    let mut manifest: ValkeyCluster = serde_yaml::from_str(MANIFEST)?;
    if tools::VALKEY_SERVER.find().is_none() {
        if tools::REDIS_SERVER.find().is_none() {
            bail!(
                "neither valkey-server nor redis-server is on the PATH. Install one of them:\n  \
                 Debian, Ubuntu  apt install valkey-server\n  \
                 Fedora          dnf install valkey\n  \
                 Alpine          apk add valkey\n  \
                 macOS           brew install valkey"
            );
        }
        "Redis".clone_into(&mut manifest.spec.engine.0);
        "7.2".clone_into(&mut manifest.spec.version);
    }
    Ok(manifest)
}

fn settings() -> Settings {
    Settings {
        self_hosted: true,
        manager_image: format!("{}:demo", nodes::MANAGER),
        // Names of Services resolve only in a cluster.
        service_addresses: true,
        resync_interval: Duration::from_secs(5),
        ..Settings::default()
    }
}

async fn opening(
    screen: &Screen,
    cluster: &Cluster,
    nodes: &Nodes,
    files: &Files,
    options: &Options,
) -> anyhow::Result<()> {
    screen.heading("Valkeeper sandbox, self-hosted (alpha)");
    screen.fact("Kubernetes API", &super::address(&cluster.config().await?));
    screen.fact("Nodes", &nodes::describe(nodes));
    screen.fact("Kubeconfig", &files.kubeconfig.display().to_string());
    if options.verbose == 0 {
        screen.fact("Operator log", &files.log.display().to_string());
    }
    Ok(())
}

/// Everything from the manifest to the end of the run.
async fn present(
    options: &Options,
    files: &Files,
    screen: &Screen,
    client: &Client,
    manifest: &ValkeyCluster,
) -> anyhow::Result<()> {
    let name = manifest.name_any();
    screen.heading(&format!("$ kubectl apply -f {FILE}"));
    let api: Api<ValkeyCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let parameters = PatchParams::apply("valkeeper-sandbox").force();
    api.patch(&name, &parameters, &Patch::Apply(manifest)).await?;
    let mut feed = Feed::new(client.clone(), &name);
    let first = feed.until(screen, "ready", feed::is_ready).await?;
    feed.table(screen).await?;
    let url = client::url(client, manifest).await?;
    screen.heading("Through the Service of the primary, with the password from the Secret");
    client::set(&url, "greeting", "hello").await?;
    screen.line(&format!("  SET greeting hello  ->  OK, at {}", client::place(&url)));
    let writer = Writer::start(&url);
    wait_for(&writer, WRITES).await?;

    let primary = first.current_primary.clone().context("a ready cluster has a primary")?;
    screen.heading(&format!("$ kubectl delete pod {primary}"));
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    pods.delete(&primary, &DeleteParams::default()).await?;
    let moved = |status: &valkeeper_api::ClusterStatus| {
        feed::is_ready(status) && status.current_primary.as_ref() != Some(&primary)
    };
    feed.until(screen, "ready again", moved).await?;
    wait_for(&writer, writer.count() + WRITES).await?;
    let written = writer.stop().await;
    feed.table(screen).await?;

    screen.heading("The same Service");
    let found = client::get(&url, "greeting").await?;
    ensure!(found.as_deref() == Some("hello"), "the greeting is lost: {found:?}");
    screen.line("  GET greeting        ->  hello");
    let lost = client::missing(&url, &written.acknowledged).await?;
    let count = written.acknowledged.len();
    screen.line(&format!("  A client wrote all the time: {count} writes acknowledged, {lost} lost,"));
    screen.line(&format!("  longest time without an answer {} ms.", written.longest.as_millis()));
    ensure!(lost == 0, "a planned failover lost {lost} acknowledged writes");
    if options.once {
        return Ok(());
    }
    suggestions(screen, files, &name);
    feed.watch(screen).await
}

async fn wait_for(writer: &Writer, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while writer.count() < count {
        ensure!(Instant::now() < deadline, "no write is acknowledged any more");
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

fn suggestions(screen: &Screen, files: &Files, name: &str) {
    screen.heading("Point kubectl at it, in another terminal");
    screen.line(&format!("  export KUBECONFIG={}", files.kubeconfig.display()));
    screen.heading("Things to try, each of which shows below");
    screen.line("  kubectl get vkc,pods,services");
    screen.line(&format!("  kubectl patch vkc {name} --type merge -p '{{\"spec\": {{\"instances\": 5}}}}'"));
    screen.line(&format!(
        "  kubectl patch vkc {name} --type merge -p '{{\"spec\": {{\"config\": {{\"timeout\": \"60\"}}}}}}'"
    ));
    screen
        .line(&format!("  kubectl patch vkc {name} --type merge -p '{{\"spec\": {{\"powered\": false}}}}'"));
    screen.heading("Watching; Ctrl-C stops everything.");
}
