//! Proof that the checker can fail: a failover that promotes after one failed poll and stops no server. With real
//! servers, it lets two sides acknowledge writes and loses acknowledged writes of one of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use valkeeper_testbed::history::{
    Clients, Leader, Load, Promise, Promises, Recorder, address, judge, read_back,
};
use valkeeper_testbed::node::{Company, NodeSchedule};
use valkeeper_testbed::tools;

use crate::world::{World, eventually};

const NAMES: [&str; 3] = ["a", "b", "c"];
const PORT: u16 = 6379;

/// Three servers and the failover in front of them.
struct Naive {
    world: World,
    hosts: Vec<IpAddr>,
    /// Source address of its connections.
    source: Option<Ipv4Addr>,
    primary: Mutex<usize>,
}

impl Naive {
    /// `a` is the primary, `b` and `c` replicate.
    async fn start(world: World) -> Self {
        world
            .apply(
                "
apiVersion: v1
kind: Service
metadata: {name: leader}
spec: {selector: {app: x, role: primary}, ports: [{port: 6379}]}",
            )
            .await;
        let mut hosts = Vec::new();
        for name in NAMES {
            let follow =
                hosts.first().map_or("[]".to_owned(), |host| format!("[--replicaof, '{host}', '6379']"));
            let role = if hosts.is_empty() { "primary" } else { "replica" };
            world.apply(&manifest(name, role, &follow)).await;
            world.until_ready(name).await;
            hosts.push(world.status(name).await["podIP"].as_str().unwrap().parse().unwrap());
        }
        let source = world.nodes.control_address();
        let naive = Self { world, hosts, source, primary: Mutex::new(0) };
        for replica in 1..NAMES.len() {
            naive.until_linked(replica).await;
        }
        naive
    }

    async fn until_linked(&self, replica: usize) {
        let up = || async {
            let info = self.ask(replica, &["INFO", "replication"]).await?;
            info.contains("master_link_status:up").then_some(())
        };
        eventually(&format!("{} is linked", NAMES[replica]), up).await;
    }

    /// Promotes the next one as soon as the primary does not answer once.
    async fn watch(&self) {
        loop {
            let primary = *self.primary.lock().unwrap();
            if !self.answers(primary).await {
                let next = (primary + 1) % NAMES.len();
                self.ask(next, &["REPLICAOF", "NO", "ONE"]).await;
                *self.primary.lock().unwrap() = next;
                for other in (0..NAMES.len()).filter(|other| *other != next && *other != primary) {
                    self.ask(other, &["REPLICAOF", &self.hosts[next].to_string(), "6379"]).await;
                }
                for (number, name) in NAMES.into_iter().enumerate() {
                    let role = if number == next { "primary" } else { "replica" };
                    let labels = json!({"metadata": {"labels": {"role": role}}});
                    self.world.patch::<Pod>(name, labels).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// One poll, from its source address.
    async fn answers(&self, server: usize) -> bool {
        const PATIENCE: Duration = Duration::from_millis(300);
        let poll = async {
            let socket = TcpSocket::new_v4()?;
            if let Some(source) = self.source {
                socket.bind(SocketAddr::from((source, 0)))?;
            }
            let mut stream = socket.connect(SocketAddr::new(self.hosts[server], PORT)).await?;
            stream.write_all(b"PING\r\n").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await.map(|_| answer == *b"+PONG")
        };
        matches!(tokio::time::timeout(PATIENCE, poll).await, Ok(Ok(true)))
    }

    async fn ask(&self, server: usize, words: &[&str]) -> Option<String> {
        let client = redis::Client::open(address(SocketAddr::new(self.hosts[server], PORT))?).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.ok()
    }

    /// What such operators do when they see the old primary again: it follows the new one.
    async fn reunite(&self) {
        let primary = *self.primary.lock().unwrap();
        for other in (0..NAMES.len()).filter(|other| *other != primary) {
            self.ask(other, &["REPLICAOF", &self.hosts[primary].to_string(), "6379"]).await;
            self.until_linked(other).await;
        }
    }
}

fn manifest(name: &str, role: &str, arguments: &str) -> String {
    let image = if tools::VALKEY_SERVER.find().is_some() { "valkey/valkey" } else { "redis" };
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: x, role: {role}}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: server
    image: {image}
    args: {arguments}
    readinessProbe: {{tcpSocket: {{port: 6379}}, periodSeconds: 1}}"
    )
}

/// Plays a schedule and demands what the checker must find.
async fn breaks(world: World, schedule: &str) {
    let naive = Naive::start(world).await;
    let service = naive.world.api::<Service>().get("leader").await.unwrap();
    let leader = service.spec.unwrap().cluster_ip.unwrap().parse().unwrap();
    let leader = Leader::At(Arc::new(move || address(SocketAddr::new(leader, PORT))));
    let recorder = Recorder::new();
    // Some stay where they are, some come back through the service.
    let patient = Load { patience: Duration::from_secs(15), ..Load::default() };
    let restless = Load { patience: Duration::from_millis(500), ..Load::default() };
    let clients = [&patient, &restless].map(|load| Clients::start(&recorder, load, &leader));
    let schedule: NodeSchedule = schedule.parse().unwrap();
    let company = Company { recorder: Some(&recorder), plan: None };
    let promises = Promises {
        lag: Duration::from_millis(50),
        cut_off: Duration::from_millis(50),
        ..Promises::default()
    };
    let found = || async {
        let verdict = judge(&recorder.history([].into()), &promises);
        verdict.promises().contains(&Promise::OneSide).then_some(())
    };
    let both = async {
        let missed = naive.world.nodes.play(&schedule, &company).await.unwrap();
        assert_eq!(missed, Vec::<String>::new());
        // Newcomers find the new primary; who stayed writes to the old one.
        let newcomers = Clients::start(&recorder, &Load::default(), &leader);
        eventually("two sides acknowledge writes", found).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        newcomers.stop().await;
    };
    tokio::select! { () = both => {}, () = naive.watch() => unreachable!("it has no end") }
    for clients in clients {
        clients.stop().await;
    }
    naive.reunite().await;
    let history = recorder.history(read_back(&leader, &Load::default()).await.unwrap());
    let verdict = judge(&history, &promises);
    println!("{verdict}");
    assert!(verdict.promises().contains(&Promise::OneSide), "{verdict}");
    assert!(verdict.promises().contains(&Promise::LastLag), "{verdict}");
    assert!(verdict.lost > 0, "{verdict}");
    assert!(verdict.shortest().unwrap().counterexample.len() <= 3, "{verdict}");
}

pub(crate) async fn naive_failover_is_caught_after_a_freeze(world: World) {
    if tools::server_or_skip() {
        breaks(world, include_str!("../../schedules/freeze.txt")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a network namespace of its own"]
async fn partition() {
    breaks(World::isolated().await, include_str!("../../schedules/partition.txt")).await;
}

#[test]
fn naive_failover_is_caught_under_a_partition() {
    if tools::server_or_skip() {
        crate::isolated::inside("naive::partition");
    }
}
