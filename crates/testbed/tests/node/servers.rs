//! Real servers in pods.

use k8s_openapi::api::core::v1::Service;
use valkeeper_testbed::tools;

use crate::world::{World, eventually};

async fn ask(address: &str, command: &[&str]) -> Option<String> {
    let client = redis::Client::open(format!("redis://{address}/")).ok()?;
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let mut call = redis::cmd(command[0]);
    call.arg(&command[1..]);
    call.query_async(&mut connection).await.ok()
}

pub(crate) async fn three_servers_replicate_behind_services(world: World) {
    if !tools::server_or_skip() {
        return;
    }
    let valkey = tools::VALKEY_SERVER.find().is_some();
    let image = if valkey { "valkey/valkey:8.0" } else { "redis:7" };
    world
        .apply(
            "
apiVersion: v1
kind: Service
metadata: {name: leader}
spec: {selector: {app: x, role: primary}, ports: [{port: 6379, targetPort: server}]}
---
apiVersion: v1
kind: Service
metadata: {name: all}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: x}, ports: [{port: 6379}]}",
        )
        .await;
    let leader = world.api::<Service>().get("leader").await.unwrap().spec.unwrap().cluster_ip.unwrap();
    for (name, role) in [("s-0", "primary"), ("s-1", "replica"), ("s-2", "replica")] {
        let arguments =
            if role == "primary" { "[]" } else { "[--replicaof, $(LEADER_SERVICE_HOST), '6379']" };
        world
            .apply(&format!(
                "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: x, role: {role}}}}}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: server
    image: {image}
    args: {arguments}
    ports: [{{containerPort: 6379, name: server}}]
    readinessProbe: {{tcpSocket: {{port: server}}, periodSeconds: 1}}"
            ))
            .await;
    }
    for name in ["s-0", "s-1", "s-2"] {
        world.until_ready(name).await;
    }
    let leader = format!("{leader}:6379");
    let written = || async { ask(&leader, &["SET", "k", "v"]).await.filter(|answer| answer == "OK") };
    eventually("the service leads to the primary", written).await;
    for name in ["s-1", "s-2"] {
        let status = world.status(name).await;
        let replica = format!("{}:6379", status["podIP"].as_str().unwrap());
        eventually("the write is replicated", || async {
            ask(&replica, &["GET", "k"]).await.filter(|answer| answer == "v")
        })
        .await;
    }
}
