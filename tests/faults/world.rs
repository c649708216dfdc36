//! One run's world: a namespace, a provider and an operator that is restarted whenever the plan lets it crash. Time
//! at the provider moves with requests, so that every run of a scenario makes the same calls in the same order.

use crate::{
    canary,
    invariants::{self, Violations},
    surroundings::{Surroundings, find},
};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::ClientBuilder,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use valkeeper::{
    operator::Operator,
    server::Listeners,
    settings::{Listening, Settings},
    telemetry::{logs::LogLevel, metrics::Metrics},
};
use valkeeper_api::{ServiceUser, Valkey};
use valkeeper_engine::backoff::Bounds;
use valkeeper_testbed::{
    faults::{FaultLayer, FaultPlan, Schedule},
    provider::{ProviderHandle, ProviderOptions, ProviderServer, TokenSpec},
};

/// The project of all runs.
pub(crate) const PROJECT: &str = "my-aiven-project";
/// The resource of all runs, and its service.
pub(crate) const NAME: &str = "cache";
/// The user of that service in the runs that have one, and its Secret.
pub(crate) const USER: &str = "shop";
/// The Secret that holds the token.
pub(crate) const TOKEN_SECRET: &str = "aiven-token";
/// Another one.
pub(crate) const OTHER_TOKEN_SECRET: &str = "other-token";
/// Longest wait for anything, in seconds; long, because a machine may have much else to do. `VALKEEPER_PATIENCE`
/// shortens it where failures are expected.
const PATIENCE: u64 = 240;
/// Interval of checks of the world while a test waits.
const SHORTEST_POLL: Duration = Duration::from_millis(3);
const LONGEST_POLL: Duration = Duration::from_millis(50);
/// How long everything takes at the provider, in its own time, and how far a request moves that.
const BUILD_TIME: Duration = Duration::from_hours(1);
pub(crate) const TIME_PER_REQUEST: Duration = Duration::from_mins(40);

/// One run's world.
pub(crate) struct World {
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) namespace: String,
    pub(crate) provider: ProviderHandle,
    pub(crate) plan: FaultPlan,
    pub(crate) token: String,
    pub(crate) settings: Settings,
    pub(crate) violations: Violations,
    /// What is different all along.
    pub(crate) all_along: Schedule,
    /// State that a scenario records before it acts.
    pub(crate) before: Value,
    crashes: Arc<AtomicUsize>,
    /// The revision that a restarted operator receives.
    past: Arc<Mutex<Option<String>>>,
    /// Of the operator that was started last.
    metrics: Arc<Mutex<Metrics>>,
    operator: Option<JoinHandle<()>>,
    server: ProviderServer,
}

impl World {
    pub(crate) async fn new(surroundings: Arc<Surroundings>) -> Self {
        let namespace = surroundings.namespace().await;
        let token = format!("{}{namespace}", canary::TOKEN);
        let server = ProviderServer::start(ProviderOptions {
            tokens: vec![TokenSpec::full_access("first", &token)],
            build_time: BUILD_TIME,
            power_off_time: BUILD_TIME,
            backup_after: BUILD_TIME,
            vpc_time: BUILD_TIME,
            ..ProviderOptions::default()
        })
        .await
        .unwrap();
        let (plan, provider) = (FaultPlan::new(), server.handle());
        // A provider that repeats what it was sent, as some do in their errors.
        plan.set_message(format!("refused for {token}, whose password is {}leaked123", canary::PASSWORD));
        provider.set_time_per_request(TIME_PER_REQUEST);
        provider.follow(plan.clone());
        let violations = Violations::default();
        let settings = settings(&server, &namespace);
        let world = Self {
            surroundings,
            namespace,
            provider,
            plan,
            token,
            settings,
            violations,
            all_along: Schedule::none(),
            before: Value::Null,
            crashes: Arc::default(),
            past: Arc::default(),
            metrics: Arc::new(Mutex::new(Metrics::new())),
            operator: None,
            server,
        };
        world.put_token(&world.token).await;
        world
    }

    /// Where the provider listens.
    pub(crate) fn provider_url(&self) -> String {
        self.server.url()
    }

    /// Starts the operator, and starts it again after every crash.
    pub(crate) fn start_operator(&mut self) {
        let client = &self.surroundings.client;
        let inspector = invariants::inspector(client, self);
        self.plan.set_inspector(inspector);
        let config = self.operator_config();
        let (settings, plan) = (self.settings.clone(), self.plan.clone());
        let (crashes, violations) = (self.crashes.clone(), self.violations.clone());
        let (past, metrics) = (self.past.clone(), self.metrics.clone());
        self.operator = Some(tokio::spawn(async move {
            loop {
                let layer = FaultLayer(plan.clone());
                let client = ClientBuilder::try_from(config.clone()).unwrap().with_layer(&layer).build();
                let operator = Operator::new(settings.clone(), client);
                *metrics.lock().unwrap() = operator.metrics();
                let listeners = Listeners::bind(settings.listening.addresses()).await.unwrap();
                let running = operator.run(listeners, LogLevel::fixed(), CancellationToken::new());
                // Dropping the future drops all state of the operator.
                tokio::select! {
                    () = plan.crashed() => { crashes.fetch_add(1, Ordering::Relaxed); }
                    ended = running => {
                        violations.add(format!("the operator ended by itself: {ended:?}"));
                        return;
                    }
                }
                if let Some(revision) = past.lock().unwrap().take() {
                    plan.show_past(revision);
                }
            }
        }));
    }

    /// The current state becomes the past that a restarted operator receives.
    pub(crate) async fn remember_the_past(&self) {
        let list = self.valkeys().list_metadata(&ListParams::default()).await.unwrap();
        *self.past.lock().unwrap() = list.metadata.resource_version;
    }

    /// What the operator exports.
    pub(crate) fn exported(&self) -> String {
        self.metrics.lock().unwrap().render().unwrap()
    }

    /// How an operator of this run connects.
    pub(crate) fn operator_config(&self) -> Config {
        let mut config = self.surroundings.config.clone();
        config.default_retry = false;
        // Reading the machine's certificates takes longer than a whole run, and nothing here needs them.
        config.root_cert.get_or_insert_default();
        config
    }

    /// Ends the operator in the middle of whatever it does.
    pub(crate) async fn kill_operator(&mut self) {
        if let Some(task) = self.operator.take() {
            task.abort();
            if let Err(error) = task.await
                && error.is_panic()
            {
                self.violations.add("the operator panicked".to_owned());
            }
        }
    }

    /// Whether an operator runs.
    pub(crate) fn has_operator(&self) -> bool {
        self.operator.is_some()
    }

    /// How often the operator has crashed by plan.
    pub(crate) fn crashes(&self) -> usize {
        self.crashes.load(Ordering::Relaxed)
    }

    pub(crate) fn valkeys(&self) -> Api<Valkey> {
        Api::namespaced(self.surroundings.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.surroundings.client.clone(), &self.namespace)
    }

    /// Writes the token of the resources.
    pub(crate) async fn put_token(&self, token: &str) {
        self.put_secret(TOKEN_SECRET, &json!({ "token": token })).await;
    }

    /// Writes a Secret as a user does.
    pub(crate) async fn put_secret(&self, name: &str, texts: &Value) {
        let body =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": texts});
        let parameters = PatchParams::apply("user").force();
        self.secrets().patch(name, &parameters, &Patch::Apply(body)).await.unwrap();
    }

    /// Creates the resource; `spec` is merged over a minimal one.
    pub(crate) async fn create(&self, spec: Value) {
        let mut all = json!({
            "project": PROJECT, "plan": "startup-4", "cloudName": "google-europe-west1",
            "authSecretRef": {"name": TOKEN_SECRET, "key": "token"},
        });
        if let (Value::Object(all), Value::Object(spec)) = (&mut all, spec) {
            all.extend(spec);
        }
        let body = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": NAME}, "spec": all,
        });
        let valkey: Valkey = serde_json::from_value(body).unwrap();
        self.valkeys().create(&PostParams::default(), &valkey).await.unwrap();
    }

    /// Changes the resource as `kubectl patch` does.
    pub(crate) async fn patch(&self, patch: Value) {
        self.valkeys().patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete(&self) {
        self.valkeys().delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    fn users(&self) -> Api<ServiceUser> {
        Api::namespaced(self.surroundings.client.clone(), &self.namespace)
    }

    /// Creates the user.
    pub(crate) async fn create_user(&self, spec: Value) {
        let body = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "ServiceUser", "metadata": {"name": USER}, "spec": spec,
        });
        let user: ServiceUser = serde_json::from_value(body).unwrap();
        self.users().create(&PostParams::default(), &user).await.unwrap();
    }

    /// Changes the user as `kubectl patch` does.
    pub(crate) async fn patch_user(&self, patch: Value) {
        self.users().patch(USER, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub(crate) async fn delete_user(&self) {
        self.users().delete(USER, &DeleteParams::default()).await.unwrap();
    }

    /// The user, as far as the watch has come.
    pub(crate) fn user(&self) -> Option<Arc<ServiceUser>> {
        find(&self.surroundings.users, &self.namespace, USER)
    }

    /// Waits for `goal`, by checking what the watches have delivered.
    pub(crate) async fn reaches(&self, goal: impl Fn(&Self) -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + patience();
        // Often at first, then rarely: many worlds wait at the same time.
        let mut pause = SHORTEST_POLL;
        while !goal(self) {
            if tokio::time::Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.1).min(LONGEST_POLL);
        }
        true
    }

    /// The same where nothing is meant to go wrong.
    pub(crate) async fn until(&self, goal: impl Fn(&Self) -> bool) {
        assert!(self.reaches(goal).await, "not prepared: {:#?}\n{:?}", self.valkey(), self.plan.calls());
    }

    /// The resource, as far as the watch has come.
    pub(crate) fn valkey(&self) -> Option<Arc<Valkey>> {
        find(&self.surroundings.valkeys, &self.namespace, NAME)
    }

    /// The texts of a Secret, as far as the watch has come.
    pub(crate) fn secret(&self, name: &str) -> Option<BTreeMap<String, String>> {
        find(&self.surroundings.secrets, &self.namespace, name).map(|secret| texts(&secret))
    }

    /// The `Ready` condition, if it is about the current spec.
    pub(crate) fn ready(&self) -> Option<Condition> {
        let valkey = self.valkey()?;
        let ready = valkey.status.as_ref()?.conditions.iter().find(|entry| entry.type_ == "Ready")?;
        (ready.observed_generation == valkey.metadata.generation).then(|| ready.clone())
    }

    /// Whether `Ready` is `status` for `reason`.
    pub(crate) fn is(&self, status: &str, reason: &str) -> bool {
        self.ready().is_some_and(|ready| ready.status == status && ready.reason == reason)
    }

    /// The provider's own view of the service.
    pub(crate) fn service(&self) -> Option<Value> {
        self.provider.service(PROJECT, NAME)
    }

    /// Whether the Secret with the token can be deleted.
    pub(crate) fn token_is_free(&self) -> bool {
        let secret = find(&self.surroundings.secrets, &self.namespace, TOKEN_SECRET);
        secret.is_none_or(|secret| secret.finalizers().is_empty())
    }

    /// Whether a Secret is kept from being deleted.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let secret = find(&self.surroundings.secrets, &self.namespace, name);
        secret.is_some_and(|secret| !secret.finalizers().is_empty())
    }

    pub(crate) fn uid(&self) -> Option<String> {
        self.valkey().and_then(|valkey| valkey.uid())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(task) = &self.operator {
            task.abort();
        }
    }
}

fn patience() -> Duration {
    let text = std::env::var("VALKEEPER_PATIENCE").ok();
    Duration::from_secs(text.map_or(PATIENCE, |text| text.parse().expect("VALKEEPER_PATIENCE is a number")))
}

/// Pauses that suit thousands of runs; every pause grows as it does in earnest.
fn settings(server: &ProviderServer, namespace: &str) -> Settings {
    let [shortest, longest] = [Duration::from_millis(4), Duration::from_millis(100)];
    let bounds = [shortest, longest];
    Settings {
        provider_url: server.url(),
        watched_namespaces: vec![namespace.to_owned()],
        // No scenario has the one, few have the other, and a watch less is a tenth of the work.
        no_project_vpcs: true,
        no_service_users: true,
        building_interval_min: shortest,
        absence_period: longest,
        // Requests come late by half of that.
        late_effect: Some(Duration::from_millis(400)),
        building_interval_max: longest,
        external_wait_interval: Duration::from_millis(20),
        resync_interval: Duration::from_hours(1),
        stabilization_period: Duration::ZERO,
        token_pause: Duration::from_millis(50),
        request_timeout: Duration::from_secs(8),
        listening: Listening::off(),
        response_limit: 256 * 1024,
        retry: Bounds {
            transient: bounds,
            throttled: bounds,
            conflict: bounds,
            denied: bounds,
            invalid: bounds,
            bug: bounds,
            ..Bounds::default()
        },
        ..Settings::default()
    }
}

pub(crate) fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, ByteString(bytes))| (key, String::from_utf8(bytes).unwrap())).collect()
}

/// The five keys of the connection Secret, as the provider's truth has them.
pub(crate) fn connection(service: &Value) -> BTreeMap<String, String> {
    let parameters = &service["service_uri_params"];
    ["host", "port", "user", "password", "ssl"]
        .into_iter()
        .map(|name| {
            (format!("VALKEY_{}", name.to_uppercase()), parameters[name].as_str().unwrap_or("").to_owned())
        })
        .collect()
}
