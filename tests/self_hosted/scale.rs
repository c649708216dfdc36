//! What clusters cost one operator: calls to Kubernetes at rest; and, run by hand, its memory, processor time, calls and the
//! time until it acts with many clusters of three simulated instances, a line for each figure. `VALKEEPER_CLUSTERS` is
//! how many there are.

use crate::asking::until;
use crate::simulated::SimulatedNodes;
use crate::{settings, world::World};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, PostParams};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use valkeeper::settings::Settings;
use valkeeper_api::ValkeyCluster;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::faults::{FaultLayer, FaultPlan};

/// For how long calls are counted.
const REST: Duration = Duration::from_mins(1);
/// Between the last change and the first call that counts.
const SETTLING: Duration = Duration::from_secs(20);
/// How many primaries are ended, one after the other.
const KILLED: usize = 5;
/// How many clusters are created at once.
const BATCH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_at_rest_costs_few_calls() {
    let Some(mut world) = World::embedded().await else { return };
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let plan = FaultPlan::new();
    world.resync = Settings::default().resync_interval;
    world.restart_operator_behind(&plan).await;
    world.until_ready("trio").await;
    tokio::time::sleep(SETTLING).await;
    let before = plan.count(|_| true);
    tokio::time::sleep(REST / 2).await;
    let calls = plan.count(|_| true) - before;
    assert!((1..=8).contains(&calls), "{calls} calls in {} s", (REST / 2).as_secs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that takes minutes"]
async fn many_clusters_cost_one_operator_this() {
    let count = std::env::var("VALKEEPER_CLUSTERS").ok().and_then(|count| count.parse().ok()).unwrap_or(5);
    let crowd = Crowd::new().await;
    let operator = Operator::start(&crowd.kubeconfig);
    let begun = Instant::now();
    for created in 1..=count {
        crowd.create(&name(created - 1)).await;
        if created % BATCH == 0 || created == count {
            crowd.until_ready(created).await;
        }
    }
    println!("{count} clusters of three are ready after {:.1} s", begun.elapsed().as_secs_f64());
    tokio::time::sleep(SETTLING).await;
    let before = operator.processor_time();
    tokio::time::sleep(REST).await;
    let seconds = operator.processor_time().saturating_sub(before).as_secs_f64();
    println!("processor time at rest: {seconds:.1} s in {} s", REST.as_secs());
    println!(
        "memory of the operator: {} MB of its own, {} MB with its program",
        operator.memory("RssAnon:"),
        operator.memory("VmRSS:")
    );
    let mut times = Vec::new();
    for number in 0..KILLED.min(count) {
        times.push(crowd.failover(&name(number)).await.as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let times: Vec<_> = times.iter().map(|time| format!("{time:.2} s")).collect();
    println!("a primary that ended is replaced within {}", times.join(", "));
    drop(operator);

    let (plan, stop) = (FaultPlan::new(), CancellationToken::new());
    let client = ClientBuilder::try_from(crowd.config.clone()).unwrap().with_layer(&FaultLayer(plan.clone()));
    let resync = Settings::default().resync_interval;
    let running = valkeeper::operator::run(settings(resync), client.build(), stop.clone());
    let running = tokio::spawn(running);
    tokio::time::sleep(SETTLING * 2).await;
    let before = (plan.count(|_| true), crowd.renewals().await);
    tokio::time::sleep(REST).await;
    let calls = plan.count(|_| true) - before.0;
    println!("calls of the operator to Kubernetes at rest: {calls} in {} s", REST.as_secs());
    assert!(crowd.renewals().await > before.1, "the instances renew their leases");
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// An API server whose pods are simulated.
struct Crowd {
    client: Client,
    config: Config,
    kubeconfig: String,
    nodes: SimulatedNodes,
    _server: KubeServer,
}

impl Crowd {
    async fn new() -> Self {
        crate::prepare();
        let server = KubeServer::start(KubeOptions::default()).await.unwrap();
        let (config, kubeconfig) = (server.client_config().unwrap(), server.kubeconfig());
        let client = Client::try_from(config.clone()).unwrap();
        crate::definitions::install(&client).await;
        let nodes = SimulatedNodes::start(client.clone(), "default");
        Self { client, config, kubeconfig, nodes, _server: server }
    }

    fn clusters(&self) -> Api<ValkeyCluster> {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn create(&self, name: &str) {
        let object = json!({
            "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster", "metadata": {"name": name},
            "spec": {"version": "8.0", "instances": 3, "resources": {"memory": "64Mi"}},
        });
        let object = serde_json::from_value(object).unwrap();
        self.clusters().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Fails when the number that are ready stays the same for long.
    async fn until_ready(&self, count: usize) {
        const STALLED: Duration = Duration::from_mins(2);
        let mut last = (0, Instant::now());
        while last.0 < count {
            let clusters = self.clusters().list(&ListParams::default()).await.unwrap();
            let is_ready = |cluster: &&ValkeyCluster| {
                cluster.status.as_ref().is_some_and(|status| status.ready_instances == Some(3))
            };
            let ready = clusters.iter().filter(is_ready).count();
            if ready != last.0 {
                last = (ready, Instant::now());
            }
            assert!(last.1.elapsed() < STALLED, "{ready} of {count} are ready");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The primary of a cluster, which is another one than this.
    async fn primary(&self, cluster: &str, before: Option<&str>) -> String {
        until("a primary", async || {
            let status = self.clusters().get(cluster).await.unwrap().status?;
            status.current_primary.filter(|primary| Some(primary.as_str()) != before)
        })
        .await
    }

    /// Time from the end of a primary until clients are directed to another one.
    async fn failover(&self, cluster: &str) -> Duration {
        let before = self.primary(cluster, None).await;
        self.nodes.kill(&before).await;
        let begun = Instant::now();
        self.primary(cluster, Some(&before)).await;
        begun.elapsed()
    }

    /// Stands for how often leases were written.
    async fn renewals(&self) -> u64 {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "default");
        let leases = leases.list(&ListParams::default()).await.unwrap();
        let version = |lease: &Lease| lease.metadata.resource_version.as_ref()?.parse::<u64>().ok();
        leases.iter().filter_map(version).max().unwrap_or_default()
    }
}

fn name(number: usize) -> String {
    format!("c{number}")
}

/// The operator as a process of its own, which ends with this.
struct Operator {
    child: std::process::Child,
    _kubeconfig: tempfile::NamedTempFile,
}

impl Operator {
    fn start(content: &str) -> Self {
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(kubeconfig.path(), content).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_valkeeper"))
            .args(["--log-level", "warn", "run", "--self-hosted", "--service-addresses", "--no-project-vpcs"])
            .args(["--metrics-bind-address", "127.0.0.1:0"])
            .args(["--manager-image", crate::world::MANAGER_IMAGE, "--kubeconfig"])
            .arg(kubeconfig.path())
            .env_clear()
            .envs(valkeeper_testbed::chart::ENVIRONMENT)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _kubeconfig: kubeconfig }
    }

    /// Time that processors have spent on it.
    fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        // Linux tells hundredths of a second.
        Duration::from_millis(ticks * 10)
    }

    /// Megabytes of memory, as the system counts them.
    fn memory(&self, kind: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
