//! Alerts, dashboard and runbook. That every metric they name is exported is checked where an operator
//! runs, in the end-to-end tests.

use crate::{read, repository, skip};
use regex::Regex;
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command};

fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&read("charts/valkeeper/alerts.yaml")).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("charts/valkeeper/dashboards/valkeeper.json")).unwrap()
}

fn headings() -> BTreeSet<String> {
    let runbook = read("docs/runbook.md");
    runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let run = |arguments: [&str; 3]| {
        let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
        Command::new(program).args(arguments).current_dir(repository("charts/valkeeper")).output()
    };
    let Ok(checked) = run(["check", "rules", "alerts.yaml"]) else {
        return skip("install promtool (Debian package prometheus), or set PROMTOOL to its path");
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tested = run(["test", "rules", "alerts.test.yaml"]).unwrap();
    let text = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn every_alert_is_tested_and_has_its_place_in_the_runbook() {
    let (tests, headings) = (read("charts/valkeeper/alerts.test.yaml"), headings());
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(
            tests.contains(&format!("{name} fires")) && tests.contains(&format!("{name} is quiet")),
            "{name}"
        );
        assert!(headings.contains(name), "the runbook does not know {name}");
        let link = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link);
    }
}

#[test]
fn every_reason_has_its_place_in_the_runbook() {
    let names = read("src/api/names.rs");
    let reasons = names.split("pub mod reason").nth(1).unwrap();
    let pattern = Regex::new("pub const [A-Z_]+: &str = \"([A-Za-z]+)\"").unwrap();
    let headings = headings();
    for (_, [reason]) in pattern.captures_iter(reasons).map(|found| found.extract()) {
        assert!(headings.contains(reason), "the runbook does not know {reason}");
    }
}

#[test]
fn the_dashboard_is_complete_and_nothing_overlaps() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut cells = BTreeSet::new();
    let mut identities = BTreeSet::new();
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
        }
    }
    assert!(dashboard["uid"].is_string() && dashboard["schemaVersion"].as_u64() >= Some(39));
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
    let program = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let Ok(checked) = Command::new(program).args(["check", "rules"]).arg(file.path()).output() else {
        return skip("install promtool (Debian package prometheus), or set PROMTOOL to its path");
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
