//! Isolated mode: wires between pods are cut, and packets do not arrive. Each test runs itself again in a
//! user and network namespace of its own.

use std::time::Duration;

use valkeeper_testbed::node::{Mode, NodeFault};
use valkeeper_testbed::tools;

use crate::world::{World, eventually, named};

/// Runs an ignored test of this program in namespaces of its own.
pub(crate) fn inside(test: &str) {
    let Some(inside) = tools::in_namespaces(test, &[]).unwrap() else { return };
    println!("{}", inside.printed);
    assert!(inside.passed);
}

#[test]
fn cut_wire_stops_replication_until_it_is_restored() {
    if tools::server_or_skip() {
        inside("isolated::wires");
    }
}

#[test]
fn services_lead_to_pods_in_networks_of_their_own() {
    if tools::server_or_skip() {
        inside("isolated::services");
    }
}

/// Sends a command to a server; none if it does not answer soon.
pub(crate) async fn ask(address: &str, command: &[&str]) -> Option<String> {
    let answer = async {
        let client = redis::Client::open(format!("redis://{address}/")).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut call = redis::cmd(command[0]);
        call.arg(&command[1..]);
        let answer: redis::Value = call.query_async(&mut connection).await.ok()?;
        redis::from_redis_value::<String>(answer).ok()
    };
    tokio::time::timeout(Duration::from_secs(2), answer).await.ok()?
}

/// Starts a server and returns its address.
pub(crate) async fn server(world: &World, name: &str, arguments: &[&str]) -> String {
    let image = if tools::VALKEY_SERVER.find().is_some() { "valkey/valkey" } else { "redis" };
    let arguments = serde_json::to_string(arguments).unwrap();
    world
        .apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: server
    image: {image}
    args: {arguments}
    readinessProbe: {{tcpSocket: {{port: 6379}}, periodSeconds: 1}}"
        ))
        .await;
    world.until_ready(name).await;
    let status = world.status(name).await;
    format!("{}:6379", status["podIP"].as_str().unwrap())
}

pub(crate) async fn until_there(address: &str, key: &str) {
    let read = || async { ask(address, &["GET", key]).await.filter(|value| value == "v") };
    eventually(&format!("{key} arrives at {address}"), read).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn wires() {
    let world = World::isolated().await;
    assert_eq!(world.nodes.mode(), Mode::Isolated);
    let primary = server(&world, "p", &["--repl-ping-replica-period", "1"]).await;
    let host = primary.split(':').next().unwrap();
    let follow = ["--replicaof", host, "6379", "--repl-timeout", "3"];
    let (near, far) = (server(&world, "near", &follow).await, server(&world, "far", &follow).await);
    assert_eq!(ask(&primary, &["SET", "before", "v"]).await.as_deref(), Some("OK"));
    until_there(&near, "before").await;
    until_there(&far, "before").await;
    let faults = [NodeFault::Cut(named("p"), named("far")), NodeFault::Cut(named("far"), named("p"))];
    for fault in &faults {
        world.nodes.inject(fault).unwrap();
    }
    assert_eq!(ask(&primary, &["SET", "during", "v"]).await.as_deref(), Some("OK"));
    until_there(&near, "during").await;
    let replication = || async { ask(&far, &["INFO", "replication"]).await };
    let down = |text: &String| text.contains("master_link_status:down");
    eventually("the far replica sees the link down", || async { replication().await.filter(down) }).await;
    // It answers, and did not get what the other one got.
    assert_eq!(ask(&far, &["EXISTS", "during"]).await, ask(&far, &["EXISTS", "never"]).await);
    assert_eq!(ask(&far, &["GET", "before"]).await.as_deref(), Some("v"));
    for fault in [NodeFault::Join(named("p"), named("far")), NodeFault::Join(named("far"), named("p"))] {
        world.nodes.inject(&fault).unwrap();
    }
    until_there(&far, "during").await;
    world.nodes.inject(&NodeFault::CutOutside(named("p"))).unwrap();
    assert_eq!(ask(&primary, &["PING"]).await, None);
    let up = |text: &String| text.contains("master_link_status:up");
    assert!(ask(&near, &["INFO", "replication"]).await.is_some_and(|text| up(&text)));
    world.nodes.inject(&NodeFault::JoinOutside(named("p"))).unwrap();
    eventually("the primary answers", || async { ask(&primary, &["PING"]).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn services() {
    let world = World::isolated().await;
    world
        .apply(
            "
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: a}, ports: [{port: 6379}]}",
        )
        .await;
    let service = world.api::<k8s_openapi::api::core::v1::Service>().get("s").await.unwrap();
    let address = format!("{}:6379", service.spec.unwrap().cluster_ip.unwrap());
    let first = server(&world, "a", &[]).await;
    eventually("the service leads to the server", || async { ask(&address, &["SET", "k", "v"]).await }).await;
    until_there(&first, "k").await;
    // From a pod, too.
    let host = address.split(':').next().unwrap();
    let replica = server(&world, "b", &["--replicaof", host, "6379"]).await;
    until_there(&replica, "k").await;
}
