//! What the chart renders to, for each file of values in `charts/valkeeper/ci`: kept in
//! `tests/chart/rendered`, so that a change of a template shows in review, and so that other tests use
//! what Helm made without Helm. `UPDATE_RENDERED=1` rewrites it.

use crate::{helm::Helm, read, repository};
use serde::Deserialize as _;
use serde_json::Value;

/// Each file of values: `NAME-values.yaml` renders to `NAME.yaml`.
const CASES: [&str; 7] =
    ["default", "namespaced", "openshift", "production", "replaced-operator", "secret-watch", "self-hosted"];

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
        ("image.repository=aivenoy/aiven-operator", "image of aiven-operator"),
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
fn openshift_assigns_users_and_groups_and_has_its_own_dns_port() {
    let ids =
        |pod: &Value| ["runAsUser", "runAsGroup", "fsGroup"].map(|key| pod["securityContext"][key].clone());
    let pod = find("openshift", "Deployment")["spec"]["template"]["spec"].clone();
    assert_eq!(ids(&pod), [Value::Null, Value::Null, Value::Null]);
    let dns = |case: &str| find(case, "NetworkPolicy")["spec"]["egress"][0]["ports"][0]["port"].clone();
    assert_eq!((dns("openshift"), dns("production")), (5353.into(), 53.into()));
    assert!(ids(&find("default", "Deployment")["spec"]["template"]["spec"]).iter().all(|id| *id == 65532));
}

#[test]
fn alert_links_lead_to_the_configured_or_default_runbook() {
    let Some(helm) = Helm::find() else { return };
    let link = |more: &str| {
        let line = format!("template charts/valkeeper --set metrics.prometheusRule.enabled=true {more}");
        let rendered = helm.run(None, &line);
        let found = rendered.lines().find(|line| line.contains("runbook_url:")).unwrap().trim().to_owned();
        found.strip_prefix("runbook_url: ").unwrap().trim_end_matches("#valkeeperdown").to_owned()
    };
    let own = format!("{}/blob/main/docs/runbook.md", env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(link(""), own);
    // The default of earlier charts, which --reuse-values keeps, leads nowhere.
    assert_eq!(link("--set metrics.prometheusRule.runbookUrl=docs/runbook.md"), own);
    let copy = "https://example.com/runbook";
    assert_eq!(link(&format!("--set metrics.prometheusRule.runbookUrl={copy}")), copy);
}

#[test]
fn a_field_of_the_security_context_is_removed_by_null() {
    let Some(helm) = Helm::find() else { return };
    let null = "podSecurityContext.runAsUser=null,podSecurityContext.fsGroup=null";
    let rendered = helm.run(None, &format!("template charts/valkeeper --set {null}"));
    assert!(!rendered.contains("runAsUser") && !rendered.contains("fsGroup"), "{rendered}");
    assert!(rendered.contains("runAsGroup: 65532") && rendered.contains("runAsNonRoot: true"), "{rendered}");
}

#[test]
fn namespaced_roles_grant_the_cluster_role_and_nothing_more() {
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
fn rbac_rules_have_no_wildcard_and_opt_in_to_all_secrets() {
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
fn users_get_the_kinds_through_the_roles_of_kubernetes() {
    let Some(helm) = Helm::find() else { return };
    let rendered = |more: &str| -> Vec<Value> {
        let text = helm.run(None, &format!("template valkeeper-crds charts/valkeeper-crds {more}"));
        let documents = serde_yaml::Deserializer::from_str(&text);
        let documents = documents.map(|document| Value::deserialize(document).unwrap());
        documents.filter(|document| document["kind"] == "ClusterRole").collect()
    };
    let roles = rendered("");
    let granted = |role: &str| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        let roles = roles.iter().filter(|role| role["metadata"]["labels"][&label] == "true");
        roles.map(|role| role["rules"].to_string()).collect::<String>()
    };
    let (view, edit, admin) = (granted("view"), granted("edit"), granted("admin"));
    assert!(view.contains("list") && !view.contains("create") && !view.contains("secrets"), "{view}");
    assert!(edit.contains("list") && edit.contains("create") && edit.contains("projectvpcs"), "{edit}");
    assert!(!edit.contains('*') && edit == admin, "{edit}");
    assert!(rendered("--set aggregateRoles=false").is_empty());
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
fn measured_program_runs_in_the_environment_of_the_chart() {
    let container = find("default", "Deployment")["spec"]["template"]["spec"]["containers"][0].clone();
    for (name, value) in valkeeper_testbed::chart::ENVIRONMENT {
        let entry = serde_json::json!({"name": name, "value": value});
        assert!(container["env"].as_array().unwrap().contains(&entry), "{entry}");
    }
}
