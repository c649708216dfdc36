//! The Kubernetes API is away: a primary goes on while its replicas consent, and stops when one of them does not.

use crate::asking::until;
use crate::world::{World, named};
use crate::writer::{Writer, missing};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use valkeeper_cluster::names;
use valkeeper_testbed::node::{Lasting, NodeFault};

/// Longer than a term without consent.
const OUTAGE: Duration = Duration::from_secs(22);

/// A cluster whose Lease names both replicas, and its first status.
async fn cluster_with_consent(world: &World) -> Value {
    world.create("trio", json!({"failover": {"apiServerOutage": "Continue"}})).await;
    let first = world.until_ready("trio").await;
    until_replicas_are_named(world, "trio").await;
    first
}

/// The Lease names both replicas.
pub(crate) async fn until_replicas_are_named(world: &World, name: &str) {
    until("the Lease names both replicas", async || {
        (consents_of(world, name).await.len() == 2).then_some(())
    })
    .await;
}

/// The pods that the Lease names.
async fn consents_of(world: &World, name: &str) -> Vec<String> {
    let lease = world.api::<Lease>().get(name).await.unwrap();
    let named = lease.metadata.annotations.unwrap_or_default().remove("valkeeper.io/consent-of");
    named.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect()
}

async fn primary_goes_on_without_the_api_by_consent(mut world: World) {
    let first = cluster_with_consent(&world).await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 200).then_some(())).await;
    world.kill_operator().await;
    world.nodes.inject(&NodeFault::Begin(Lasting::ApiOutage)).unwrap();
    tokio::time::sleep(OUTAGE).await;
    let during = writer.count();
    until("writes go on", async || (writer.count() > during + 200).then_some(())).await;
    world.nodes.heal();
    world.start_operator();
    world.change("trio", json!({"config": {"timeout": "300"}})).await;
    let settled = |status: &Value| status["Ready"]["status"] == "True" && status["observedGeneration"] == 2;
    let second = world.until_status("trio", "ready again", settled).await;
    let (acknowledged, gap) = writer.stop().await;
    assert_eq!(second["term"], first["term"], "another primary was elected");
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
    println!("longest time without an acknowledgment: {gap:?} of {} writes", acknowledged.len());
    assert!(gap < OUTAGE / 2, "{gap:?} without an acknowledgment");
}

async fn primary_without_the_api_stops_without_consent(mut world: World) {
    let first = cluster_with_consent(&world).await;
    let primary = first["currentPrimary"].as_str().unwrap();
    let replica = world.pods().await.into_iter().find(|pod| pod != primary).unwrap();
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 200).then_some(())).await;
    world.kill_operator().await;
    world.nodes.inject(&NodeFault::Begin(Lasting::ApiOutage)).unwrap();
    world.nodes.inject(&NodeFault::Freeze(named(&replica))).unwrap();
    let mut before = (writer.count(), 0);
    until("the primary stops", async || {
        before = (before.0.max(writer.count()), if writer.count() > before.0 { 0 } else { before.1 + 1 });
        tokio::time::sleep(Duration::from_millis(200)).await;
        (before.1 > 20).then_some(())
    })
    .await;
    world.nodes.inject(&NodeFault::Thaw(named(&replica))).unwrap();
    world.nodes.heal();
    world.start_operator();
    let stopped = writer.count();
    until("writes go on", async || (writer.count() > stopped + 200).then_some(())).await;
    world.until_ready("trio").await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

/// Only that: whoever has no certificate learns which term it is, and sends no verb.
async fn term_is_readable_without_certificate_with_continue(world: World) {
    cluster_with_consent(&world).await;
    let url = |path: &str| format!("https://trio-0.trio.{}.valkeeper:7379/v1/{path}", world.namespace);
    let http = http_without_certificate(&world).await;
    let answer = http.get(url("term")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&answer["identity"]["name"], &answer["seen"]), (&json!("trio-0"), &json!(1)));
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["identity", "reigned", "seen"]);
    for path in ["status", "users", "backup/x"] {
        assert_eq!(http.get(url(path)).send().await.unwrap().status(), 404, "{path}");
    }
    for path in ["hold", "promote", "follow", "kick", "failover", "reload", "backup", "restore", "import"] {
        let sent = http.post(url(path)).body("{\"term\": 9, \"version\": 1}").send().await.unwrap();
        assert_eq!(sent.status(), 404, "{path}");
    }
    let step_down = json!({"failover": {"apiServerOutage": "StepDown"}});
    world.change("trio", step_down).await;
    until("the Lease names nobody", async || consents_of(&world, "trio").await.is_empty().then_some(()))
        .await;
    let closed = http_without_certificate(&world).await;
    assert!(closed.get(url("term")).send().await.is_err(), "without a certificate there is no connection");
}

async fn http_without_certificate(world: &World) -> reqwest::Client {
    let secret = world.api::<Secret>().get(&names::certificate("trio")).await.unwrap();
    let authority = secret.data.unwrap()["ca.crt"].0.clone();
    let pod = world.api::<Pod>().get("trio-0").await.unwrap();
    let address = SocketAddr::new(pod.status.unwrap().pod_ip.unwrap().parse().unwrap(), 7379);
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
        .resolve(&format!("trio-0.trio.{}.valkeeper", world.namespace), address)
        .build()
        .unwrap()
}

crate::scenarios!(
    primary_goes_on_without_the_api_by_consent,
    primary_without_the_api_stops_without_consent;
    term_is_readable_without_certificate_with_continue,
);
