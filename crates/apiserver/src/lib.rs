//! A Kubernetes API server, small and in memory, for development and tests. Guarantees what clients and
//! controllers rely on: optimistic locking, gapless watches, server-side apply, finalizers, garbage
//! collection. Access control, admission and workloads are stored, not enforced. Answers in JSON only.

pub mod builtin;
pub mod definitions;
pub mod field_error;
pub mod jsonpath;
pub mod kubectl;
#[cfg(test)]
mod observed;
pub mod schema;
pub mod table;

mod api;
mod content;
mod controllers;
mod failure;
mod fields;
mod http;
mod metadata;
mod protobuf;
mod protocol;
mod registry;
mod selector;
mod storage;
mod versions;
mod watch;
mod write;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::ListenerExt as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::api::Api;
pub use self::content::{Content, StoredObject};
use self::failure::GroupResource;
use self::protocol::request::{Target, WriteOptions};
use self::registry::Registry;
use self::storage::store::{Key, Store};

/// How a server is started.
#[derive(Clone, Debug)]
pub struct KubeOptions {
    /// The port on 127.0.0.1; any free one if 0.
    pub port: u16,
    /// How many changes of each resource watches can go back.
    pub history: usize,
    /// How often a watch that allows bookmarks gets one.
    pub bookmark_interval: Duration,
    /// The first two parts of the addresses of services. They lead nowhere, unless something serves them:
    /// nodes of the testbed do where they are loopback addresses.
    pub service_network: [u8; 2],
    /// What an earlier server held.
    pub content: Option<Content>,
}

impl Default for KubeOptions {
    fn default() -> Self {
        Self {
            port: 0,
            history: 10_000,
            bookmark_interval: Duration::from_mins(1),
            service_network: [10, 96],
            content: None,
        }
    }
}

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct KubeServer {
    api: Arc<Api>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl KubeServer {
    /// Starts a server with the usual namespaces and nothing else in it.
    pub async fn start(options: KubeOptions) -> anyhow::Result<Self> {
        Self::start_with(options, |router| router).await
    }

    /// Starts a server with the layers that `wrap` adds to its router, such as one that delays or fails some
    /// requests.
    pub async fn start_with(
        options: KubeOptions,
        wrap: impl FnOnce(Router) -> Router,
    ) -> anyhow::Result<Self> {
        let (store, changes) = Store::new(options.history.max(1));
        let api = Arc::new(Api {
            store,
            registry: Registry::new(),
            stop: CancellationToken::new(),
            bookmark_interval: options.bookmark_interval,
            service_network: options.service_network,
            last_address: AtomicU64::new(0),
            defining: Mutex::new(()),
        });
        if let Some(content) = options.content {
            content.restore(&api);
        }
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            if api.store.get(&GroupResource::new("", "namespaces"), &Key::new("", name)).is_some() {
                continue;
            }
            create_namespace(&api, name).with_context(|| format!("namespace {name}"))?;
        }
        let address = (Ipv4Addr::LOCALHOST, options.port);
        let listener = TcpListener::bind(address).await.with_context(|| format!("port {}", options.port))?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| {
            // Watch events are small and must not wait for each other.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
        });
        let router = wrap(Router::new().fallback(http::serve).with_state(Arc::clone(&api)));
        let stop = api.stop.clone();
        let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        let tasks = vec![
            tokio::spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the Kubernetes API stopped");
                }
            }),
            tokio::spawn(controllers::run(Arc::clone(&api), changes)),
        ];
        Ok(Self { api, address, tasks })
    }

    /// Where the server listens, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for `kubectl` and other clients, in YAML.
    pub fn kubeconfig(&self) -> String {
        let name = "valkeeper-sandbox";
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": self.url()}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "users": [{"name": name, "user": {}}],
        });
        serde_yaml::to_string(&config).unwrap_or_default()
    }

    /// The configuration of a client in this process.
    pub fn client_config(&self) -> anyhow::Result<::kube::Config> {
        Ok(::kube::Config::new(self.url().parse().context("the server's own URL")?))
    }

    /// Everything the server holds.
    pub fn content(&self) -> Content {
        Content::of(&self.api.store)
    }

    /// Drops the history: watches and pages of older states get `410 Gone`.
    pub fn compact(&self) {
        self.api.store.compact();
    }

    /// Stops the server and waits until its connections are closed.
    pub async fn shutdown(mut self) {
        self.api.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the Kubernetes API failed");
            }
        }
    }
}

impl Drop for KubeServer {
    fn drop(&mut self) {
        self.api.stop.cancel();
    }
}

fn create_namespace(api: &Api, name: &str) -> anyhow::Result<()> {
    let target = Target::resolve("/api/v1/namespaces", &api.registry.catalog());
    let options = WriteOptions {
        dry_run: false,
        manager: "kube-apiserver".to_owned(),
        validation: protocol::request::FieldValidation::Ignore,
    };
    let created =
        target.and_then(|target| api.create(&target, json!({"metadata": {"name": name}}), &options));
    created.map(|_| ()).map_err(|failure| anyhow::anyhow!("{}", failure.status()["message"]))
}
