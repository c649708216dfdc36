//! The charts on a real API server: installed, changed, removed, and what the admission policy admits.

use crate::{cluster::Cluster, render};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::{ProjectVpc, Valkey};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installed_upgraded_and_removed_without_losing_a_resource() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.define("monitoring.coreos.com", "ServiceMonitor", "servicemonitors").await;
    cluster.define("monitoring.coreos.com", "PrometheusRule", "prometheusrules").await;
    cluster
        .helm("install valkeeper-crds charts/valkeeper-crds --namespace valkeeper-system --create-namespace");
    cluster.until_served("valkeys.aiven.io").await;
    let notes = cluster.helm("install valkeeper charts/valkeeper --namespace valkeeper-system");
    assert!(notes.contains("kubectl --namespace default create secret generic aiven-token"), "{notes}");
    cluster.create_valkey("default", "kept", "p").await.unwrap();
    for case in ["production", "namespaced", "default"] {
        for namespace in ["team-a", "team-b"] {
            if case == "namespaced" {
                cluster.create_namespace(namespace, json!({})).await;
            }
        }
        let values = format!("charts/valkeeper/ci/{case}-values.yaml");
        cluster.helm(&format!(
            "upgrade valkeeper charts/valkeeper --namespace valkeeper-system --values {values}"
        ));
        cluster.helm("upgrade valkeeper-crds charts/valkeeper-crds --namespace valkeeper-system");
    }
    cluster.helm("uninstall valkeeper valkeeper-crds --namespace valkeeper-system");
    assert!(
        cluster.definitions().get("valkeys.aiven.io").await.unwrap().metadata.deletion_timestamp.is_none()
    );
    let valkeys: Api<Valkey> = Api::namespaced(cluster.client.clone(), "default");
    assert!(valkeys.get("kept").await.unwrap().metadata.deletion_timestamp.is_none());
    // What was kept is taken up again.
    cluster.helm("install valkeeper-crds charts/valkeeper-crds --namespace valkeeper-system");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rendered_object_passes_strict_validation() {
    let Some(cluster) = Cluster::start().await else { return };
    for namespace in ["valkeeper-system", "team-a", "team-b"] {
        cluster.create_namespace(namespace, json!({})).await;
    }
    for case in ["default", "namespaced", "production", "replaced-operator"] {
        // The API server does not serve the monitoring kinds.
        let known = |document: &Value| document["apiVersion"] != "monitoring.coreos.com/v1";
        for document in render::documents(case).into_iter().filter(known) {
            let object: DynamicObject = serde_json::from_value(document).unwrap();
            let resource = ApiResource::from_gvk(&object.types.as_ref().unwrap().try_into().unwrap());
            let api: Api<DynamicObject> = match &object.metadata.namespace {
                Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
                None => Api::all_with(cluster.client.clone(), &resource),
            };
            let parameters = PatchParams::apply("chart").force().validation_strict().dry_run();
            let applied = api.patch(&object.name_any(), &parameters, &Patch::Apply(&object)).await;
            assert!(applied.is_ok(), "{case}: {} {}: {applied:?}", resource.kind, object.name_any());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_may_use_the_projects_that_its_annotation_lists() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.helm("install valkeeper-crds charts/valkeeper-crds");
    cluster.until_served("valkeys.aiven.io").await;
    let annotation = "valkeeper.io/allowed-projects";
    cluster.create_namespace("team-a", json!({annotation: "blue, green"})).await;
    cluster.create_namespace("team-b", json!({})).await;
    cluster.create_valkey("team-a", "earlier", "red").await.unwrap();
    cluster.helm("install valkeeper charts/valkeeper --set projectPolicy.enabled=true,projectPolicy.withoutAnnotation=Deny");
    // The API server takes a moment to enforce a new policy.
    let mut refused = Ok(());
    for attempt in 0..200 {
        refused = cluster.create_valkey("team-a", &format!("red-{attempt}"), "red").await.map(drop);
        if refused.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("may not use project red") && message.contains("blue, green"), "{message}");
    cluster.create_valkey("team-a", "green", "green").await.unwrap();
    let missing = cluster.create_valkey("team-b", "green", "green").await.unwrap_err().to_string();
    assert!(missing.contains("is missing"), "{missing}");
    // What was there before the policy can still be changed, and so released.
    let valkeys: Api<Valkey> = Api::namespaced(cluster.client.clone(), "team-a");
    let finalizer =
        Patch::Merge(json!({"metadata": {"finalizers": ["finalizers.aiven.io/delete-remote-resource"]}}));
    assert!(valkeys.patch("earlier", &PatchParams::default(), &finalizer).await.is_ok());
    // A copy brings the data of another project along.
    let copy = |project: &str| -> Valkey {
        let settings = json!({"project_to_fork_from": project, "service_to_fork_from": "s"});
        let spec = json!({"project": "green", "plan": "startup-4", "userConfig": settings});
        serde_json::from_value(json!({"metadata": {"name": format!("copy-{project}")}, "spec": spec}))
            .unwrap()
    };
    let copied = valkeys.create(&PostParams::default(), &copy("red")).await.unwrap_err().to_string();
    assert!(copied.contains("may not copy from project red"), "{copied}");
    valkeys.create(&PostParams::default(), &copy("blue")).await.unwrap();
    let vpcs: Api<ProjectVpc> = Api::namespaced(cluster.client.clone(), "team-a");
    let vpc = |name: &str, project: &str| -> ProjectVpc {
        serde_json::from_value(json!({"metadata": {"name": name},
            "spec": {"project": project, "cloudName": "c", "networkCidr": "10.0.0.0/24"}}))
        .unwrap()
    };
    let refused = vpcs.create(&PostParams::default(), &vpc("red", "red")).await.unwrap_err().to_string();
    assert!(refused.contains("may not use project red"), "{refused}");
    assert!(vpcs.create(&PostParams::default(), &vpc("blue", "blue")).await.is_ok());

    cluster.helm("upgrade valkeeper charts/valkeeper --set projectPolicy.enabled=true,projectPolicy.withoutAnnotation=Allow");
    let mut allowed = cluster.create_valkey("team-b", "any", "any").await;
    for _ in 0..200 {
        if allowed.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        allowed = cluster.create_valkey("team-b", "any", "any").await;
    }
    assert!(allowed.is_ok(), "{allowed:?}");
    assert!(cluster.create_valkey("team-a", "still-red", "red").await.is_err());
}
