//! Clusters whose data comes from a running server, which clients write to until the cluster takes over.

use crate::asking::{ask, until};
use crate::plain_server::PlainServer;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use valkeeper_testbed::tools;

const PASSWORD: &str = "word-of-the-old-server";

/// The server that data comes from.
async fn source() -> PlainServer {
    let program = tools::REDIS_SERVER.find().or_else(|| tools::VALKEY_SERVER.find()).unwrap();
    PlainServer::start(&program, PASSWORD, &["--repl-diskless-sync-delay", "0"]).await
}

fn spec_of(source: &PlainServer) -> Value {
    let password = json!({"name": "old", "key": "password"});
    json!({"bootstrap": {"server": {"host": "127.0.0.1", "port": source.port, "passwordSecretRef": password}}})
}

async fn cut_over(world: &World) {
    world.change("trio", json!({"bootstrap": {"server": {"cutOver": true}}})).await;
}

fn says(status: &Value, reason: &str, text: &str) -> bool {
    let ready = &status["Ready"];
    ready["reason"] == reason && ready["message"].as_str().is_some_and(|message| message.contains(text))
}

async fn running_server_is_taken_over_from(mut world: World) {
    let source = source().await;
    let writer = Writer::start(&source.url());
    world.create("trio", spec_of(&source)).await;
    let missing_secret = |status: &Value| says(status, "RestoreFailed", "Secret old does not exist");
    world.until_status("trio", "waiting for the Secret", missing_secret).await;
    world.set_secret("old", "password", PASSWORD).await;
    let follows = |status: &Value| says(status, "Importing", "Stop its clients, then set");
    world.until_status("trio", "following", follows).await;
    // Nobody takes over by mistake while clients write.
    cut_over(&world).await;
    let waits = |status: &Value| says(status, "Importing", "waits for its clients to stop");
    let status = world.until_status("trio", "waiting for clients", waits).await;
    assert!(status["restored"].is_null(), "{status:#}");
    world.kill_operator().await;
    let before = writer.count();
    until("more writes", async || (writer.count() > before + 300).then_some(())).await;
    world.start_operator();
    let (acknowledged, _) = writer.stop().await;
    let status = world.until_ready("trio").await;
    assert_eq!(
        (&status["readyInstances"], &status["restored"]["key"]),
        (&json!(3), &json!(source.address()))
    );
    let url = world.url("trio", "leader").await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
    until("a write", async || ask(&url, &["SET", "later", "v"]).await.filter(|answer| answer == "OK")).await;
    for (object, (_, text)) in world.everything().await {
        assert!(!text.contains(PASSWORD), "{object}");
    }
}

async fn import_is_repeated_in_another_pod(world: World) {
    let source = source().await;
    world.set_secret("old", "password", PASSWORD).await;
    let mut spec = spec_of(&source);
    spec["persistence"] = json!({"mode": "AppendOnly", "size": "1Gi"});
    until("a write", async || ask(&source.url(), &["SET", "early", "v"]).await).await;
    world.create("trio", spec).await;
    let follows = |status: &Value| says(status, "Importing", "Stop its clients, then set");
    world.until_status("trio", "following", follows).await;
    world.api::<Pod>().delete("trio-0", &DeleteParams::default()).await.unwrap();
    until("another pod", async || {
        let pod = world.api::<Pod>().get_opt("trio-0").await.unwrap()?;
        pod.metadata.deletion_timestamp.is_none().then_some(())
    })
    .await;
    cut_over(&world).await;
    world.until_ready("trio").await;
    let url = world.url("trio", "leader").await;
    assert_eq!(ask(&url, &["GET", "early"]).await.as_deref(), Some("v"));
}

crate::scenarios!(running_server_is_taken_over_from; import_is_repeated_in_another_pod);
