//! Measures what the operator takes as a process of its own: the size of the program, the time from its
//! start to ready, its memory and its processor time at rest. Numbers of resources are arguments; the
//! program measured is `valkeeper` in the folder above this one's, so build it in the same profile first:
//!
//! `cargo build --release && cargo run --release -p valkeeper-sandbox --example footprint -- 1 100 1000`

use anyhow::Context as _;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{net::TcpListener, path::Path, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::Instant,
};
use valkeeper_api::Valkey;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::{
    chart,
    provider::{ProviderOptions, ProviderServer},
};

/// How long processor time is counted while nothing happens: each resource is compared once meanwhile.
const REST: Duration = Duration::from_mins(6);
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(20);

struct Operator {
    process: Child,
    probes: String,
    metrics: String,
}

/// Resource usage of a process, from the system.
struct Usage {
    resident: u64,
    peak: u64,
    processor: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let counts: Vec<usize> = std::env::args().skip(1).map(|count| count.parse()).collect::<Result<_, _>>()?;
    let example = std::env::current_exe()?;
    let program = example.ancestors().nth(2).context("this program is in no folder")?.join("valkeeper");
    let size = std::fs::metadata(&program).with_context(|| program.display().to_string())?.len();
    println!("program: {}", mebibytes(size));
    for count in counts {
        measure(&program, count).await?;
    }
    Ok(())
}

async fn measure(program: &Path, count: usize) -> anyhow::Result<()> {
    let options = ProviderOptions::default();
    let project = options.projects.first().cloned().unwrap_or_default();
    let provider = ProviderServer::start(options).await?;
    let cluster = KubeServer::start(KubeOptions::default()).await?;
    let client = Client::try_from(cluster.client_config()?)?;
    prepare(&client).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig())?;
    let begun = Instant::now();
    let operator = Operator::start(program, &kubeconfig, &provider.url())?;
    operator.until(&operator.probes, "ok: leader").await?;
    let ready = begun.elapsed();
    let valkeys: Api<Valkey> = Api::namespaced(client, "default");
    for number in 0..count {
        valkeys.create(&PostParams::default(), &valkey(&project, number)?).await?;
    }
    operator.until(&operator.metrics, &format!("ready=\"True\",reason=\"Running\"}} {count}.0")).await?;
    // Memory of the work is released, and follow-up work is done.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let before = operator.usage()?.processor;
    tokio::time::sleep(REST).await;
    let usage = operator.usage()?;
    let share = usage.processor.saturating_sub(before).as_secs_f64() / REST.as_secs_f64() * 1000.0;
    println!(
        "{count} resources: ready after {ready:?}; at rest {}, at most {}; {share:.1} thousandths of a core",
        mebibytes(usage.resident),
        mebibytes(usage.peak),
    );
    provider.stop().await;
    cluster.shutdown().await;
    Ok(())
}

/// Installs the definitions, and the token that all resources use.
async fn prepare(client: &Client) -> anyhow::Result<()> {
    use k8s_openapi::{
        api::core::v1::Secret,
        apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    };
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for text in [
        include_str!("../../crds/valkeys.yaml"),
        include_str!("../../crds/redis.yaml"),
        include_str!("../../crds/projectvpcs.yaml"),
    ] {
        let definition: CustomResourceDefinition = serde_yaml::from_str(text)?;
        let name = definition.metadata.name.clone().unwrap_or_default();
        definitions.patch(&name, &PatchParams::apply("footprint"), &Patch::Apply(&definition)).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let token = json!({"metadata": {"name": "aiven-token"}, "stringData": {"token": "sandbox-token"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(token)?).await?;
    Ok(())
}

fn valkey(project: &str, number: usize) -> serde_json::Result<Valkey> {
    let spec: Value = json!({"project": project, "plan": "startup-4",
        "cloudName": "google-europe-west1", "authSecretRef": {"name": "aiven-token", "key": "token"}});
    serde_json::from_value(json!({"metadata": {"name": format!("cache-{number}")}, "spec": spec}))
}

impl Operator {
    /// Starts it as the chart does.
    fn start(program: &Path, kubeconfig: &Path, provider: &str) -> anyhow::Result<Self> {
        let address = || anyhow::Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
        let (probes, metrics) = (address()?, address()?);
        let process = Command::new(program)
            .arg("run")
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--provider-url", provider, "--leader-elect", "--leader-elect-resource-namespace=default"])
            .args(["--health-probe-bind-address", &probes, "--metrics-bind-address", &metrics])
            .env_clear()
            .envs(chart::ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            process,
            probes: format!("http://{probes}/readyz"),
            metrics: format!("http://{metrics}/metrics"),
        })
    }

    /// Waits until what `url` answers contains `wanted`.
    async fn until(&self, url: &str, wanted: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(answer) = reqwest::get(url).await
                && answer.text().await?.contains(wanted)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("{url} never answered {wanted}")
    }

    fn usage(&self) -> anyhow::Result<Usage> {
        let folder = format!("/proc/{}", self.process.id().context("the operator has ended")?);
        let status = std::fs::read_to_string(format!("{folder}/status"))?;
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        let stat = std::fs::read_to_string(format!("{folder}/stat"))?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        // Counted in hundredths of a second.
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        let processor = Duration::from_millis(ticks * 10);
        Ok(Usage { resident: bytes("VmRSS:"), peak: bytes("VmHWM:"), processor })
    }
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
