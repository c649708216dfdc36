//! Several replicas: one works, another takes over when it ends, however it ends; and probes, metrics and the log
//! level from outside.

use crate::{
    roles,
    world::{World, until},
};
use k8s_openapi::{
    api::coordination::v1::Lease,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use reqwest::StatusCode;
use serde_json::json;
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use valkeeper::{
    cluster,
    operator::Operator,
    server::{Listeners, health::Health},
    settings::Settings,
    telemetry::{logs::LogLevel, metrics::Metrics},
};

crate::scenarios![
    stopped_leader_hands_over_immediately,
    a_killed_leader_is_replaced_when_its_lease_runs_out,
    probes_answer_and_the_log_level_changes,
    metrics_describe_the_operator_without_object_names,
    a_missing_definition_makes_unready_and_not_dead,
];

/// A replica, with what it serves on ports of its own.
pub(crate) struct Replica {
    health: Health,
    metrics: Metrics,
    probes: SocketAddr,
    reading: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    pub(crate) async fn start(world: &World, mut settings: Settings) -> Self {
        "127.0.0.1:0".clone_into(&mut settings.listening.metrics_bind_address);
        "127.0.0.1:0".clone_into(&mut settings.listening.health_probe_bind_address);
        let listeners = Listeners::bind(settings.listening.addresses()).await.unwrap();
        let (probes, reading) = (listeners.health_address().unwrap(), listeners.metrics_address().unwrap());
        let client = cluster::connect(world.operator_config().await).unwrap();
        let operator = Operator::new(settings, client);
        let (health, metrics) = (operator.health(), operator.metrics());
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let task = tokio::spawn(async move {
            operator.run(listeners, LogLevel::fixed(), shutdown).await.unwrap();
        });
        Self { health, metrics, probes, reading, stop, task }
    }

    pub(crate) async fn until(&self, role: &str) {
        let _ = until(|| async { self.health.ready() }, |ready| *ready == Ok(role)).await;
    }

    /// Where metrics are read.
    pub(crate) fn reading(&self) -> SocketAddr {
        self.reading
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_mins(1), self.task).await.unwrap().unwrap();
    }
}

/// Settings of replicas that take over within seconds.
pub(crate) fn elected(world: &World) -> Settings {
    let mut settings = world.settings();
    let election = &mut settings.election;
    election.leader_elect = true;
    election.leader_elect_resource_namespace = world.lease_namespace();
    election.leader_elect_lease_duration = Duration::from_secs(8);
    election.leader_elect_renew_deadline = Duration::from_secs(5);
    election.leader_elect_retry_period = Duration::from_millis(200);
    settings
}

async fn stopped_leader_hands_over_immediately(mut world: World) -> World {
    world.kill_operator().await;
    let mut settings = elected(&world);
    // With a lease this long, only one that was given back is taken over within this test.
    settings.election.leader_elect_lease_duration = Duration::from_mins(10);
    settings.election.leader_elect_renew_deadline = Duration::from_mins(1);
    let first = Replica::start(&world, settings.clone()).await;
    first.until("leader").await;
    let second = Replica::start(&world, settings).await;
    second.until("standby").await;
    world.ready_valkey("cache", json!({})).await;
    assert!(second.metrics.render().unwrap().contains("valkeeper_leader 0"));
    first.stop().await;
    second.until("leader").await;
    world.edit("cache", json!({"plan": "business-4"})).await;
    world.until_ready("cache").await;
    assert_eq!(world.service("cache").unwrap()["plan"], "business-4");
    assert_eq!(world.count("POST", "/service"), 1);
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), &world.lease_namespace());
    assert_eq!(leases.get("valkeeper").await.unwrap().spec.unwrap().lease_transitions, Some(1));
    second.stop().await;
    world
}

async fn a_killed_leader_is_replaced_when_its_lease_runs_out(mut world: World) -> World {
    world.kill_operator().await;
    let first = Replica::start(&world, elected(&world)).await;
    first.until("leader").await;
    let second = Replica::start(&world, elected(&world)).await;
    second.until("standby").await;
    first.task.abort();
    world.create_valkey("cache", json!({})).await;
    second.until("leader").await;
    world.until_ready("cache").await;
    assert_eq!(world.count("POST", "/service"), 1);
    second.stop().await;
    world
}

/// What is exported in that scenario.
const EXPORTED: [&str; 16] = [
    "valkeeper_resources{kind=\"Valkey\",ready=\"True\",reason=\"Running\"} 1",
    "valkeeper_provider_requests_total{operation=\"create\",code=\"200\"} 1",
    "valkeeper_reconcile_duration_seconds_count{kind=\"Valkey\",outcome=\"ok\"}",
    "valkeeper_drift_total{kind=\"Valkey\",field=\"plan\",action=\"corrected\"} 1",
    "valkeeper_time_to_ready_seconds_count{kind=\"Valkey\"} 1",
    "valkeeper_secret_publish_total{result=\"ok\"} 1",
    "valkeeper_seconds_since_last_observation{quantile=\"1\"}",
    "valkeeper_watch_synced{kind=\"Redis\"} 1",
    "valkeeper_maintenance_pending{forced=\"true\"} 1",
    "valkeeper_next_deadline_timestamp_seconds{kind=\"maintenance\"} ",
    "valkeeper_backup_age_seconds{} ",
    "valkeeper_resync_interval_seconds 1.0",
    "valkeeper_resources{kind=\"ProjectVPC\",ready=\"True\",reason=\"Running\"} 1",
    "process_cpu_seconds_total ",
    "valkeeper_leader 1",
    "valkeeper_build_info{version=",
];

async fn metrics_describe_the_operator_without_object_names(mut world: World) -> World {
    world.kill_operator().await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "reader-token\n").unwrap();
    let mut settings = elected(&world);
    settings.listening.metrics_bearer_token_file = Some(token.path().to_owned());
    // Only a list of the project can show services without a resource.
    settings.project_poll_minimum = 1;
    let replica = Replica::start(&world, settings).await;
    replica.until("leader").await;
    world.ready_valkey("orders-db", json!({})).await;
    let (project, hours) = (crate::world::PROJECT, Duration::from_hours);
    assert!(world.provider.announce_maintenance(project, "orders-db", "patch", hours(1), Some(hours(48))));
    assert!(world.provider.take_backup(project, "orders-db"));
    // An external change of the service, and a token that stops working.
    assert!(world.provider.set_plan(crate::world::PROJECT, "orders-db", "business-4"));
    until(|| async { world.service("orders-db").unwrap() }, |service| service["plan"] == "startup-4").await;
    world.create_valkey("ledger-db", json!({"authSecretRef": {"name": "missing"}})).await;
    roles::create_vpc(&world, "office-net").await;
    world.until_not_ready("ledger-db", "TokenMissing").await;

    let http = reqwest::Client::new();
    let url = format!("http://{}/metrics", replica.reading);
    assert_eq!(http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let wrong = http.get(&url).bearer_auth("reader-tokem").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let read =
        || async { http.get(&url).bearer_auth("reader-token").send().await.unwrap().text().await.unwrap() };
    let settled = |text: &String| {
        [("Valkey", "TokenMissing"), ("Valkey", "Running"), ("ProjectVPC", "Running")].iter().all(
            |(kind, reason)| {
                text.lines()
                    .any(|line| line.contains(kind) && line.ends_with(&format!("reason=\"{reason}\"}} 1.0")))
            },
        ) && text.contains("valkeeper_orphans{} 0")
    };
    let text = until(read, settled).await;
    for wanted in EXPORTED {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    assert!(!text.contains("valkeeper_reconcile_errors_total{kind=\"Valkey\",class=\"denied\"} 0"), "{text}");
    let invalid = |line: &str| line.starts_with("valkeeper_token_valid{secret_hash=") && line.contains("} 0");
    assert!(text.lines().any(invalid), "{text}");
    check_what_is_watched(&text);
    for name in
        ["orders-db", "ledger-db", "office-net", "aiven-token", &world.namespace, crate::world::PROJECT]
    {
        assert!(!text.contains(name), "a metric names {name}");
    }
    replica.stop().await;
    world
}

async fn probes_answer_and_the_log_level_changes(mut world: World) -> World {
    world.kill_operator().await;
    let replica = Replica::start(&world, elected(&world)).await;
    replica.until("leader").await;
    let http = reqwest::Client::new();
    let get = |path: &str| http.get(format!("http://{}{path}", replica.probes)).send();
    assert_eq!(get("/livez").await.unwrap().status(), StatusCode::OK);
    assert_eq!(get("/readyz").await.unwrap().text().await.unwrap(), "ok: leader\n");
    let level =
        |level: &'static str| http.put(format!("http://{}/log-level", replica.probes)).body(level).send();
    assert_eq!(level("debug").await.unwrap().status(), StatusCode::OK);
    assert_eq!(level("loud").await.unwrap().status(), StatusCode::BAD_REQUEST);
    replica.stop().await;
    world
}

/// Alerts and dashboard name nothing that `text` does not export.
fn check_what_is_watched(text: &str) {
    let watching = ["charts/valkeeper/alerts.yaml", "charts/valkeeper/dashboards/valkeeper.json"]
        .map(|path| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap());
    for name in regex::Regex::new(r"\b(valkeeper|process)_[a-z_]+").unwrap().find_iter(&watching.concat()) {
        let exported = text
            .lines()
            .any(|line| line.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['{', ' '])));
        assert!(exported, "{} is watched and not exported", name.as_str());
    }
}

async fn a_missing_definition_makes_unready_and_not_dead(mut world: World) -> World {
    world.kill_operator().await;
    // Nothing is deleted from a foreign cluster.
    if world.kubeconfig().is_none() {
        return world;
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let removed = definitions.get("redis.aiven.io").await.unwrap();
    definitions.delete("redis.aiven.io", &DeleteParams::default()).await.unwrap();
    until(|| async { definitions.get_opt("redis.aiven.io").await.unwrap() }, Option::is_none).await;
    let replica = Replica::start(&world, elected(&world)).await;
    let missing = |ready: &Result<&str, String>| {
        ready.as_ref().is_err_and(|cause| cause.contains("Redis") && cause.contains("valkeeper-crds"))
    };
    let _ = until(|| async { replica.health.ready() }, missing).await;
    assert!(replica.health.live().is_ok());
    world.ready_valkey("cache", json!({})).await;
    let again = CustomResourceDefinition {
        metadata: kube::api::ObjectMeta { name: removed.metadata.name, ..Default::default() },
        spec: removed.spec,
        status: None,
    };
    let apply = Patch::Apply(&again);
    definitions
        .patch("redis.aiven.io", &PatchParams::apply("valkeeper-tests").force(), &apply)
        .await
        .unwrap();
    replica.until("leader").await;
    replica.stop().await;
    world
}

#[tokio::test]
async fn metrics_tls_reloads_renewed_certificate_without_restart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let client = renew(&certificate, &key);
    let mut settings = Settings::default();
    "127.0.0.1:0".clone_into(&mut settings.listening.metrics_bind_address);
    settings.listening.metrics_tls_certificate_file = Some(certificate.clone());
    settings.listening.metrics_tls_key_file = Some(key.clone());
    let listeners = Listeners::bind(settings.listening.addresses()).await.unwrap();
    let url = format!("https://localhost:{}/metrics", listeners.metrics_address().unwrap().port());
    let stop = CancellationToken::new();
    let served = valkeeper::server::Served {
        health: Health::default(),
        metrics: Metrics::new(),
        log_level: LogLevel::fixed(),
    };
    let serving = tokio::spawn(listeners.serve(served, stop.clone()));
    let text = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let renewed = renew(&certificate, &key);
    assert!(renewed.get(&url).send().await.unwrap().status().is_success());
    std::fs::write(&key, "nonsense").unwrap();
    assert!(Listeners::bind(settings.listening.addresses()).await.is_err(), "a useless key fails");
    drop((client, renewed));
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), serving).await.unwrap().unwrap();
}

/// Writes a new self-signed certificate and returns a client that trusts it alone.
fn renew(certificate: &Path, key: &Path) -> reqwest::Client {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap()
}
