//! The protocol of Sentinel on real servers: managers name the primary, and never one that is none.

use crate::{
    operator::Operator,
    world::{Node, Setup, World, all_programs, until, valkey},
};
use rustix::process::Signal;
use std::{fs, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use valkeeper_failover::{Name, Term, operator::Step, protocol::Role};
use valkeeper_server::{Connection, Credentials, Endpoint, Value, resp};

pub(crate) const PORT: u16 = 26379;
pub(crate) const CLUSTER: &str = "cache";

/// Settings in which each manager answers.
pub(crate) fn answering() -> Setup {
    let more = format!(
        "{}sentinel: {{address: 'HOST:{PORT}', name: {CLUSTER}, instances: 3}}\n",
        crate::world::INTERVALS
    );
    Setup { server: "  accessFile: FOLDER/access\n".to_owned(), more, ..Setup::default() }
}

/// Instances with the password `word`.
pub(crate) async fn world(program: &Path, count: usize, setup: &Setup) -> World {
    let mut world = World::new(program, count, setup);
    for node in &mut world.nodes {
        node.accept(1, &["word"]);
        node.password = Some("word".to_owned());
        node.start();
    }
    for node in &world.nodes {
        node.until("held", |status| status.status.role == Role::Held).await;
    }
    world
}

/// A client of a manager that has authenticated.
pub(crate) async fn client(node: &Node) -> Connection {
    let endpoint = Endpoint::Tcp(node.host.clone(), PORT);
    let credentials = Credentials { user: "default".to_owned(), password: "word".to_owned() };
    loop {
        match Connection::open(&endpoint, Some(&credentials), Duration::from_secs(5)).await {
            Ok(connection) => return connection,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The host that a manager names as the primary.
pub(crate) async fn named(node: &Node) -> Option<String> {
    let answer = client(node).await.call(&["SENTINEL", "get-master-addr-by-name", CLUSTER]).await.unwrap();
    answer.elements().first().and_then(Value::text)
}

/// The hosts in a list of entries.
async fn hosts(node: &Node, what: &str) -> Vec<String> {
    let answer = client(node).await.call(&["SENTINEL", what, CLUSTER]).await.unwrap();
    let ip = |entry: &Value| {
        entry.pairs().into_iter().find(|(name, _)| name == "ip").map(|(_, ip)| ip).unwrap_or_default()
    };
    let mut hosts: Vec<String> = answer.elements().iter().map(ip).collect();
    hosts.sort();
    hosts
}

fn other_hosts(world: &World, than: &[&str]) -> Vec<String> {
    let hosts = world.nodes.iter().map(|node| node.host.clone());
    hosts.filter(|host| !than.contains(&host.as_str())).collect()
}

async fn hand_over(world: &World, primary: &Name) {
    let client = &world.node(primary).client;
    let Role::Primary(term) = client.status().await.unwrap().status.role else { panic!() };
    client.failover(term).await.unwrap();
}

/// A subscriber to everything that a manager says.
struct Subscriber {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Subscriber {
    async fn new(node: &Node) -> Self {
        let mut stream = TcpStream::connect((node.host.as_str(), PORT)).await.unwrap();
        for words in [["AUTH", "word"], ["PSUBSCRIBE", "*"]] {
            stream.write_all(&resp::encode_command(&words.map(str::as_bytes))).await.unwrap();
        }
        let mut subscriber = Self { stream, received: Vec::new() };
        subscriber.next().await;
        subscriber.next().await;
        subscriber
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some((value, length)) = resp::decode(&self.received).unwrap() {
                self.received.drain(..length);
                return value;
            }
            assert_ne!(self.stream.read_buf(&mut self.received).await.unwrap(), 0, "the manager hung up");
        }
    }

    /// The messages on this channel that have arrived, up to one with this text.
    async fn until(&mut self, channel: &str, part: &str) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            let text = |at: usize| message.elements()[at].text().unwrap();
            if text(2) == channel {
                messages.push(text(3));
                if text(3).contains(part) {
                    return messages;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_name_the_primary_and_follow_a_switchover() {
    for program in all_programs() {
        let world = world(&program, 3, &answering()).await;
        for node in &world.nodes {
            assert_eq!(named(node).await, None, "nobody was promoted yet");
        }
        let mut operator = Operator::new();
        let old = operator.settled(&world).await;
        let old_host = world.node(&old).host.clone();
        for node in &world.nodes {
            assert_eq!(named(node).await, Some(old_host.clone()));
            assert_eq!(hosts(node, "replicas").await, other_hosts(&world, &[&old_host]));
            assert_eq!(hosts(node, "sentinels").await, other_hosts(&world, &[&node.host]));
            let quorum = client(node).await.call(&["SENTINEL", "ckquorum", CLUSTER]).await.unwrap();
            assert!(quorum.text().unwrap().starts_with("OK 3 usable Sentinels"), "{quorum:?}");
        }
        let mut subscribers = Vec::new();
        for node in &world.nodes {
            subscribers.push(Subscriber::new(node).await);
        }
        hand_over(&world, &old).await;
        let moved = |step: &Step| matches!(step, Step::Settled(name, _) if *name != old);
        operator.until(&world, "another primary", async |step| moved(step)).await;
        let new = operator.settled(&world).await;
        let new_host = world.node(&new).host.clone();
        for node in &world.nodes {
            assert_eq!(named(node).await, Some(new_host.clone()));
            assert_eq!(hosts(node, "replicas").await, other_hosts(&world, &[&new_host]));
        }
        let expected = format!("{CLUSTER} {old_host} 6379 {new_host} 6379");
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.until("+switch-master", "").await, [expected.as_str()]);
            let replica = other_hosts(&world, &[&new_host])[0].clone();
            subscriber.until("+slave", &replica).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manager_of_a_replica_does_not_name_a_primary_that_was_fenced() {
    let Some(program) = valkey() else { return };
    let world = world(&program, 3, &answering()).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    // On the other side of a network from now on, with the link to its primary up.
    let forgotten = world.nodes.iter().find(|node| node.name != old).unwrap();
    assert_eq!(named(forgotten).await, Some(world.node(&old).host.clone()));
    operator.unseen.insert(forgotten.name.clone());
    world.node(&old).cut_lease();
    world.node(&old).until("held", |status| status.status.role == Role::Held).await;
    let link = || async { forgotten.client.status().await.unwrap().status };
    assert_eq!(link().await.role, Role::Replica(old.clone()), "nobody has told it");
    assert!(link().await.streaming, "its link is up");
    assert_eq!(named(forgotten).await, None);
    assert_eq!(named(world.node(&old)).await, None);
    for question in ["master", "replicas", "sentinels", "ckquorum"] {
        let answer = client(forgotten).await.call(&["SENTINEL", question, CLUSTER]).await;
        assert!(answer.is_err(), "{question} {answer:?}");
    }
    let primaries = client(forgotten).await.call(&["SENTINEL", "masters"]).await.unwrap();
    assert_eq!(primaries, Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_that_stands_still_is_not_named_by_others() {
    let Some(program) = valkey() else { return };
    let world = world(&program, 3, &answering()).await;
    let mut operator = Operator::new();
    let old = operator.settled(&world).await;
    let node = world.node(&old);
    rustix::process::kill_process(node.server_pid().await, Signal::STOP).unwrap();
    for other in world.nodes.iter().filter(|other| other.name != old) {
        assert_eq!(named(other).await, None, "nobody can know whether it still accepts writes");
    }
    let moved = |step: &Step| matches!(step, Step::Settled(name, _) if *name != old);
    operator.until(&world, "another primary", async |step| moved(step)).await;
    let new = operator.settled(&world).await;
    for node in &world.nodes {
        until("the new primary", async || named(node).await == Some(world.node(&new).host.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_named_primary_accepted_writes_while_it_was_named() {
    let Some(program) = valkey() else { return };
    let world = world(&program, 3, &answering()).await;
    let mut operator = Operator::new();
    let mut primary = operator.settled(&world).await;
    let (mut asked, mut unknown) = (0_u32, 0_u32);
    for _ in 0..3 {
        hand_over(&world, &primary).await;
        let before = primary.clone();
        operator
            .until(&world, "another primary", async |step| {
                for node in &world.nodes {
                    let promised = world.node(&before);
                    let reigned = reigning(&world).await;
                    let answer = named(node).await;
                    let reigns = reigning(&world).await;
                    // One that reigned neither before nor after was none in between: nobody is promoted twice so fast.
                    if let Some(host) = &answer {
                        assert!(
                            reigned.contains(host) || reigns.contains(host),
                            "{} named {host}; before {reigned:?}, after {reigns:?}; old {}",
                            node.name,
                            promised.host
                        );
                    }
                    asked += 1;
                    unknown += u32::from(answer.is_none());
                }
                matches!(step, Step::Settled(name, _) if *name != before)
            })
            .await;
        primary = operator.settled(&world).await;
    }
    println!("{asked} answers, of which {unknown} say that the primary is not known");
}

/// The hosts of servers that call themselves primary.
async fn reigning(world: &World) -> Vec<String> {
    let mut hosts = Vec::new();
    for node in &world.nodes {
        if let Ok(mut server) = node.server().await
            && server.info(&["replication"]).await.is_ok_and(|info| info.replication().is_primary)
        {
            hosts.push(node.host.clone());
        }
    }
    hosts
}

#[tokio::test(flavor = "multi_thread")]
async fn answering_begins_changes_and_ends_without_a_restart() {
    let Some(program) = valkey() else { return };
    let setup = Setup { server: "  accessFile: FOLDER/access\n".to_owned(), ..Setup::default() };
    let world = world(&program, 1, &setup).await;
    let node = &world.nodes[0];
    let refused = async || TcpStream::connect((node.host.as_str(), PORT)).await.is_err();
    assert!(refused().await, "nobody asked for it");
    let plain = fs::read_to_string(&node.settings).unwrap();
    let with = |more: &str| {
        let host = &node.host;
        format!("sentinel: {{address: '{host}:{PORT}', name: {CLUSTER}, instances: 1{more}}}\n{plain}")
    };
    let anonymous = async || {
        let endpoint = Endpoint::Tcp(node.host.clone(), PORT);
        let mut connection = Connection::open(&endpoint, None, Duration::from_secs(5)).await?;
        connection.call(&["SENTINEL", "masters"]).await
    };
    fs::write(&node.settings, with("")).unwrap();
    node.client.reload(Term(0)).await.unwrap();
    assert_eq!(named(node).await, None);
    let mut stays = client(node).await;
    assert!(anonymous().await.unwrap_err().to_string().contains("NOAUTH"));
    fs::write(&node.settings, with(", password: Optional")).unwrap();
    node.client.reload(Term(0)).await.unwrap();
    assert_eq!(anonymous().await.unwrap(), Value::Array(Vec::new()));
    assert_eq!(
        stays.call(&["PING"]).await.unwrap().text().as_deref(),
        Some("PONG"),
        "it was not disconnected"
    );
    fs::write(&node.settings, plain).unwrap();
    node.client.reload(Term(0)).await.unwrap();
    until("the end of it", async || refused().await).await;
    assert!(stays.call(&["PING"]).await.is_err());
}
