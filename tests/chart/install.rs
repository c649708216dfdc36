//! The charts on a real API server: installed, upgraded, taken over from the replaced operator, removed.
//! There are no nodes, so that no pod ever runs.

use crate::{helm::Helm, render, skip};
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use valkeeper::api::Valkey;
use valkeeper_sandbox::envtest::RealApiServer;

struct Cluster {
    server: RealApiServer,
    client: Client,
    helm: Helm,
}

impl Cluster {
    /// `None` after saying what is missing.
    async fn start() -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let helm = Helm::find()?;
        let Ok(assets) = std::env::var("KUBEBUILDER_ASSETS") else {
            skip("set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver");
            return None;
        };
        let server = RealApiServer::start(Path::new(&assets)).await.unwrap();
        let client = Client::try_from(server.client_config().await.unwrap()).unwrap();
        Some(Self { server, client, helm })
    }

    fn helm(&self, line: &str) -> String {
        self.helm.run(Some(&self.server.kubeconfig_path()), line)
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    /// Definitions of kinds that the chart uses and that are not ours: anything goes.
    async fn define(&self, group: &str, kind: &str, plural: &str) {
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                    {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
        let definition = serde_json::from_value(definition).unwrap();
        self.definitions().create(&PostParams::default(), &definition).await.unwrap();
        self.until_served(&format!("{plural}.{group}")).await;
    }

    async fn until_served(&self, name: &str) {
        use kube::runtime::{conditions, wait::await_condition};
        let served = await_condition(self.definitions(), name, conditions::is_crd_established());
        tokio::time::timeout(Duration::from_secs(30), served).await.unwrap().unwrap();
    }

    async fn create_valkey(&self, namespace: &str, name: &str, project: &str) -> Result<Valkey, kube::Error> {
        let body = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": name},
            "spec": {"project": project, "plan": "startup-4"}});
        let valkeys: Api<Valkey> = Api::namespaced(self.client.clone(), namespace);
        valkeys.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await
    }

    async fn create_namespace(&self, name: &str, annotations: Value) {
        let body = json!({"metadata": {"name": name, "annotations": annotations}});
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    }
}

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
async fn definitions_and_values_of_the_replaced_operator_are_taken_over() {
    let Some(cluster) = Cluster::start().await else { return };
    // As the chart aiven-operator-crds leaves them.
    cluster.create_namespace("aiven-operator-system", json!({})).await;
    for text in [include_str!("../../crds/valkeys.yaml"), include_str!("../../crds/redis.yaml")] {
        let mut definition: CustomResourceDefinition = serde_yaml::from_str(text).unwrap();
        definition.annotations_mut().extend([
            ("meta.helm.sh/release-name".to_owned(), "aiven-operator-crds".to_owned()),
            ("meta.helm.sh/release-namespace".to_owned(), "aiven-operator-system".to_owned()),
        ]);
        definition.labels_mut().insert("app.kubernetes.io/managed-by".to_owned(), "Helm".to_owned());
        cluster.definitions().create(&PostParams::default(), &definition).await.unwrap();
    }
    cluster.until_served("valkeys.aiven.io").await;
    cluster.create_valkey("default", "kept", "p").await.unwrap();
    let install = "install valkeeper-crds charts/valkeeper-crds --namespace aiven-operator-system";
    let refused = cluster.helm.try_run(Some(&cluster.server.kubeconfig_path()), install).unwrap_err();
    assert!(refused.contains("aiven-operator-crds"), "{refused}");
    cluster.helm(&format!("{install} --take-ownership --force-conflicts"));
    let notes = cluster.helm(
        "install valkeeper charts/valkeeper --namespace aiven-operator-system --values charts/valkeeper/ci/replaced-operator-values.yaml",
    );
    assert!(notes.contains("\"webhooks\" has no effect"), "{notes}");
    let definition = cluster.definitions().get("valkeys.aiven.io").await.unwrap();
    assert_eq!(definition.annotations()["helm.sh/resource-policy"], "keep");
    assert_eq!(definition.annotations()["meta.helm.sh/release-name"], "valkeeper-crds");
    let valkeys: Api<Valkey> = Api::namespaced(cluster.client.clone(), "default");
    assert!(valkeys.get("kept").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rendered_object_passes_strict_validation() {
    let Some(cluster) = Cluster::start().await else { return };
    for namespace in ["valkeeper-system", "team-a", "team-b"] {
        cluster.create_namespace(namespace, json!({})).await;
    }
    for case in ["default", "namespaced", "production", "replaced-operator"] {
        // Of the monitoring kinds the API server knows nothing.
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
    assert!(cluster.create_valkey("team-a", "green", "green").await.is_ok());
    let missing = cluster.create_valkey("team-b", "green", "green").await.unwrap_err().to_string();
    assert!(missing.contains("is missing"), "{missing}");
    // What was there before the policy can still be changed, and so released.
    let valkeys: Api<Valkey> = Api::namespaced(cluster.client.clone(), "team-a");
    let finalizer =
        Patch::Merge(json!({"metadata": {"finalizers": ["finalizers.aiven.io/delete-remote-resource"]}}));
    assert!(valkeys.patch("earlier", &PatchParams::default(), &finalizer).await.is_ok());
}
