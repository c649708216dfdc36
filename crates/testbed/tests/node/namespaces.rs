//! Faults that need namespaces of their own: partitions, delay and loss on wires, volumes with a size, names, and
//! pods that are cut off the API.

use std::process::Command;
use std::time::Duration;

use valkeeper_testbed::node::{Lasting, NodeFault};
use valkeeper_testbed::tools;

use crate::isolated::{ask, inside, server, until_there};
use crate::world::{World, eventually, named};

#[test]
fn partitions_stop_packets_in_the_directions_they_name() {
    inside("namespaces::partitions");
}

#[test]
fn delays_and_losses_happen_on_the_wire() {
    if tools::server_or_skip() {
        inside("namespaces::delays");
    }
}

#[test]
fn volumes_have_a_size_and_fill_up() {
    inside("namespaces::volumes");
}

#[test]
fn pods_reach_an_api_server_on_the_loopback_address() {
    inside("namespaces::api");
}

fn begin(world: &World, lasting: &Lasting) {
    world.nodes.inject(&NodeFault::Begin(lasting.clone())).unwrap();
}

fn end(world: &World, lasting: &Lasting) {
    world.nodes.inject(&NodeFault::End(lasting.clone())).unwrap();
}

/// A pod that does nothing; its address, and a process that holds its network.
async fn sleeper(world: &World, name: &str) -> (String, u32) {
    world
        .apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{{name: main, image: busybox, command: [sleep, '600']}}]"
        ))
        .await;
    world.until_ready(name).await;
    let address = world.status(name).await["podIP"].as_str().unwrap().to_owned();
    (address, world.nodes.processes(&named(name))[0].1)
}

/// Datagrams that have reached a pod. Its interface counts more: the bridge floods packets without a known receiver.
fn received(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/net/snmp")).unwrap();
    let numbers = text.lines().filter_map(|line| line.strip_prefix("Udp: ")).nth(1).unwrap();
    // Delivered, and to a port without a listener.
    numbers.split(' ').take(2).map(|number| number.parse::<u64>().unwrap()).sum()
}

/// How many packets of ten arrive.
fn arrived(from: u32, to: (&str, u32)) -> u64 {
    let before = received(to.1);
    let (host, port) = (to.0, 9);
    let script = format!("for i in 1 2 3 4 5 6 7 8 9 10; do echo x > /dev/udp/{host}/{port}; done");
    let process = from.to_string();
    let sent = Command::new("nsenter").args(["--target", &process, "--net", "bash", "-c", &script]).output();
    // Without an answer to its address request, the first packets wait; here all addresses are known.
    assert!(sent.unwrap().status.success());
    std::thread::sleep(Duration::from_millis(100));
    received(to.1) - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn partitions() {
    let world = World::isolated().await;
    let (one, two, three) =
        (sleeper(&world, "a").await, sleeper(&world, "b").await, sleeper(&world, "c").await);
    let to = |pod: &(String, u32)| (pod.0.clone(), pod.1);
    let passes = |from: &(String, u32), target: &(String, u32)| {
        let (host, process) = to(target);
        arrived(from.1, (&host, process)) >= 10
    };
    let all = || [passes(&one, &two), passes(&two, &one), passes(&one, &three), passes(&three, &one)];
    assert_eq!(all(), [true; 4]);
    world.nodes.inject(&NodeFault::Cut(named("a"), named("b"))).unwrap();
    assert_eq!(all(), [false, true, true, true], "one direction");
    world.nodes.inject(&NodeFault::Join(named("a"), named("b"))).unwrap();
    let split = Lasting::Split(named("a"), named("b"));
    begin(&world, &split);
    assert_eq!(all(), [false, false, true, true], "both directions");
    end(&world, &split);
    let split = Lasting::SplitFromPeers(named("a"));
    begin(&world, &split);
    assert_eq!(all(), [false; 4], "all peers");
    assert!(passes(&two, &three) && passes(&three, &two));
    end(&world, &split);
    assert_eq!(all(), [true; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn delays() {
    let world = World::isolated().await;
    let primary = server(&world, "p", &["--repl-ping-replica-period", "1"]).await;
    let host = primary.split(':').next().unwrap();
    let replica = server(&world, "r", &["--replicaof", host, "6379", "--repl-timeout", "20"]).await;
    assert_eq!(ask(&primary, &["SET", "before", "v"]).await.as_deref(), Some("OK"));
    until_there(&replica, "before").await;
    let (process, client) = (world.nodes.processes(&named("r"))[0].1, sleeper(&world, "c").await.1);
    // A round trip from one pod to another, in milliseconds.
    let round = || {
        let begun = std::time::Instant::now();
        let script = format!("exec 3<>/dev/tcp/{host}/6379; echo PING >&3; read -r answer <&3; echo $answer");
        let process = client.to_string();
        let output =
            Command::new("nsenter").args(["--target", &process, "--net", "bash", "-c", &script]).output();
        let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        assert!(text.contains("PONG"), "{text}");
        begun.elapsed().as_millis()
    };
    let delay = Lasting::Delay(named("c"), named("p"), Duration::from_millis(700));
    assert!(round() < 700);
    begin(&world, &delay);
    assert!(round() >= 700);
    // The path of another pod is not delayed, and replication continues.
    assert_eq!(ask(&primary, &["SET", "during", "v"]).await.as_deref(), Some("OK"));
    until_there(&replica, "during").await;
    // Until it is: what a replica gets arrives later, too.
    let other = Lasting::Delay(named("r"), named("p"), Duration::from_millis(700));
    begin(&world, &other);
    assert_eq!(ask(&primary, &["SET", "again", "v"]).await.as_deref(), Some("OK"));
    until_there(&replica, "again").await;
    let begun = std::time::Instant::now();
    assert_eq!(ask(&primary, &["SET", "late", "v"]).await.as_deref(), Some("OK"));
    until_there(&replica, "late").await;
    assert!(begun.elapsed().as_millis() >= 700);
    assert!(round() >= 700, "the first delay goes on");
    end(&world, &other);
    end(&world, &delay);
    assert!(round() < 700);
    // Everything lost, and nothing of the other direction.
    let loss = Lasting::Loss(named("c"), named("r"), 100);
    let replica_host = replica.split(':').next().unwrap().to_owned();
    begin(&world, &loss);
    eventually("nothing arrives", || async {
        (arrived(client, (&replica_host, process)) < 10).then_some(())
    })
    .await;
    end(&world, &loss);
    assert!(arrived(client, (&replica_host, process)) >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn volumes() {
    let world = World::isolated().await;
    let full = Lasting::DiskFull(named("data"));
    if let Some(obstacle) = world.nodes.obstacle(&NodeFault::Begin(full.clone())) {
        panic!("{obstacle}");
    }
    world
        .apply(
            "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 8Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'if head -c 9000000 /dev/zero > /data/big; then echo unlimited; else echo limited; fi; rm /data/big; while :; do if head -c 4096 /dev/zero >> /data/file; then echo wrote; else echo full; fi; sleep 0.05; done']
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]",
        )
        .await;
    // Its size is all there is.
    world.until_logged("a", "limited\n").await;
    let last = || async { world.log("a").await.lines().last().unwrap_or_default().to_owned() };
    eventually("it writes", || async { (last().await == "wrote").then_some(()) }).await;
    begin(&world, &full);
    eventually("nothing can be written", || async { (last().await == "full").then_some(()) }).await;
    end(&world, &full);
    eventually("it writes again", || async { (last().await == "wrote").then_some(()) }).await;
    assert!(!world.log("a").await.contains("unlimited"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn api() {
    let Some(kubectl) = tools::KUBECTL.or_skip() else { return };
    let world = World::isolated().await;
    let get = format!("{} --request-timeout=2s get nodes -o name", kubectl.display());
    world
        .apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'while :; do if {get}; then echo reached; else echo lost; fi; sleep 0.1; done']"
        ))
        .await;
    world.until_logged("a", "node/node-3\nreached").await;
    let split = Lasting::SplitFromApi(named("a"));
    begin(&world, &split);
    // The kubelet speaks for itself.
    let last = || async { world.log("a").await.lines().last().unwrap_or_default().to_owned() };
    eventually("the pod does not reach it", || async { (last().await == "lost").then_some(()) }).await;
    end(&world, &split);
    eventually("the pod reaches it", || async { (last().await == "reached").then_some(()) }).await;
}

#[test]
fn names_lead_to_pods_and_may_be_stale() {
    inside("namespaces::names");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn names() {
    let world = World::isolated().await;
    let service = "
apiVersion: v1
kind: Service
metadata: {name: all}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: a}, ports: [{port: 6379}]}";
    world.apply(service).await;
    let first = sleeper(&world, "a").await.0;
    world
        .apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: asks}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'while :; do getent ahostsv4 all | head -1 || echo none; sleep 0.1; done']",
        )
        .await;
    let last = || async { world.log("asks").await.lines().last().unwrap_or_default().to_owned() };
    let leads_to = |address: String| {
        let last = &last;
        async move { last().await.starts_with(&format!("{address} ")).then_some(()) }
    };
    eventually("the name leads to the pod", || leads_to(first.clone())).await;
    begin(&world, &Lasting::StaleDns);
    world.pods().delete("a", &kube::api::DeleteParams::default()).await.unwrap();
    eventually("the pod is gone", || async { world.pod("a").await.is_none().then_some(()) }).await;
    let second = sleeper(&world, "a").await.0;
    assert_ne!(first, second);
    let lines = || async { world.log("asks").await.lines().count() };
    let before = lines().await;
    eventually("more answers", || async { (lines().await > before + 3).then_some(()) }).await;
    assert!(leads_to(first).await.is_some());
    end(&world, &Lasting::StaleDns);
    eventually("the name leads to the new pod", || leads_to(second.clone())).await;
}
