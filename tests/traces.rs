//! The program with the feature `otlp`, and a collector on this machine: the spans of a creation arrive, and no
//! secret is in them.
#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use axum::{Router, body::Bytes, extract::State, http::Uri, routing::post};
use k8s_openapi::{
    api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::Instant,
};
use valkeeper_api::Valkey;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::provider::{ProviderOptions, ProviderServer, TokenSpec};

/// In the token.
const CANARY: &str = "canary-of-the-traces";

/// What arrived, as paths and bodies. Texts are plain in the encoding.
type Arrived = Arc<Mutex<Vec<(String, Bytes)>>>;

async fn collector() -> (String, Arrived) {
    async fn take(State(arrived): State<Arrived>, uri: Uri, body: Bytes) {
        arrived.lock().unwrap().push((uri.path().to_owned(), body));
    }
    let arrived = Arrived::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take)).with_state(arrived.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, arrived)
}

/// Installs the definition, and the token.
async fn prepare(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for text in [include_str!("../crds/valkeys.yaml"), include_str!("../crds/redis.yaml")] {
        let definition: CustomResourceDefinition = serde_yaml::from_str(text).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        definitions.patch(&name, &PatchParams::apply("tests"), &Patch::Apply(&definition)).await.unwrap();
    }
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let token = json!({"metadata": {"name": "aiven-token"}, "stringData": {"token": CANARY}});
    secrets.create(&PostParams::default(), &serde_json::from_value(token).unwrap()).await.unwrap();
}

fn start(kubeconfig: &str, provider: &str, collector: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
    command.args(["run", "--kubeconfig", kubeconfig, "--provider-url", provider, "--no-project-vpcs"]);
    command.args(["--metrics-bind-address=0", "--health-probe-bind-address=0", "--building-interval-max=1s"]);
    // The level of the log does not matter.
    command.args(["--log-level=error"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "200").env("OTEL_RESOURCE_ATTRIBUTES", "team=of-the-test");
    command.kill_on_drop(true).spawn().unwrap()
}

async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "waited too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spans_of_a_creation_arrive_and_hold_no_secret() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ProviderOptions {
        tokens: vec![TokenSpec::full_access("tests", CANARY)],
        build_time: Duration::from_millis(300),
        ..ProviderOptions::default()
    };
    let project = options.projects[0].clone();
    let provider = ProviderServer::start(options).await.unwrap();
    let cluster = KubeServer::start(KubeOptions::default()).await.unwrap();
    let client = Client::try_from(cluster.client_config().unwrap()).unwrap();
    prepare(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig()).unwrap();
    let (address, arrived) = collector().await;
    let mut operator = start(kubeconfig.to_str().unwrap(), &provider.url(), &address);

    let valkeys: Api<Valkey> = Api::namespaced(client.clone(), "default");
    let spec = json!({"project": project, "plan": "startup-4", "cloudName": "google-europe-west1",
        "authSecretRef": {"name": "aiven-token", "key": "token"}});
    let valkey = json!({"metadata": {"name": "traced-cache"}, "spec": spec});
    valkeys.create(&PostParams::default(), &serde_json::from_value(valkey).unwrap()).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, "default");
    let secret = until(|| async { secrets.get_opt("traced-cache").await.unwrap() }).await;
    // The end sends what is left.
    let process = operator.id().unwrap().to_string();
    assert!(Command::new("kill").arg(process).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_mins(1), operator.wait()).await.unwrap();
    assert!(ended.unwrap().success());

    let arrived = std::mem::take(&mut *arrived.lock().unwrap());
    assert!(arrived.iter().all(|(path, _)| path == "/v1/traces"));
    let all: Vec<u8> = arrived.iter().flat_map(|(_, body)| body.to_vec()).collect();
    let text = String::from_utf8_lossy(&all);
    let request = "write Secret default/traced-cache";
    for part in [
        "valkeeper",
        "of-the-test",
        "resource",
        "traced-cache",
        "provider call",
        "create",
        "kubernetes call",
        request,
    ] {
        assert!(text.contains(part), "no {part} in the traces");
    }
    let password = secret.data.unwrap()["VALKEY_PASSWORD"].0.clone();
    for secret in [CANARY, str::from_utf8(&password).unwrap()] {
        assert!(!secret.is_empty() && !text.contains(secret), "a secret is in the traces");
    }
    provider.stop().await;
    cluster.shutdown().await;
}
