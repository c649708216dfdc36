//! What a real Prometheus makes of the metrics: it reads all of them, evaluates every alert, and finds
//! something to show for every panel of the dashboard. Needs `prometheus`, or its path in `PROMETHEUS`.

use crate::{
    availability::{Replica, elected},
    cluster::Place,
    world::{PROJECT, World, until},
};
use regex::Regex;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use valkeeper_testbed::tools;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/valkeeper");

/// A Prometheus that reads one operator, until it is dropped.
struct Prometheus {
    url: String,
    process: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// `None`, with a message, when it is missing.
    fn start(target: SocketAddr) -> Option<Self> {
        let program = tools::PROMETHEUS.or_skip()?;
        let folder = tempfile::tempdir().unwrap();
        // As the Prometheus operator does it, with the labels of the pod.
        let labels = json!({"namespace": "valkeeper-system", "pod": "valkeeper-0"});
        let configuration = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"},
            "rule_files": [format!("{CHART}/alerts.yaml")],
            "scrape_configs": [{"job_name": "valkeeper", "static_configs": [{"targets": [target], "labels": labels}]}],
        });
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Some(Self { url: format!("http://{address}"), process, _folder: folder })
    }

    /// The data of an answer; nothing while Prometheus is not up yet.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let request = reqwest::Client::new().get(format!("{}/api/v1/{path}", self.url)).query(query);
        let Ok(answer) = request.send().await else { return Value::Null };
        answer.json::<Value>().await.map(|mut body| body["data"].take()).unwrap_or_default()
    }

    /// What an expression yields now, except what is not a number.
    async fn query(&self, expression: &str) -> Vec<Value> {
        let data = self.get("query", &[("query", expression)]).await;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        series.into_iter().filter(|entry| entry["value"][1] != "NaN").collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_everything_and_every_panel_shows_something() {
    crate::world::run(Place::Sandbox, |mut world: World| async move {
        world.kill_operator().await;
        let replica = Replica::start(&world, elected(&world)).await;
        let Some(mut prometheus) = Prometheus::start(replica.reading()) else {
            replica.stop().await;
            return world;
        };
        // A busy machine may answer too late now and then, but what cannot be parsed stays so.
        let targets = || prometheus.get("targets", &[]);
        let is_up = |targets: &Value| {
            let target = &targets["activeTargets"][0];
            target["health"] == "up" && target["lastError"] == ""
        };
        until(targets, is_up).await;
        make_changes(&world).await;
        check_alerts(&prometheus).await;
        check_panels(&prometheus).await;
        until(targets, is_up).await;
        prometheus.process.kill().await.unwrap();
        replica.stop().await;
        world
    })
    .await;
}

/// Makes changes, so that there is something to report.
async fn make_changes(world: &World) {
    world.ready_valkey("orders-db", json!({})).await;
    let hours = Duration::from_hours;
    assert!(world.provider.announce_maintenance(PROJECT, "orders-db", "patch", hours(1), Some(hours(48))));
    assert!(world.provider.take_backup(PROJECT, "orders-db"));
    assert!(world.provider.set_plan(PROJECT, "orders-db", "business-4"));
    until(|| async { world.service("orders-db").unwrap() }, |service| service["plan"] == "startup-4").await;
    world.create_valkey("ledger-db", json!({"authSecretRef": {"name": "missing"}})).await;
    world.until_not_ready("ledger-db", "TokenMissing").await;
}

async fn check_alerts(prometheus: &Prometheus) {
    let evaluated = |data: &Value| {
        let rules = data["groups"][0]["rules"].as_array();
        rules.is_some_and(|rules| !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok"))
    };
    until(|| prometheus.get("rules", &[]), evaluated).await;
    // They wait before they fire.
    let pending = || async {
        let active = prometheus.get("alerts", &[]).await;
        let names = active["alerts"].as_array().into_iter().flatten();
        let names = names.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned));
        names.collect::<BTreeSet<_>>()
    };
    let wanted = ["ValkeeperMaintenanceForced", "ValkeeperResourceNotReady", "ValkeeperTokenInvalid"];
    until(pending, |names| names.iter().eq(&wanted)).await;
}

async fn check_panels(prometheus: &Prometheus) {
    let text = std::fs::read_to_string(Path::new(CHART).join("dashboards/valkeeper.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let labels = Regex::new(r"\{\{(\w+)\}\}").unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let filled = expression.replace("$__rate_interval", "1m").replace("$namespace", ".*");
            let query = || async { (expression, prometheus.query(&filled).await) };
            let (_, series) = until(query, |(_, series)| !series.is_empty()).await;
            for label in labels.captures_iter(target["legendFormat"].as_str().unwrap()) {
                let named = series.iter().all(|entry| entry["metric"][&label[1]].is_string());
                assert!(named, "{}: no label {} in {series:#?}", panel["title"], &label[1]);
            }
        }
    }
}
