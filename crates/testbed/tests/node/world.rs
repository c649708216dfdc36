//! An API server with three nodes, and helpers of scenarios.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, GroupVersionKind, LogParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, Config, ResourceExt as _};
use serde_json::Value;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::envtest::RealApiServer;
use valkeeper_testbed::node::{NodeOptions, Nodes, PodName, service_network};
use valkeeper_testbed::tools;

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) nodes: Nodes,
    kubeconfig: String,
    /// Keeps the API server alive.
    _server: Box<dyn std::any::Any>,
}

impl World {
    pub(crate) async fn embedded() -> Self {
        Self::with_options(NodeOptions::default()).await
    }

    pub(crate) async fn with_options(nodes: NodeOptions) -> Self {
        let options = KubeOptions { service_network: service_network(), ..KubeOptions::default() };
        let server = KubeServer::start(options).await.unwrap();
        let (config, kubeconfig) = (server.client_config().unwrap(), server.kubeconfig());
        Self::with(Box::new(server), config, kubeconfig, nodes).await
    }

    /// In a network namespace of its own, where pods have networks of their own.
    pub(crate) async fn isolated() -> Self {
        let server = KubeServer::start(KubeOptions::default()).await.unwrap();
        let (config, kubeconfig) = (server.client_config().unwrap(), server.kubeconfig());
        let options = NodeOptions { isolated: true, ..NodeOptions::default() };
        Self::with(Box::new(server), config, kubeconfig, options).await
    }

    pub(crate) async fn real() -> Option<Self> {
        let assets = tools::ENVTEST.or_skip()?;
        // Its client needs a process-wide provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = RealApiServer::start(&assets).await.unwrap();
        let options = NodeOptions {
            certificate_authority: Some(server.certificate().unwrap()),
            ..NodeOptions::default()
        };
        let (config, kubeconfig) = (server.client_config().await.unwrap(), server.kubeconfig().to_owned());
        Some(Self::with(Box::new(server), config, kubeconfig, options).await)
    }

    async fn with(
        server: Box<dyn std::any::Any>,
        mut config: Config,
        kubeconfig: String,
        mut options: NodeOptions,
    ) -> Self {
        options.kubeconfig = Some(kubeconfig.clone());
        // What is refused is to be seen.
        config.default_retry = false;
        let client = Client::try_from(config).unwrap();
        let nodes = Nodes::start(client.clone(), options).await.unwrap();
        let world = Self { client, nodes, kubeconfig, _server: server };
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = world.api();
        eventually("the default account", || async { accounts.get_opt("default").await.unwrap() }).await;
        world
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::default_namespaced(self.client.clone())
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        self.api()
    }

    /// Creates the objects of a manifest.
    pub(crate) async fn apply(&self, manifest: &str) {
        for document in manifest.split("\n---\n") {
            let value: Value = serde_yaml::from_str(document).unwrap();
            let object: DynamicObject = serde_json::from_value(value).unwrap();
            let types = object.types.clone().unwrap();
            let kind = GroupVersionKind::try_from(types).unwrap();
            let resource = ApiResource::from_gvk(&kind);
            let api: Api<DynamicObject> =
                if ["PersistentVolume", "StorageClass"].contains(&kind.kind.as_str()) {
                    Api::all_with(self.client.clone(), &resource)
                } else {
                    Api::default_namespaced_with(self.client.clone(), &resource)
                };
            api.create(&PostParams::default(), &object)
                .await
                .unwrap_or_else(|error| panic!("{document}: {error}"));
        }
    }

    pub(crate) async fn patch<K>(&self, name: &str, patch: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn pod(&self, name: &str) -> Option<Pod> {
        self.pods().get_opt(name).await.unwrap()
    }

    /// The state that `kubectl get pods` would be derived from.
    pub(crate) async fn status(&self, name: &str) -> Value {
        let pod = self.pod(name).await;
        serde_json::to_value(pod.and_then(|pod| pod.status).unwrap_or_default()).unwrap()
    }

    pub(crate) async fn until_ready(&self, name: &str) -> Pod {
        eventually(&format!("pod {name} is ready"), || async { self.pod(name).await.filter(is_ready) }).await
    }

    pub(crate) async fn log(&self, name: &str) -> String {
        self.pods().logs(name, &LogParams::default()).await.unwrap_or_default()
    }

    pub(crate) async fn until_logged(&self, name: &str, text: &str) -> String {
        let what = format!("pod {name} logs {text:?}");
        eventually(&what, || async { Some(self.log(name).await).filter(|log| log.contains(text)) }).await
    }

    /// Runs `kubectl`; none if there is no such program.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Option<(bool, String)> {
        let program = tools::KUBECTL.or_skip()?;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.kubeconfig).unwrap();
        let mut command = tokio::process::Command::new(program);
        let output = command.arg("--kubeconfig").arg(file.path()).args(arguments).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").as_deref() == Some("True")
}

pub(crate) fn condition(pod: &Pod, kind: &str) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind).map(|condition| condition.status.clone())
}

pub(crate) fn named(name: &str) -> PodName {
    PodName { namespace: "default".to_owned(), name: name.to_owned() }
}

pub(crate) fn node_of(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().node_name.clone().unwrap()
}

pub(crate) fn uid_of(pod: &Pod) -> String {
    pod.uid().unwrap()
}

/// Whether a process exists and is no zombie.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits until something is there.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, read: impl Fn() -> F) -> T {
    println!("waiting until {what}");
    let all = async {
        loop {
            if let Some(found) = read().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), all).await.unwrap_or_else(|_| panic!("never: {what}"))
}
