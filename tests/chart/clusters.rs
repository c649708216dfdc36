//! Alerts and dashboard of self-hosted clusters. That servers export what they name is checked where servers run, in
//! `tests/self_hosted`.

use crate::{monitoring::check_panels, read, repository};
use serde_json::{Value, json};
use std::process::Command;
use valkeeper_testbed::tools;

const ALERTS: &str = "charts/valkeeper/cluster-alerts.yaml";
const RUNBOOK: &str = "docs/self-hosted/runbook.md";

fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&read(ALERTS)).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read("charts/valkeeper/dashboards/clusters.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

fn promtool(arguments: &[&str]) {
    let Some(program) = tools::PROMTOOL.or_skip() else { return };
    let run =
        Command::new(program).args(arguments).current_dir(repository("charts/valkeeper")).output().unwrap();
    let text = [run.stdout, run.stderr].concat();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn alerts_of_clusters_fire_when_they_should_and_only_then() {
    promtool(&["check", "rules", "cluster-alerts.yaml"]);
    promtool(&["test", "rules", "cluster-alerts.test.yaml"]);
}

#[test]
fn every_alert_of_clusters_is_tested_and_has_its_entry_in_the_runbook() {
    let (tests, runbook) = (read("charts/valkeeper/cluster-alerts.test.yaml"), read(RUNBOOK));
    for alert in alerts() {
        let text = |key: &str| alert[key].as_str().unwrap();
        let name = text("alert");
        assert!(tests.contains(&format!("{name} fires")) && tests.contains(&format!("{name} is quiet")));
        let link = format!("{}/blob/main/{RUNBOOK}#{}", env!("CARGO_PKG_REPOSITORY"), name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link);
        assert!(alert["annotations"]["diagnosis"].as_str().unwrap().starts_with("kubectl "), "{name}");
        let entry = runbook.split(&format!("\n### {name}\n")).nth(1).unwrap();
        let entry = entry.split("\n### ").next().unwrap();
        let delay = match text("for") {
            "0m" => "immediately".to_owned(),
            delay => format!("after {delay}"),
        };
        let head = format!("Severity: {}, {delay}.", alert["labels"]["severity"].as_str().unwrap());
        let parts = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation"];
        let parts = parts.map(|part| format!("**{part}.**"));
        let places: Vec<_> = [head].iter().chain(&parts).map(|part| entry.find(part.as_str())).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{name}: {places:?}");
    }
}

#[test]
fn panels_of_clusters_are_explained_and_do_not_overlap() {
    check_panels(&panels());
}

#[test]
fn every_expression_of_the_dashboard_of_clusters_can_be_parsed() {
    let panels = panels();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let rule = |(number, target): (usize, &Value)| {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        let expression = expression.replace("$namespace", ".*").replace("$cluster", ".*");
        json!({"record": "dashboard:expression", "expr": expression, "labels": {"number": number.to_string()}})
    };
    let rules: Vec<Value> = targets.enumerate().map(rule).collect();
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}
