//! What many clusters of three cost one operator: memory, calls to Kubernetes at rest, and the time until it acts. Run by
//! hand; prints a line for each figure. `VALKEEPER_CLUSTERS` is how many there are.

use crate::world::{World, named};
use kube::api::ListParams;
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use valkeeper::settings::Settings;
use valkeeper_api::ValkeyCluster;
use valkeeper_testbed::faults::FaultPlan;
use valkeeper_testbed::node::NodeFault;

/// For how long calls are counted.
const REST: Duration = Duration::from_mins(1);
/// Between the last change and the first call that counts.
const SETTLING: Duration = Duration::from_secs(20);
/// How many primaries are killed, one after the other.
const KILLED: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that takes minutes"]
async fn many_clusters_cost_one_operator_this() {
    let count = std::env::var("VALKEEPER_CLUSTERS").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    let Some(mut world) = World::embedded().await else { return };
    world.kill_operator().await;
    let operator = Operator::start(&world);
    let begun = Instant::now();
    for number in 0..count {
        world.create(&name(number), json!({})).await;
    }
    until_all_ready(&world, count).await;
    println!("{count} clusters of three accept writes after {:.1} s", begun.elapsed().as_secs_f64());
    tokio::time::sleep(SETTLING).await;
    println!(
        "memory of the operator: {} MB of its own, {} MB with its program",
        operator.memory("RssAnon:"),
        operator.memory("VmRSS:")
    );

    let mut times = Vec::new();
    for number in 0..KILLED.min(count) {
        times.push(failover(&world, &name(number)).await);
    }
    times.sort();
    println!(
        "a killed primary is replaced within {:?}",
        times.iter().map(|time| format!("{:.2} s", time.as_secs_f64())).collect::<Vec<_>>()
    );
    drop(operator);

    let plan = FaultPlan::new();
    world.resync = Settings::default().resync_interval;
    world.restart_operator_behind(&plan).await;
    until_all_ready(&world, count).await;
    tokio::time::sleep(SETTLING).await;
    let before = plan.count(|_| true);
    tokio::time::sleep(REST).await;
    let calls = plan.count(|_| true) - before;
    println!("calls to Kubernetes at rest: {calls} in {} s", REST.as_secs());
}

fn name(number: usize) -> String {
    format!("c{number}")
}

/// Fails when the number that are ready stays the same for long.
async fn until_all_ready(world: &World, count: usize) {
    const STALLED: Duration = Duration::from_mins(2);
    let mut last = (0, Instant::now());
    while last.0 < count {
        let clusters = world.api::<ValkeyCluster>().list(&ListParams::default()).await.unwrap();
        let ready = clusters.iter().filter(|cluster| {
            cluster.status.as_ref().is_some_and(|status| status.ready_instances == Some(3))
        });
        let ready = ready.count();
        if ready != last.0 {
            last = (ready, Instant::now());
        }
        assert!(last.1.elapsed() < STALLED, "{ready} of {count} are ready");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Time from the end of a primary's pod until clients are directed to another one.
async fn failover(world: &World, cluster: &str) -> Duration {
    let before = world.status(cluster).await["currentPrimary"].clone();
    world.nodes.inject(&NodeFault::Kill(named(before.as_str().unwrap()))).unwrap();
    let begun = Instant::now();
    loop {
        let now = world.status(cluster).await["currentPrimary"].clone();
        if now.is_string() && now != before {
            return begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The operator as a process of its own, which ends with this.
struct Operator {
    child: std::process::Child,
    _kubeconfig: tempfile::NamedTempFile,
}

impl Operator {
    fn start(world: &World) -> Self {
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(kubeconfig.path(), world.kubeconfig()).unwrap();
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
