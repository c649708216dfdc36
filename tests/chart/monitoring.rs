//! Alerts, dashboard and runbook. That every metric they name is exported is checked where an operator
//! runs, in the end-to-end tests.

use crate::{read, repository};
use regex::Regex;
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command};
use valkeeper_testbed::tools;

fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&read("charts/valkeeper/alerts.yaml")).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("charts/valkeeper/dashboards/valkeeper.json")).unwrap()
}

/// The runbook of the managed services, and that of self-hosted clusters.
const RUNBOOKS: [&str; 2] = ["docs/runbook.md", "docs/self-hosted/runbook.md"];

fn headings(page: &str) -> BTreeSet<String> {
    let runbook = read(page);
    runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// The runbook that an alert leads to.
fn runbook(alert: &Value) -> &'static str {
    let link = alert["annotations"]["runbook_url"].as_str().unwrap();
    RUNBOOKS.into_iter().find(|page| link.contains(&format!("/{page}#"))).unwrap()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let Some(program) = tools::PROMTOOL.or_skip() else { return };
    let run = |arguments: [&str; 3]| {
        Command::new(&program).args(arguments).current_dir(repository("charts/valkeeper")).output().unwrap()
    };
    let checked = run(["check", "rules", "alerts.yaml"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tested = run(["test", "rules", "alerts.test.yaml"]);
    let text = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn every_alert_is_tested_and_has_its_place_in_the_runbook() {
    let tests = read("charts/valkeeper/alerts.test.yaml");
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(
            tests.contains(&format!("{name} fires")) && tests.contains(&format!("{name} is quiet")),
            "{name}"
        );
        let page = runbook(&alert);
        assert!(headings(page).contains(name), "{page} does not know {name}");
        let link = format!("{}/blob/main/{page}#{}", env!("CARGO_PKG_REPOSITORY"), name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link);
        let diagnosis = alert["annotations"]["diagnosis"].as_str().unwrap();
        assert!(diagnosis.starts_with("kubectl "), "{name}: no command finds the object");
    }
}

#[test]
fn runbook_entries_of_alerts_have_the_same_five_parts() {
    for alert in alerts() {
        let runbook = read(runbook(&alert));
        let text = |key: &str| alert[key].as_str().unwrap();
        let entry = runbook.split(&format!("\n### {}\n", text("alert"))).nth(1).unwrap();
        let entry = entry.split("\n### ").next().unwrap();
        let delay = match text("for") {
            "0m" => "immediately".to_owned(),
            delay => format!("after {delay}"),
        };
        let severity = alert["labels"]["severity"].as_str().unwrap();
        let head = format!("Severity: {severity}, {delay}.");
        let parts = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation"];
        let parts = parts.map(|part| format!("**{part}.**"));
        let places: Vec<_> = [head].iter().chain(&parts).map(|part| entry.find(part.as_str())).collect();
        let complete = places.iter().all(Option::is_some) && places.is_sorted();
        assert!(complete, "{}: {places:?}", text("alert"));
    }
}

#[test]
fn every_reason_has_its_place_in_the_runbook() {
    let names = read("crates/api/src/names.rs");
    let reasons = names.split("pub mod reason").nth(1).unwrap();
    let pattern = Regex::new("pub const [A-Z_]+: &str = \"([A-Za-z]+)\"").unwrap();
    let headings = headings("docs/runbook.md");
    for (_, [reason]) in pattern.captures_iter(reasons).map(|found| found.extract()) {
        assert!(headings.contains(reason), "the runbook does not know {reason}");
    }
}

#[test]
fn the_dashboard_is_complete_and_nothing_overlaps() {
    let dashboard = dashboard();
    check_panels(dashboard["panels"].as_array().unwrap());
    let links: Vec<_> = dashboard["links"].as_array().unwrap().iter().map(|link| &link["title"]).collect();
    assert_eq!(links, ["Runbook", "Metrics"]);
    assert!(dashboard["uid"].is_string() && dashboard["schemaVersion"].as_u64() >= Some(39));
}

/// Each panel is explained, has its unit, and lies over no other one.
pub(crate) fn check_panels(panels: &[Value]) {
    let (mut cells, mut identities) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(identities.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] != "row" {
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title} shows nothing");
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{title} is not explained");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        }
    }
}

#[test]
fn every_expression_of_the_dashboard_can_be_parsed() {
    // Prometheus reads them as recording rules; what Grafana fills in is filled in here.
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let rule = |(number, target): (usize, &Value)| {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        let expression = expression.replace("$namespace", ".*");
        json!({"record": "dashboard:expression", "expr": expression, "labels": {"number": number.to_string()}})
    };
    let rules: Vec<Value> = targets.enumerate().map(rule).collect();
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let Some(program) = tools::PROMTOOL.or_skip() else { return };
    let checked = Command::new(program).args(["check", "rules"]).arg(file.path()).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
