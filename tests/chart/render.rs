//! What the chart renders to, for each file of values in `charts/valkeeper/ci`: kept in
//! `tests/chart/rendered`, so that a change of a template shows in review, and so that other tests use
//! what Helm made without Helm. `UPDATE_RENDERED=1` rewrites it.

use crate::{helm::Helm, read, repository};
use serde::Deserialize as _;
use serde_json::Value;

/// Each file of values: `NAME-values.yaml` renders to `NAME.yaml`.
const CASES: [&str; 5] = ["default", "namespaced", "production", "replaced-operator", "secret-watch"];

/// The documents of a rendered chart.
pub(crate) fn documents(case: &str) -> Vec<Value> {
    let text = read(&format!("tests/chart/rendered/{case}.yaml"));
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| Value::deserialize(document).unwrap()).filter(|value| !value.is_null()).collect()
}

fn find(case: &str, kind: &str) -> Value {
    documents(case).into_iter().find(|document| document["kind"] == kind).unwrap_or_default()
}

#[test]
fn every_file_of_values_renders_to_what_is_kept() {
    let Some(helm) = Helm::find() else { return };
    for case in CASES {
        let values = format!("charts/valkeeper/ci/{case}-values.yaml");
        helm.run(None, &format!("lint --strict charts/valkeeper --values {values}"));
        let line =
            format!("template valkeeper charts/valkeeper --namespace valkeeper-system --values {values}");
        let rendered = helm.run(None, &line);
        let path = repository(&format!("tests/chart/rendered/{case}.yaml"));
        if std::env::var_os("UPDATE_RENDERED").is_some() {
            std::fs::write(&path, &rendered).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(rendered == kept, "{} is stale: run the tests with UPDATE_RENDERED=1", path.display());
    }
    helm.run(None, "lint --strict charts/valkeeper-crds");
}

#[test]
fn mistakes_in_values_are_named() {
    let Some(helm) = Helm::find() else { return };
    for (wrong, named) in [
        ("replicaCuont=2", "replicaCuont"),
        ("replicaCount=two", "/replicaCount"),
        ("logging.encoder=xml", "/logging/encoder"),
        ("projectPolicy.withoutAnnotation=Maybe", "/projectPolicy/withoutAnnotation"),
        ("metrics.serviceMonitor.intreval=1m", "intreval"),
        ("image.digest=latest", "/image/digest"),
        ("image.repository=aivenoy/aiven-operator", "image of the replaced operator"),
        ("podAnnotations.number=1", "/podAnnotations/number"),
        ("watchedNamespaces={a,a}", "/watchedNamespaces"),
        ("metrics.serviceMonitor.enabled=true,metricsBindAddress=0", "metrics.service.enabled"),
    ] {
        let error = helm.try_run(None, &format!("template charts/valkeeper --set {wrong}")).unwrap_err();
        assert!(error.contains(named), "{wrong}: {error}");
    }
}

#[test]
fn pods_fit_the_restricted_pod_security_standard() {
    for case in CASES {
        let pod = find(case, "Deployment")["spec"]["template"]["spec"].clone();
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{case}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{case}");
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[key].is_null(), "{case}");
        }
        for volume in pod["volumes"].as_array().into_iter().flatten() {
            assert!(volume["secret"].is_object() || volume["configMap"].is_object(), "{case}: {volume}");
        }
        for container in pod["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{case}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{case}");
            assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]), "{case}");
        }
    }
}

#[test]
fn roles_in_namespaces_grant_what_the_cluster_role_does_and_nothing_cluster_wide() {
    let rules = find("default", "ClusterRole")["rules"].clone();
    let namespaced = documents("namespaced");
    assert!(namespaced.iter().all(|document| !document["kind"].as_str().unwrap().starts_with("Cluster")));
    for namespace in ["team-a", "team-b"] {
        let of_namespace =
            |document: &&Value| document["kind"] == "Role" && document["metadata"]["namespace"] == namespace;
        assert_eq!(namespaced.iter().find(of_namespace).unwrap()["rules"], rules);
    }
}

#[test]
fn no_rule_has_a_wildcard_or_reads_all_secrets_unless_that_is_asked_for() {
    for case in CASES {
        for role in documents(case).iter().filter(|document| document["rules"].is_array()) {
            let text = role["rules"].to_string();
            assert!(!text.contains('*'), "{case}: {text}");
            for rule in role["rules"].as_array().unwrap() {
                if rule["resources"].to_string().contains("secrets") {
                    let mut verbs = vec!["get", "create", "patch"];
                    if case == "secret-watch" {
                        verbs.extend(["list", "watch"]);
                    }
                    assert_eq!(rule["verbs"], serde_json::json!(verbs), "{case}");
                }
            }
        }
    }
}

#[test]
fn every_flag_that_the_chart_passes_is_understood() {
    use clap::Parser as _;
    for case in CASES {
        let container = find(case, "Deployment")["spec"]["template"]["spec"]["containers"][0].clone();
        let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
        let parsed =
            valkeeper::cli::Arguments::try_parse_from([vec!["valkeeper".to_owned()], arguments].concat());
        assert!(parsed.is_ok(), "{case}: {}", parsed.unwrap_err());
    }
}

#[test]
fn what_is_measured_runs_in_the_environment_that_the_chart_gives() {
    let container = find("default", "Deployment")["spec"]["template"]["spec"]["containers"][0].clone();
    for (name, value) in valkeeper_sandbox::chart::ENVIRONMENT {
        let entry = serde_json::json!({"name": name, "value": value});
        assert!(container["env"].as_array().unwrap().contains(&entry), "{entry}");
    }
}
