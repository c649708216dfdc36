//! Clusters whose data comes from a running server, which clients write to until the cluster takes over.

use crate::asking::{ask, until};
use crate::plain_server::PlainServer;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use valkeeper_testbed::certificates::{Authority, Issued, LATER};
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

/// A server that asks clients for a certificate, and its port with TLS.
async fn source_with_tls(folder: &Path, own: &Issued, authority: &Authority) -> (PlainServer, u16) {
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let (certificate, key) = (file("tls.crt", &own.certificate), file("tls.key", &own.key));
    let ca = file("ca.crt", &authority.pem);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = tools::REDIS_SERVER.find().or_else(|| tools::VALKEY_SERVER.find()).unwrap();
    let (tls_port, delay) = (port.to_string(), ["--repl-diskless-sync-delay", "0"]);
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let more = [&delay[..], &["--tls-port", &tls_port, "--tls-auth-clients", "yes"], &files].concat();
    (PlainServer::start(&program, PASSWORD, &more).await, port)
}

async fn server_with_tls_is_taken_over_from(world: World) {
    let (authority, another) = (Authority::new("old").unwrap(), Authority::new("another").unwrap());
    // Its certificate is for a name, and the server is reached by an address.
    let own = authority.issue(&["old.shop.svc"], LATER).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, port) = source_with_tls(folder.path(), &own, &authority).await;
    until("a write", async || ask(&source.url(), &["SET", "early", "v"]).await).await;
    world.set_secret("old", "password", PASSWORD).await;
    world.set_secret("old-ca", "ca.crt", &another.pem).await;
    let client = authority.issue(&["valkeeper"], LATER).unwrap();
    let client = json!({
        "metadata": {"name": "old-client"}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": client.certificate, "tls.key": client.key},
    });
    let client: Secret = serde_json::from_value(client).unwrap();
    world.api::<Secret>().create(&PostParams::default(), &client).await.unwrap();
    let tls = json!({
        "caSecretRef": {"name": "old-ca", "key": "ca.crt"},
        "certificateSecretName": "old-client",
        "serverName": "old.shop.svc",
    });
    let mut spec = spec_of(&source);
    spec["bootstrap"]["server"]["port"] = port.into();
    spec["bootstrap"]["server"]["tls"] = tls;
    world.create("trio", spec).await;
    let is_untrusted = |status: &Value| says(status, "RestoreFailed", "invalid peer certificate");
    world.until_status("trio", "trusting the wrong authority", is_untrusted).await;
    world.set_secret("old-ca", "ca.crt", &authority.pem).await;
    let follows = |status: &Value| says(status, "Importing", "Stop its clients, then set");
    world.until_status("trio", "following", follows).await;
    cut_over(&world).await;
    world.until_ready("trio").await;
    let url = world.url("trio", "leader").await;
    assert_eq!(ask(&url, &["GET", "early"]).await.as_deref(), Some("v"));
    for (object, (_, text)) in world.everything().await {
        assert!(!text.contains("PRIVATE KEY"), "{object}");
    }
}

crate::scenarios!(
    running_server_is_taken_over_from;
    import_is_repeated_in_another_pod,
    server_with_tls_is_taken_over_from,
);
