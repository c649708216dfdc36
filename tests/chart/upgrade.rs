//! Upgrades, rehearsed on a real API server: from the first version of the charts, which is kept in
//! `tests/chart/previous` as it was packaged, and from the charts of aiven-operator.

use crate::{cluster::Cluster, migration::write_operator_chart, repository};
use k8s_openapi::{
    api::{
        admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::Deployment,
        coordination::v1::Lease, core::v1::Secret, rbac::v1::ClusterRole,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::fmt::Debug;
use valkeeper_api::{Redis, Valkey};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_from_the_first_charts_keeps_resources_and_values() {
    let Some(cluster) = Cluster::start().await else { return };
    let (namespace, previous) = ("--namespace valkeeper-system", "tests/chart/previous");
    cluster.helm(&format!(
        "install valkeeper-crds {previous}/valkeeper-crds-0.1.0.tgz {namespace} --create-namespace"
    ));
    cluster.until_served("valkeys.aiven.io").await;
    cluster.until_served("redis.aiven.io").await;
    cluster
        .helm(&format!("install valkeeper {previous}/valkeeper-0.1.0.tgz {namespace} --set replicaCount=3"));
    let before = store_resources(&cluster).await;

    cluster.helm(&format!("upgrade valkeeper-crds charts/valkeeper-crds {namespace}"));
    cluster.until_served("projectvpcs.aiven.io").await;
    for values in ["--reuse-values", "--reset-then-reuse-values"] {
        cluster.helm(&format!("upgrade valkeeper charts/valkeeper {namespace} {values}"));
        let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), "valkeeper-system");
        let deployment = deployments.get("valkeeper").await.unwrap();
        assert_eq!(deployment.spec.unwrap().replicas, Some(3), "{values}");
    }
    let granted: Api<ClusterRole> = Api::all(cluster.client.clone());
    let granted = json!(granted.get("valkeeper").await.unwrap().rules).to_string();
    assert!(granted.contains("projectvpcs"), "{granted}");
    assert_eq!(resources(&cluster).await, before);
    // They can still be edited, by users and by the operator.
    let (valkeys, parameters) = (valkeys(&cluster), PatchParams::default());
    let edit = Patch::Merge(json!({"spec": {"plan": "business-4"}}));
    assert_eq!(valkeys.patch("kept", &parameters, &edit).await.unwrap().metadata.generation, Some(2));
    let state = Patch::Merge(json!({"status": {"state": "REBUILDING"}}));
    valkeys.patch_status("kept", &parameters, &state).await.unwrap();
    // And back: the definitions stay new, the operator becomes the old one.
    cluster.helm(&format!("rollback valkeeper 1 {namespace}"));
    assert!(valkeys.get("kept").await.is_ok());
}

/// Stores one resource of each kind, with what an operator has written into it.
async fn store_resources(cluster: &Cluster) -> [Value; 2] {
    let spec = |kind: &str| {
        let settings = json!({format!("{kind}_maxmemory_policy"): "allkeys-lru", "migration": {
            "host": "old.example.com", "port": 6379, "password": "p"}});
        json!({"project": "p", "plan": "startup-4", "cloudName": "google-europe-west1", "powered": true,
            "tags": {"env": "test"}, "technicalEmails": [{"email": "a@example.com"}], "userConfig": settings,
            "maintenanceWindowDow": "monday", "maintenanceWindowTime": "03:00:00", "disk_space": "10GiB",
            "connInfoSecretTarget": {"name": "target", "prefix": "P_"}})
    };
    let body = |kind: &str, spec| {
        json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind,
            "metadata": {"name": "kept", "finalizers": ["finalizers.aiven.io/delete-remote-resource"]}, "spec": spec})
    };
    let condition = json!({"type": "Running", "status": "True", "reason": "CheckRunning", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = Patch::Merge(json!({"status": {"state": "RUNNING", "conditions": [condition]}}));
    let valkey: Valkey = serde_json::from_value(body("Valkey", spec("valkey"))).unwrap();
    let redis: Redis = serde_json::from_value(body("Redis", spec("redis"))).unwrap();
    let redises: Api<Redis> = Api::namespaced(cluster.client.clone(), "default");
    valkeys(cluster).create(&PostParams::default(), &valkey).await.unwrap();
    redises.create(&PostParams::default(), &redis).await.unwrap();
    valkeys(cluster).patch_status("kept", &PatchParams::default(), &status).await.unwrap();
    redises.patch_status("kept", &PatchParams::default(), &status).await.unwrap();
    resources(cluster).await
}

async fn resources(cluster: &Cluster) -> [Value; 2] {
    let redises: Api<Redis> = Api::namespaced(cluster.client.clone(), "default");
    [json!(valkeys(cluster).get("kept").await.unwrap()), json!(redises.get("kept").await.unwrap())]
}

fn valkeys(cluster: &Cluster) -> Api<Valkey> {
    Api::namespaced(cluster.client.clone(), "default")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crds_and_values_of_aiven_operator_are_adopted() {
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
    let refused = cluster.refused(install);
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

async fn create<K>(cluster: &Cluster, namespace: &str, body: Value) -> K
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    api.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_of_aiven_operator_becomes_release_of_this_chart() {
    let Some(cluster) = Cluster::start().await else { return };
    cluster.helm("install valkeeper-crds charts/valkeeper-crds");
    cluster.until_served("valkeys.aiven.io").await;
    let valkey = cluster.create_valkey("default", "kept", "p").await.unwrap();
    let system = "aiven-operator-system";
    let folder = tempfile::tempdir().unwrap();
    write_operator_chart(folder.path());
    cluster.helm(&format!(
        "install aiven-operator {} --namespace {system} --create-namespace",
        folder.path().display()
    ));
    // What is not the chart's: the default token, the lease, a connection Secret.
    let finalizers = ["finalizers.aiven.io/needed-to-delete-services"];
    let token: Secret = create(
        &cluster,
        system,
        json!({"stringData": {"token": "t"},
        "metadata": {"name": "aiven-token", "finalizers": finalizers}}),
    )
    .await;
    let lease: Lease = create(
        &cluster,
        system,
        json!({"metadata": {"name": "40db2fac.aiven.io"},
        "spec": {"holderIdentity": "aiven-operator-0", "leaseDurationSeconds": 15}}),
    )
    .await;
    let connection: Secret = create(&cluster, "default", json!({"stringData": {"VALKEY_HOST": "h"}, "metadata": {
        "name": "kept", "ownerReferences": [{"apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "name": "kept",
            "uid": valkey.uid(), "controller": true, "blockOwnerDeletion": true}]}})).await;
    let refused = cluster.create_valkey("default", "new", "p").await.unwrap_err().to_string();
    assert!(refused.contains("vvalkey.kb.io"), "{refused}");

    let values = repository("charts/valkeeper/ci/replaced-operator-values.yaml");
    cluster.helm(&format!(
        "upgrade aiven-operator charts/valkeeper --namespace {system} --reset-values --values {}",
        values.display()
    ));
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    assert!(webhooks.list(&ListParams::default()).await.unwrap().items.is_empty());
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), system);
    let deployments = deployments.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(
        deployments.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["aiven-operator-valkeeper"]
    );
    cluster.create_valkey("default", "new", "p").await.unwrap();
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), system);
    let (old, new) =
        (Api::namespaced(cluster.client.clone(), system), Api::namespaced(cluster.client.clone(), "default"));
    assert_eq!(leases.get("40db2fac.aiven.io").await.unwrap().resource_version(), lease.resource_version());
    let secret = async |api: &Api<Secret>, name: &str| api.get(name).await.unwrap().resource_version();
    assert_eq!(secret(&old, "aiven-token").await, token.resource_version());
    assert_eq!(secret(&new, "kept").await, connection.resource_version());
}
