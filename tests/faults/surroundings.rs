//! What all runs of one test share: an API server, and one watch per kind instead of one per run.

use crate::{
    canary,
    cluster::{Cluster, Place},
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, Config, ResourceExt,
    api::PostParams,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{fmt::Debug, sync::Arc};
use tokio::{sync::Mutex, task::JoinHandle};
use valkeeper_api::{ServiceUser, Valkey};
use valkeeper_apiserver::{KubeOptions, KubeServer};

/// A cluster with runs in it.
pub(crate) struct Surroundings {
    pub(crate) client: Client,
    pub(crate) config: Config,
    pub(crate) valkeys: Store<Valkey>,
    pub(crate) secrets: Store<Secret>,
    pub(crate) users: Store<ServiceUser>,
    watches: Vec<JoinHandle<()>>,
    /// Stops when it is dropped.
    cluster: Mutex<Option<Cluster>>,
}

impl Surroundings {
    /// Starts a cluster; `None` where there is none to start.
    pub(crate) async fn start(place: Place) -> Option<Arc<Self>> {
        // Fails when another test of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        canary::watch_the_log();
        let cluster = Cluster::start(place).await?;
        let config = cluster.config().await;
        let client = Client::try_from(config.clone()).unwrap();
        let (valkeys, first) = watch(Api::all(client.clone()));
        let (secrets, second) = watch(Api::all(client.clone()));
        let (users, third) = watch(Api::all(client.clone()));
        Some(Arc::new(Self {
            client,
            config,
            valkeys,
            secrets,
            users,
            watches: vec![first, second, third],
            cluster: Mutex::new(Some(cluster)),
        }))
    }

    /// Stops the API server in the middle of whatever it does, and starts it again where it was; only those of
    /// the sandbox.
    pub(crate) async fn restart_api_server(&self) {
        let mut cluster = self.cluster.lock().await;
        let Some(Cluster::Sandbox(server)) = cluster.take() else { return };
        let (content, port) = (server.content(), server.url().rsplit(':').next().unwrap().parse().unwrap());
        server.shutdown().await;
        let options = KubeOptions { port, content: Some(content), ..KubeOptions::default() };
        *cluster = Some(Cluster::Sandbox(KubeServer::start(options).await.unwrap()));
    }

    /// Makes a namespace for one run.
    pub(crate) async fn namespace(&self) -> String {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"generateName": "faults-"}})).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any()
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

fn watch<K>(api: Api<K>) -> (Store<K>, JoinHandle<()>)
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default()).default_backoff().reflect(writer);
    (store, tokio::spawn(events.for_each(|_| async {})))
}

/// The object of this name in a store.
pub(crate) fn find<K>(store: &Store<K>, namespace: &str, name: &str) -> Option<Arc<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    store.get(&ObjectRef::new(name).within(namespace))
}
