//! Everything one scenario needs: a namespace of its own, a provider of its own, and an operator that
//! can be stopped and started again. Waiting is always for a condition, with a generous limit.

mod provider;
mod resources;

pub(crate) use resources::{condition, manifest, merge, minimal_spec, patch, ready, texts, until};

use crate::{
    calls::Calls,
    cluster::{Cluster, Place},
    leaks, roles,
    running::Running,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use std::{sync::LazyLock, time::Duration};
use valkeeper::settings::Settings;
use valkeeper_testbed::provider::{Engine, ProviderHandle, ProviderOptions, ProviderServer, TokenSpec};

/// The project of all scenarios.
pub(crate) const PROJECT: &str = "my-aiven-project";
/// The token that the provider accepts.
pub(crate) fn token() -> &'static str {
    static TOKEN: LazyLock<String> = LazyLock::new(|| leaks::confidential("e2e-token"));
    &TOKEN
}

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One scenario's surroundings.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) provider: ProviderHandle,
    /// The operator's calls to Kubernetes.
    pub(crate) calls: Calls,
    cluster: Cluster,
    server: ProviderServer,
    operator: Option<Running>,
    /// Where the log of this world begins.
    pub(crate) log_begins: usize,
    /// What operators served that were ended.
    served: Vec<leaks::Place>,
}

/// Runs `scenario` in a fresh world with a running operator; does nothing where there is no API server.
pub(crate) async fn run<S, F>(place: Place, scenario: S)
where
    S: FnOnce(World) -> F,
    F: Future<Output = World>,
{
    run_with(place, Engine::Simulated, scenario).await;
}

/// The same with something behind the provider's services.
pub(crate) async fn run_with<S, F>(place: Place, engine: Engine, scenario: S)
where
    S: FnOnce(World) -> F,
    F: Future<Output = World>,
{
    // Fails when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    leaks::keep_log();
    let Some(cluster) = Cluster::start(place).await else { return };
    let mut world = World::new(cluster, engine).await;
    world.start_operator().await;
    scenario(world).await.end().await;
}

impl World {
    async fn new(cluster: Cluster, engine: Engine) -> Self {
        let log_begins = leaks::log_length();
        let client = Client::try_from(cluster.config().await).unwrap();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"generateName": "valkeeper-e2e-"}})).unwrap();
        let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any();
        let server = ProviderServer::start(ProviderOptions {
            redis_creation_allowed: true,
            tokens: vec![TokenSpec::full_access("e2e", token())],
            build_time: Duration::from_millis(300),
            power_off_time: Duration::from_millis(100),
            backup_after: Duration::from_millis(100),
            vpc_time: Duration::from_millis(300),
            engine,
            ..ProviderOptions::default()
        })
        .await
        .unwrap();
        let world = Self {
            client,
            namespace,
            provider: server.handle(),
            cluster,
            server,
            operator: None,
            log_begins,
            served: Vec::new(),
            calls: Calls::default(),
        };
        if world.has_roles() {
            roles::grant(&world.client).await;
        }
        world.set_token("aiven-token", "token", token()).await;
        world
    }

    /// Starts the operator with intervals that suit a test.
    pub(crate) async fn start_operator(&mut self) {
        self.start(self.settings()).await;
    }

    /// The same with other settings.
    pub(crate) async fn start_operator_with(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings();
        change(&mut settings);
        self.start(settings).await;
    }

    async fn start(&mut self, settings: Settings) {
        let client = self.calls.watched_client(self.operator_config().await);
        self.operator = Some(Running::start(settings, client).await);
    }

    /// Starts the operator as the chart does, with leader election.
    pub(crate) async fn start_elected_with(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings();
        change(&mut settings);
        settings.election.leader_elect = true;
        settings.election.leader_elect_resource_namespace = self.lease_namespace();
        self.start(settings).await;
    }

    /// Where the lease is: in the namespace of the release, if there is one.
    pub(crate) fn lease_namespace(&self) -> String {
        if self.has_roles() { roles::RELEASE.to_owned() } else { self.namespace.clone() }
    }

    /// The operator's settings in this world.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            provider_url: self.server.url(),
            watched_namespaces: self.watched_namespaces(),
            building_interval_min: Duration::from_millis(50),
            absence_period: Duration::from_millis(200),
            building_interval_max: Duration::from_millis(200),
            external_wait_interval: Duration::from_millis(500),
            resync_interval: Duration::from_secs(1),
            stabilization_period: Duration::from_millis(100),
            token_pause: Duration::from_secs(1),
            late_effect: Some(Duration::from_secs(1)),
            ..Settings::default()
        }
    }

    /// Ends the operator and starts it again with other settings.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(&mut Settings)) {
        self.kill_operator().await;
        self.start_operator_with(change).await;
    }

    /// Ends the operator the hard way: in the middle of whatever it does.
    pub(crate) async fn kill_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            self.served.push(operator.kill().await);
        }
    }

    /// How the operator reaches Kubernetes: on a server of its own, with exactly the permissions of the chart.
    pub(crate) async fn operator_config(&self) -> Config {
        let mut config = self.cluster.config().await;
        if self.has_roles() {
            config.auth_info.impersonate = Some(roles::ACCOUNT.to_owned());
        }
        config
    }

    /// A server of one's own enforces roles; the sandbox has none, and a foreign cluster stays unchanged.
    pub(crate) fn has_roles(&self) -> bool {
        matches!(self.cluster, Cluster::Started(_))
    }

    /// Whether this is the sandbox.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.cluster, Cluster::Sandbox(_))
    }

    /// All, as with the default values of the chart, where no foreign resources can exist.
    fn watched_namespaces(&self) -> Vec<String> {
        if self.has_roles() { Vec::new() } else { vec![self.namespace.clone()] }
    }

    /// The API server drops its history, so that an interrupted watch has to list again; returns whether it can.
    pub(crate) fn forget_history(&self) -> bool {
        let Cluster::Sandbox(server) = &self.cluster else { return false };
        server.compact();
        true
    }

    /// Address of the provider's API.
    pub(crate) fn provider_url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn kubeconfig(&self) -> Option<String> {
        self.cluster.kubeconfig()
    }

    /// What operators served in this world: up to their end, and now.
    pub(crate) async fn served(&self) -> Vec<leaks::Place> {
        let mut places = self.served.clone();
        if let Some(operator) = &self.operator {
            places.extend(operator.read().await);
        }
        places
    }

    async fn end(mut self) {
        let served = self.served().await;
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
        leaks::search(&self, served).await;
        if matches!(self.cluster, Cluster::Existing) {
            let namespaces: Api<Namespace> = Api::all(self.client.clone());
            namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
        }
        self.cluster.leave().await;
    }
}
