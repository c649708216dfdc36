//! Everything one scenario needs: a namespace of its own, a provider of its own, and an operator that
//! can be stopped and started again. Waiting is always for a condition, with a generous limit.

use crate::{
    calls::Calls,
    cluster::{Cluster, Place},
    leaks, roles,
    running::Running,
};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Namespace, Secret},
        events::v1::Event,
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug, sync::LazyLock, time::Duration};
use valkeeper::{
    api::{Custom, ManagedService, ProjectVpc, Redis, Valkey, names::TOKEN_FINALIZER},
    settings::Settings,
};
use valkeeper_sandbox::provider::{Engine, ProviderHandle, ProviderOptions, ProviderServer, TokenSpec};

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
            building_interval_max: Duration::from_millis(200),
            attentive_interval: Duration::from_millis(500),
            resync_interval: Duration::from_secs(1),
            settle_time: Duration::from_millis(100),
            token_pause: Duration::from_secs(1),
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

    /// How the operator reaches Kubernetes: on a server of its own, with the rights of the chart and no
    /// others.
    pub(crate) async fn operator_config(&self) -> Config {
        let mut config = self.cluster.config().await;
        if self.has_roles() {
            config.auth_info.impersonate = Some(roles::ACCOUNT.to_owned());
        }
        config
    }

    /// A server of one's own enforces roles; the sandbox has none, and a cluster of somebody else is left
    /// as it is.
    pub(crate) fn has_roles(&self) -> bool {
        matches!(self.cluster, Cluster::Started(_))
    }

    /// Whether this is the sandbox.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.cluster, Cluster::Sandbox(_))
    }

    /// All, as with the values that the chart has by default, where nobody else's resources can be.
    fn watched_namespaces(&self) -> Vec<String> {
        if self.has_roles() { Vec::new() } else { vec![self.namespace.clone()] }
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
    }

    pub(crate) fn valkeys(&self) -> Api<Valkey> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn redis(&self) -> Api<Redis> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn vpcs(&self) -> Api<ProjectVpc> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn set_token(&self, secret: &str, key: &str, value: &str) {
        assert!(leaks::is_confidential(value), "a token that would not be found");
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {key: value}});
        self.secrets().patch(secret, &PatchParams::apply("e2e").force(), &Patch::Apply(body)).await.unwrap();
    }

    /// Puts the finalizer on the token Secret, as an earlier resource or the replaced operator has done.
    pub(crate) async fn protect_token(&self) {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": [TOKEN_FINALIZER]}}));
        self.secrets().patch("aiven-token", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Creates a Valkey with the token of this world; `spec` is merged over a minimal one.
    pub(crate) async fn create_valkey(&self, name: &str, spec: Value) -> Valkey {
        let valkey = manifest("Valkey", name, spec);
        self.valkeys().create(&PostParams::default(), &valkey).await.unwrap()
    }

    /// Whether the API server takes a resource.
    pub(crate) async fn try_to_create(&self, valkey: Valkey) -> bool {
        self.valkeys().create(&PostParams::default(), &valkey).await.is_ok()
    }

    /// Creates a Redis in the same way and waits until it is ready.
    pub(crate) async fn ready_redis(&self, name: &str, spec: Value) -> Redis {
        let api = self.redis();
        api.create(&PostParams::default(), &manifest("Redis", name, spec)).await.unwrap();
        let look = || async { api.get(name).await.unwrap() };
        until(look, |redis| ready(redis).is_some_and(|ready| ready.status == "True")).await
    }

    /// Creates one and waits until it is ready.
    pub(crate) async fn ready_valkey(&self, name: &str, spec: Value) -> Valkey {
        self.create_valkey(name, spec).await;
        self.until_ready(name).await
    }

    pub(crate) async fn edit(&self, name: &str, spec: Value) -> Valkey {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.valkeys().patch(name, &PatchParams::default(), &patch).await.unwrap()
    }

    /// Waits for `Ready=True` of the present generation.
    pub(crate) async fn until_ready(&self, name: &str) -> Valkey {
        self.until_ready_for(name, "Running").await
    }

    pub(crate) async fn until_ready_for(&self, name: &str, reason: &str) -> Valkey {
        self.until_valkey(name, |valkey| {
            let ready = ready(valkey);
            ready.is_some_and(|ready| {
                ready.status == "True"
                    && ready.reason == reason
                    && ready.observed_generation == valkey.metadata.generation
            })
        })
        .await
    }

    /// Waits until the resource is not ready for `reason`, and returns the message.
    pub(crate) async fn until_not_ready(&self, name: &str, reason: &str) -> String {
        let valkey = self
            .until_valkey(name, |valkey| {
                ready(valkey).is_some_and(|ready| ready.status == "False" && ready.reason == reason)
            })
            .await;
        ready(&valkey).unwrap().message.clone()
    }

    pub(crate) async fn until_valkey(&self, name: &str, wanted: impl Fn(&Valkey) -> bool) -> Valkey {
        let api = self.valkeys();
        until(|| async { api.get(name).await.unwrap() }, wanted).await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        let api = self.valkeys();
        until(|| async { api.get_opt(name).await.unwrap() }, Option::is_none).await;
    }

    /// The texts in a Secret, decoded.
    pub(crate) async fn secret(&self, name: &str) -> BTreeMap<String, String> {
        texts(&self.secrets().get(name).await.unwrap())
    }

    /// Reasons and notes of the events about `name`, oldest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone());
        let about = events.into_iter().filter(|event| {
            event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref()) == Some(name)
        });
        about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    /// Provider requests so far that change something.
    pub(crate) fn writes(&self) -> usize {
        self.provider.requests().iter().filter(|request| request.method != "GET").count()
    }

    pub(crate) fn count(&self, method: &str, ending: &str) -> usize {
        let matching = |request: &&_| {
            let request: &valkeeper_sandbox::provider::RequestRecord = request;
            request.method == method && request.path.ends_with(ending)
        };
        self.provider.requests().iter().filter(matching).count()
    }

    /// A request to the provider that is not the operator's.
    pub(crate) async fn ask_provider(&self, method: &str, path: &str, body: Value) {
        let url = format!("{}{path}", self.server.url());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let answer = request.bearer_auth(token()).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn read_provider(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.server.url());
        reqwest::Client::new().get(url).bearer_auth(token()).send().await.unwrap().json().await.unwrap()
    }

    /// The provider's own view of a service.
    pub(crate) fn service(&self, name: &str) -> Option<Value> {
        self.provider.service(PROJECT, name)
    }
}

/// A resource with the token of its world; `spec` is merged over a minimal one.
fn manifest<K: ManagedService>(kind: &str, name: &str, spec: Value) -> K {
    let mut all = minimal_spec();
    merge(&mut all, spec);
    // As `kubectl apply` does it.
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": all.to_string()});
    let metadata = json!({"name": name, "annotations": annotations});
    let body = json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": all});
    serde_json::from_value(body).unwrap()
}

/// Polls until `wanted`; panics with the last value when it takes too long.
pub(crate) async fn until<T: Debug, F: Future<Output = T>>(
    mut look: impl FnMut() -> F,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let value = look().await;
        if wanted(&value) {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long; the last look: {value:#?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

pub(crate) fn ready<K: Custom>(object: &K) -> Option<&Condition> {
    object.conditions().iter().find(|condition| condition.type_ == "Ready")
}

pub(crate) fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, ByteString(bytes))| (key, String::from_utf8(bytes).unwrap())).collect()
}

/// The least that a resource of any kind needs here.
pub(crate) fn minimal_spec() -> Value {
    json!({
        "project": PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1",
        "authSecretRef": {"name": "aiven-token", "key": "token"},
    })
}

/// Merges `patch` over `target`; a null removes.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// The same, but a null stays, as it must in a patch that is sent on.
pub(crate) fn patch(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(members)) => {
            for (key, value) in members {
                self::patch(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}
