//! What a pod costs: time from its creation until it is ready, and memory. Run by hand; prints a table.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt as _, watcher};
use valkeeper_testbed::node::{Mode, NodeOptions};
use valkeeper_testbed::tools;

use crate::world::{World, is_ready, named};

const PODS: usize = 30;

/// Kilobytes of memory that a process has to itself.
fn memory(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

fn manifest(name: &str, container: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{{name: main, {container}}}]"
    )
}

/// Creates a pod, and waits until a watch shows it as ready.
async fn start(world: &World, name: &str, container: &str) -> Duration {
    let events = watcher(world.pods(), watcher::Config::default().fields(&format!("metadata.name={name}")));
    let mut events = std::pin::pin!(events.applied_objects());
    let begun = Instant::now();
    world.apply(&manifest(name, container)).await;
    while let Some(pod) = events.next().await {
        if pod.is_ok_and(|pod: Pod| is_ready(&pod)) {
            break;
        }
    }
    begun.elapsed()
}

async fn measure(world: &World, what: &str, container: &str) {
    let own = memory(std::process::id());
    let mut times = Vec::new();
    for number in 0..PODS {
        times.push(start(world, &format!("{what}-{number}"), container).await);
    }
    times.sort();
    let processes = (0..PODS).flat_map(|number| world.nodes.processes(&named(&format!("{what}-{number}"))));
    let pods: u64 = processes.map(|(_, process)| memory(process)).sum();
    let count = u64::try_from(PODS).unwrap();
    let nodes = memory(std::process::id()).saturating_sub(own) / count;
    let mode = if world.nodes.mode() == Mode::Plain { "plain" } else { "isolated" };
    println!(
        "| {what}, {mode} | {} ms | {} ms | {} kB | {nodes} kB |",
        times[PODS / 2].as_millis(),
        times[PODS - 1].as_millis(),
        pods / count,
    );
}

async fn measure_all(world: World) {
    println!("| {PODS} pods | start p50 | start max | memory of a pod | of the nodes for each |");
    println!("|---|---|---|---|---|");
    measure(&world, "sleep", "image: busybox, command: [sleep, '600']").await;
    if tools::server_or_skip() {
        let image = if tools::VALKEY_SERVER.find().is_some() { "valkey/valkey" } else { "redis" };
        let probe = "readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}";
        measure(&world, "server", &format!("image: {image}, {probe}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn plain() {
    measure_all(World::with_options(NodeOptions::default()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another measurement, in a network namespace of its own"]
async fn in_namespaces() {
    measure_all(World::isolated().await).await;
}

#[test]
#[ignore = "a measurement"]
fn isolated() {
    crate::isolated::inside("bench::in_namespaces");
}
