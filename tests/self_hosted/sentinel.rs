//! Clients that are set up for Sentinel: real libraries find the primary through the Service, and follow a failover.

use crate::asking::{ask, until};
use crate::world::{World, named};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use redis::sentinel::{Sentinel, SentinelNodeConnectionInfo};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use valkeeper_testbed::node::NodeFault;
use valkeeper_testbed::tools;

const NAME: &str = "mymaster";

/// The page whose recipes are run.
const PAGE: &str = include_str!("../../docs/self-hosted/clients.md");

/// Writes again and again with the client of the recipe, and prints the host of the primary after each write that succeeded.
const PYTHON: &str = r#"
import sys, time, redis
while True:
    try:
        client.set("redis-py", time.time())
        print(sentinel.discover_master(os.environ["VALKEY_PRIMARY_NAME"])[0], flush=True)
    except redis.RedisError as error:
        print("error", repr(error), file=sys.stderr)
    time.sleep(0.02)
"#;

/// The same; the host is that of its connection.
const NODE: &str = r#"
const write = async () => {
  try {
    await client.set("ioredis", Date.now());
    console.log(client.stream.remoteAddress);
  } catch (error) {
    console.error("error " + error.message);
  }
  setTimeout(write, 20);
};
write();
"#;

/// The same.
const NODE_REDIS: &str = r#"
const write = async () => {
  try {
    await client.set("node-redis", Date.now());
    console.log(client.getMasterNode().host);
  } catch (error) {
    console.error("error " + error.message);
  }
  setTimeout(write, 20);
};
client.connect().then(write);
"#;

/// The code below the heading of a library.
fn recipe(library: &str) -> &'static str {
    let section = PAGE.split(&format!("\n### {library}\n")).nth(1).unwrap();
    section.split("\n```").nth(1).unwrap().split_once('\n').unwrap().1
}

/// A program of a client library, and the hosts that it has written to, in their order.
struct Library {
    name: &'static str,
    hosts: Arc<Mutex<Vec<String>>>,
    _process: Option<Child>,
    reading: JoinHandle<()>,
}

impl Drop for Library {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Library {
    fn note(hosts: &Mutex<Vec<String>>, host: String) {
        let mut hosts = hosts.lock().unwrap();
        if hosts.last() != Some(&host) {
            hosts.push(host);
        }
    }

    /// Every library that can be run here.
    fn all(folder: &std::path::Path, secret: &BTreeMap<String, String>) -> Vec<Self> {
        let programs = [
            (tools::REDIS_PY, "program.py", PYTHON),
            (tools::IOREDIS, "program.js", NODE),
            (tools::NODE_REDIS, "other.js", NODE_REDIS),
        ];
        let mut running = vec![Self::rust(&secret["VALKEY_SENTINEL_HOST"], &secret["VALKEY_PASSWORD"])];
        for (library, file, code) in programs {
            let Some(program) = library.or_skip() else { continue };
            let path = folder.join(file);
            std::fs::write(&path, recipe(library.name).to_owned() + code).unwrap();
            let mut command = Command::new(program);
            command.arg(path).envs(secret);
            let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let hosts = Arc::<Mutex<Vec<String>>>::default();
            let noted = Arc::clone(&hosts);
            let reading = tokio::spawn(async move {
                while let Ok(Some(host)) = lines.next_line().await {
                    Self::note(&noted, host);
                }
            });
            running.push(Self { name: library.name, hosts, _process: Some(process), reading });
        }
        running
    }

    fn rust(sentinel: &str, password: &str) -> Self {
        let hosts = Arc::<Mutex<Vec<String>>>::default();
        let (noted, sentinel, password) = (Arc::clone(&hosts), sentinel.to_owned(), password.to_owned());
        let reading = tokio::spawn(async move {
            loop {
                let writing = write_by_rust(&sentinel, &password, &noted);
                let _ = tokio::time::timeout(Duration::from_secs(5), writing).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { name: "redis-rs", hosts, _process: None, reading }
    }

    async fn until_writes_to(&self, host: &str) {
        let what = format!("{} writes to {host}", self.name);
        until(&what, async || (self.hosts.lock().unwrap().last()? == host).then_some(())).await;
    }
}

async fn write_by_rust(sentinel: &str, password: &str, hosts: &Mutex<Vec<String>>) -> redis::RedisResult<()> {
    let mut sentinel = Sentinel::build(vec![format!("redis://:{password}@{sentinel}:26379")])?;
    let access = redis::RedisConnectionInfo::default().set_password(password);
    let access = SentinelNodeConnectionInfo::default().set_redis_connection_info(access);
    let client = sentinel.async_master_for(NAME, Some(&access)).await?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    for number in 0..20 {
        let () = redis::cmd("SET").arg("redis-rs").arg(number).query_async(&mut connection).await?;
        let host = match client.get_connection_info().addr() {
            redis::ConnectionAddr::Tcp(host, _) => host.clone(),
            other => other.to_string(),
        };
        Library::note(hosts, host);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The address of the Service for them.
async fn service(world: &World) -> String {
    let service = world.api::<Service>().get("trio-sentinel").await.unwrap();
    service.spec.unwrap().cluster_ip.unwrap()
}

/// The host of the primary that a Kubernetes user sees.
async fn primary(world: &World, status: &Value) -> String {
    let pod = world.api::<Pod>().get(status["currentPrimary"].as_str().unwrap()).await.unwrap();
    pod.status.unwrap().pod_ip.unwrap()
}

async fn client_libraries_follow_a_failover_through_the_sentinel_service(world: World) {
    let clients = json!({"clients": {"sentinel": true, "primaryName": NAME}});
    world.create("trio", clients).await;
    let mut status = world.until_ready("trio").await;
    let folder = tempfile::tempdir().unwrap();
    let libraries = Library::all(folder.path(), &world.secret("trio").await);
    let host = primary(&world, &status).await;
    for library in &libraries {
        library.until_writes_to(&host).await;
    }
    // Planned, then unplanned.
    for kills in [false, true] {
        let old = status["currentPrimary"].as_str().unwrap().to_owned();
        if kills {
            world.nodes.inject(&NodeFault::Kill(named(&old))).unwrap();
        } else {
            world.delete::<Pod>(&old).await;
        }
        let before = status["term"].as_i64();
        let moved = |status: &Value| status["Ready"]["status"] == "True" && status["term"].as_i64() > before;
        status = world.until_status("trio", "moved", moved).await;
        let host = primary(&world, &status).await;
        for library in &libraries {
            library.until_writes_to(&host).await;
        }
    }
}

async fn sentinel_clients_are_served_and_left_without_a_change_of_pods(world: World) {
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let identities = async || {
        let mut identities = Vec::new();
        for name in world.pods().await {
            identities.push(world.api::<Pod>().get(&name).await.unwrap().metadata.uid);
        }
        identities
    };
    let pods = identities().await;
    assert!(world.api::<Service>().get_opt("trio-sentinel").await.unwrap().is_none());
    world.change("trio", json!({"clients": {"sentinel": true, "sentinelPassword": "Optional"}})).await;
    world.until_ready("trio").await;
    let url = format!("redis://{}:26379/", service(&world).await);
    let quorum = ["SENTINEL", "CKQUORUM", "trio"];
    let fine = |answer: &String| answer.starts_with("OK 3 usable Sentinels");
    until("an answer without a password", async || ask(&url, &quorum).await.filter(fine)).await;
    world.change("trio", json!({"clients": null})).await;
    world.until_ready("trio").await;
    until("no Service", async || {
        world.api::<Service>().get_opt("trio-sentinel").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(identities().await, pods);
}

async fn parameters_are_in_the_secret_and_a_config_map_under_the_prefix_of_the_user(world: World) {
    let spec = json!({
        "clients": {"sentinel": true, "primaryName": NAME},
        "connInfoSecretTarget": {"name": "shop", "prefix": "REDIS_"},
        "connInfoConfigMapTarget": {"name": "shop", "prefix": "CACHE_"},
    });
    world.create("trio", spec).await;
    world.until_ready("trio").await;
    let map = async || world.api::<ConfigMap>().get("shop").await.unwrap().data.unwrap_or_default();
    let (secret, parameters) = (world.secret("shop").await, map().await);
    assert_eq!(secret["REDIS_SENTINEL_HOST"], service(&world).await);
    assert_eq!(parameters["CACHE_PRIMARY_NAME"], NAME);
    for key in ["HOST", "PORT", "SSL", "SENTINEL_HOST", "SENTINEL_PORT", "PRIMARY_NAME"] {
        assert_eq!(parameters[&format!("CACHE_{key}")], secret[&format!("REDIS_{key}")], "{key}");
    }
    let text = format!("{parameters:?}");
    assert!(!text.contains(&secret["REDIS_PASSWORD"]) && !text.contains("PASSWORD"), "{text}");
    // Without Sentinel clients, their parameters go.
    world.change("trio", json!({"clients": null})).await;
    world.until_ready("trio").await;
    until("no parameters of Sentinel", async || {
        let keys: Vec<String> =
            world.secret("shop").await.into_keys().chain(map().await.into_keys()).collect();
        (!keys.iter().any(|key| key.contains("SENTINEL"))).then_some(())
    })
    .await;
}

async fn network_policy_follows_the_spec(world: World) {
    let policies = world.api::<NetworkPolicy>();
    let shop = json!([{"podSelector": {"matchLabels": {"app": "shop"}}}]);
    world.create("solo", json!({"instances": 1, "clients": {"allowFrom": shop}})).await;
    world.until_ready("solo").await;
    let policy = serde_json::to_value(policies.get("solo").await.unwrap()).unwrap();
    assert_eq!(policy["spec"]["ingress"][0]["from"], shop);
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], json!({"valkeeper.io/cluster": "solo"}));
    world.delete::<NetworkPolicy>("solo").await;
    until("the policy again", async || policies.get_opt("solo").await.unwrap()).await;
    world.change("solo", json!({"clients": null})).await;
    until("no policy", async || policies.get_opt("solo").await.unwrap().is_none().then_some(())).await;
}

crate::scenarios!(
    network_policy_follows_the_spec,
    parameters_are_in_the_secret_and_a_config_map_under_the_prefix_of_the_user;
    client_libraries_follow_a_failover_through_the_sentinel_service,
    sentinel_clients_are_served_and_left_without_a_change_of_pods,
);
