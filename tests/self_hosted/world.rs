//! An API server with three nodes and an operator, and what scenarios ask of them.

use crate::asking::until;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::client::ClientBuilder;
use kube::{Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use valkeeper_api::ValkeyCluster;
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_testbed::envtest::RealApiServer;
use valkeeper_testbed::faults::{FaultLayer, FaultPlan};
use valkeeper_testbed::identity_agent::IdentityAgent;
use valkeeper_testbed::node::{Image, NodeOptions, Nodes, PodName, service_network};
use valkeeper_testbed::s3::KEY;
use valkeeper_testbed::tools;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The image of the operator, without and with its tag.
const MANAGER: &str = "valkeeper.test/valkeeper";
pub(crate) const MANAGER_IMAGE: &str = "valkeeper.test/valkeeper:1";

/// One scenario's surroundings.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) nodes: Nodes,
    /// Knows every pod.
    pub(crate) identity: IdentityAgent,
    operator: Option<(CancellationToken, JoinHandle<()>)>,
    config: Config,
    pub(crate) kubeconfig: String,
    /// Where everything is.
    pub(crate) namespace: &'static str,
    /// How often the operator looks at what is in sync.
    pub(crate) resync: Duration,
    _server: Box<dyn std::any::Any + Send + Sync>,
}

impl World {
    /// On the embedded API server; none without servers to run.
    pub(crate) async fn embedded() -> Option<Self> {
        Self::on_embedded(false).await
    }

    /// On a real one; none where there is none.
    pub(crate) async fn real() -> Option<Self> {
        Self::on_real(false).await
    }

    /// On either, where pods have networks of their own or share that of this machine.
    pub(crate) async fn for_cell(real: bool, isolated: bool) -> Option<Self> {
        if real { Self::on_real(isolated).await } else { Self::on_embedded(isolated).await }
    }

    async fn on_embedded(isolated: bool) -> Option<Self> {
        tools::VALKEY_SERVER.or_skip()?;
        crate::prepare();
        let mut options = KubeOptions::default();
        if !isolated {
            options.service_network = service_network();
        }
        let server = KubeServer::start(options).await.unwrap();
        let (config, kubeconfig) = (server.client_config().unwrap(), server.kubeconfig());
        let options = NodeOptions { isolated, ..NodeOptions::default() };
        let mut world = Self::with(Box::new(server), config, kubeconfig, options).await;
        world.start_operator();
        Some(world)
    }

    async fn on_real(isolated: bool) -> Option<Self> {
        tools::VALKEY_SERVER.or_skip()?;
        let assets = tools::ENVTEST.or_skip()?;
        crate::prepare();
        let server = RealApiServer::start(&assets).await.unwrap();
        let certificate_authority = Some(server.certificate().unwrap());
        let (config, kubeconfig) = (server.client_config().await.unwrap(), server.kubeconfig().to_owned());
        crate::roles::grant(&Client::try_from(config.clone()).unwrap()).await;
        let options = NodeOptions { isolated, certificate_authority, ..NodeOptions::default() };
        let mut world = Self::with(Box::new(server), config, kubeconfig, options).await;
        world.config.auth_info.impersonate = Some(crate::roles::ACCOUNT.to_owned());
        world.start_operator();
        Some(world)
    }

    async fn with(
        server: Box<dyn std::any::Any + Send + Sync>,
        mut config: Config,
        kubeconfig: String,
        mut options: NodeOptions,
    ) -> Self {
        config.default_retry = false;
        let client = Client::try_from(config.clone()).unwrap();
        crate::definitions::install(&client).await;
        options.kubeconfig = Some(kubeconfig.clone());
        options.images.add(Image {
            repository: MANAGER.to_owned(),
            program: Some(env!("CARGO_BIN_EXE_valkeeper").into()),
            working_dir: None,
            arguments: Vec::new(),
        });
        options.environment = BTreeMap::from([
            ("LISTEN_ON_POD_IP".to_owned(), "true".to_owned()),
            ("LOG_LEVEL".to_owned(), "info,valkeeper_instance=debug".to_owned()),
        ]);
        let identity = IdentityAgent::start(KEY).await.unwrap();
        options.environment.extend(identity.environment());
        let nodes = Nodes::start(client.clone(), options).await.unwrap();
        let (operator, namespace, resync) = (None, "default", Duration::from_secs(2));
        let world = Self {
            _server: server,
            client,
            nodes,
            identity,
            operator,
            config,
            kubeconfig,
            namespace,
            resync,
        };
        until("the namespace", async || world.namespaces().get_opt("default").await.unwrap()).await;
        world
    }

    /// Starts the operator.
    pub(crate) fn start_operator(&mut self) {
        let client = valkeeper::cluster::connect(self.config.clone()).unwrap();
        self.start_operator_with(client);
    }

    /// Ends the operator and starts it again, with a plan of faults between it and Kubernetes.
    pub(crate) async fn restart_operator_behind(&mut self, plan: &FaultPlan) {
        self.kill_operator().await;
        let layer = FaultLayer(plan.clone());
        let client = ClientBuilder::try_from(self.config.clone()).unwrap().with_layer(&layer).build();
        self.start_operator_with(client);
    }

    fn start_operator_with(&mut self, client: Client) {
        let settings = crate::settings(self.resync);
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let task = tokio::spawn(async move {
            Box::pin(valkeeper::operator::run(settings, client, shutdown)).await.unwrap();
        });
        self.operator = Some((stop, task));
    }

    /// Ends the operator in the middle of whatever it does.
    pub(crate) async fn kill_operator(&mut self) {
        if let Some((_, task)) = self.operator.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// Creates a cluster with this spec beside the usual one.
    pub(crate) async fn create(&self, name: &str, spec: Value) {
        let mut full = json!({"version": version(), "instances": 3, "resources": {"memory": "64Mi"}});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let object = json!({
            "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster",
            "metadata": {"name": name}, "spec": full,
        });
        let object: ValkeyCluster = serde_json::from_value(object).unwrap();
        self.api::<ValkeyCluster>().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Changes its spec.
    pub(crate) async fn change(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api::<ValkeyCluster>().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn cluster(&self, name: &str) -> Option<ValkeyCluster> {
        self.api::<ValkeyCluster>().get_opt(name).await.unwrap()
    }

    /// Its status as JSON, with conditions by type.
    pub(crate) async fn status(&self, name: &str) -> Value {
        let object = self.cluster(name).await;
        let mut status = serde_json::to_value(object.and_then(|object| object.status)).unwrap();
        let list = status["conditions"].as_array().cloned().unwrap_or_default();
        for condition in list {
            status[condition["type"].as_str().unwrap()] = condition.clone();
        }
        status
    }

    /// Waits until the status fits; tells what went on if it never does.
    pub(crate) async fn until_status(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let object = self.cluster(name).await.unwrap();
            let status = self.status(name).await;
            let is_new = status["observedGeneration"].as_i64() == object.metadata.generation;
            if is_new && fits(&status) {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                self.explain(name).await;
                panic!("{name} is never {what}: {status:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn until_ready(&self, name: &str) -> Value {
        self.until_status(name, "ready", |status| status["Ready"]["status"] == "True").await
    }

    /// What helps to find out why something did not happen.
    pub(crate) async fn explain(&self, name: &str) {
        for event in self.events().await {
            println!("event {event}");
        }
        for pod in self.api::<Pod>().list(&ListParams::default()).await.unwrap().items {
            let pod_name = pod.name_any();
            println!("--- pod {pod_name} {}", serde_json::to_string(&pod.status).unwrap());
            let parameters = LogParams { container: Some("server".to_owned()), ..LogParams::default() };
            let log = self
                .api::<Pod>()
                .logs(&pod_name, &parameters)
                .await
                .unwrap_or_else(|error| error.to_string());
            let lines: Vec<_> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        println!("--- {name}");
    }

    /// Reasons and notes of all events, in their order.
    pub(crate) async fn events(&self) -> Vec<String> {
        let mut events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        let text = |event: Event| {
            format!("{}: {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default())
        };
        events.into_iter().map(text).collect()
    }

    /// Names of the pods of all clusters.
    pub(crate) async fn pods(&self) -> Vec<String> {
        let pods = self.api::<Pod>().list(&ListParams::default()).await.unwrap();
        pods.items.iter().map(kube::ResourceExt::name_any).collect()
    }

    /// Their identities, by their names.
    pub(crate) async fn pod_uids(&self) -> BTreeMap<String, String> {
        let pods = self.api::<Pod>().list(&ListParams::default()).await.unwrap();
        pods.into_iter().map(|pod| (pod.name_any(), pod.uid().unwrap())).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.operator {
            task.abort();
        }
    }
}

/// The version that the servers of this machine are said to have; any is run.
pub(crate) fn version() -> &'static str {
    "8.0"
}

pub(crate) fn named(name: &str) -> PodName {
    PodName { namespace: "default".to_owned(), name: name.to_owned() }
}
