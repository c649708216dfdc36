//! The in-memory Kubernetes API, from a client in Rust.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

mod definitions;
mod deletion;
mod inert;
mod watches;
mod writes;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use serde_json::json;
use valkeeper_apiserver::{KubeOptions, KubeServer};

pub(crate) struct Cluster {
    pub(crate) server: KubeServer,
    pub(crate) client: Client,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::with(KubeOptions::default()).await
    }

    pub(crate) async fn with(options: KubeOptions) -> Self {
        let server = KubeServer::start(options).await.unwrap();
        let client = Client::try_from(server.client_config().unwrap()).unwrap();
        Self { server, client }
    }

    pub(crate) fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn create(&self, name: &str) -> ConfigMap {
        self.config_maps().create(&PostParams::default(), &config_map(name, &[("a", "1")])).await.unwrap()
    }

    /// Creates a secret that `owner` owns.
    pub(crate) async fn dependent(&self, name: &str, owner: &ConfigMap) {
        let owner = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid(),
            "blockOwnerDeletion": true,
        });
        let secret = json!({"metadata": {"name": name, "ownerReferences": [owner]}});
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets().create(&PostParams::default(), &secret).await.unwrap();
    }
}

pub(crate) fn config_map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let data: BTreeMap<&str, &str> = data.iter().copied().collect();
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
    }))
    .unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let all = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.message),
        other => panic!("not an API error: {other}"),
    }
}
