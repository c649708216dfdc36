//! Kinds that are stored without having an effect, and writes that other kinds do not have: updates that
//! create, metadata through the status.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::ResourceExt as _;
use kube::api::{
    Api, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Cluster, code, config_map};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn deployment(replicas: u32) -> Deployment {
    read(json!({
        "metadata": {"name": "d"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "x:1"}]},
            },
        },
    }))
}

#[tokio::test]
async fn deployment_keeps_written_status_and_starts_nothing() {
    let cluster = Cluster::start().await;
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), "default");
    let created = api.create(&PostParams::default(), &deployment(2)).await.unwrap();
    let pod = created.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.containers[0].image_pull_policy.as_deref(), Some("IfNotPresent"));
    let status = Patch::Merge(json!({"spec": {"replicas": 9}, "status": {"readyReplicas": 1}}));
    api.patch_status("d", &PatchParams::default(), &status).await.unwrap();
    let replaced = api.replace("d", &PostParams::default(), &deployment(3)).await.unwrap();
    assert_eq!(replaced.metadata.generation, Some(2));
    assert_eq!(replaced.status.unwrap().ready_replicas, Some(1));
    let other = Patch::Merge(json!({"spec": {
        "selector": {"matchLabels": {"c": "d"}}, "template": {"metadata": {"labels": {"c": "d"}}},
    }}));
    let (code, message) = code(api.patch("d", &PatchParams::default(), &other).await);
    assert_eq!(code, 422);
    assert!(message.contains("spec.selector") && message.contains("field is immutable"), "{message}");
}

#[tokio::test]
async fn a_deployment_is_applied_container_by_container() {
    let cluster = Cluster::start().await;
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), "default");
    let applied = |name: &str, image: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": name, "image": image, "ports": [{"containerPort": 80}]}]},
                },
            },
        })
    };
    for (manager, container) in [("one", "c"), ("two", "sidecar")] {
        let patch = Patch::Apply(applied(container, "x"));
        api.patch("d", &PatchParams::apply(manager), &patch).await.unwrap();
    }
    let found = api.get("d").await.unwrap().spec.unwrap().template.spec.unwrap();
    let names: Vec<&str> = found.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["c", "sidecar"]);
    let conflict = api.patch("d", &PatchParams::apply("two"), &Patch::Apply(applied("c", "y"))).await;
    let (code, message) = code(conflict);
    assert_eq!(code, 409);
    assert!(message.contains(".spec.template.spec.containers[name=\"c\"].image"), "{message}");
}

#[tokio::test]
async fn access_and_admission_are_stored_but_not_enforced() {
    let cluster = Cluster::start().await;
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let webhook = json!({"metadata": {"name": "w"}, "webhooks": [{
        "name": "never.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
    }]});
    let stored = webhooks.create(&PostParams::default(), &read(webhook)).await.unwrap();
    assert_eq!(stored.webhooks.unwrap()[0].failure_policy.as_deref(), Some("Fail"));
    cluster.create("c").await;
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.client.clone(), "default");
    let binding = json!({
        "metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "missing"},
    });
    bindings.create(&PostParams::default(), &read(binding)).await.unwrap();
    let other = Patch::Merge(json!({"roleRef": {"name": "other"}}));
    assert_eq!(code(bindings.patch("b", &PatchParams::default(), &other).await).0, 422);
    let reviews = http::Request::get("/apis/authorization.k8s.io/v1").body(Vec::new()).unwrap();
    assert!(cluster.client.request_text(reviews).await.is_err());
}

#[tokio::test]
async fn disruption_budgets_are_listed_and_deleted_like_anything_else() {
    let cluster = Cluster::start().await;
    let api: Api<PodDisruptionBudget> = Api::namespaced(cluster.client.clone(), "default");
    let budget = |spec: Value| read::<PodDisruptionBudget>(json!({"metadata": {"name": "p"}, "spec": spec}));
    let both = budget(json!({"minAvailable": 1, "maxUnavailable": 1}));
    assert_eq!(code(api.create(&PostParams::default(), &both).await).0, 422);
    api.create(&PostParams::default(), &budget(json!({"minAvailable": "50%"}))).await.unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    assert!(api.list(&ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_update_creates_leases_and_roles_but_not_config_maps() {
    let cluster = Cluster::start().await;
    let client = || cluster.client.clone();
    let (leases, roles): (Api<Lease>, Api<Role>) =
        (Api::namespaced(client(), "default"), Api::namespaced(client(), "default"));
    let lease = |uid: Option<&str>| {
        read::<Lease>(
            json!({"metadata": {"name": "l", "uid": uid, "resourceVersion": "7"}, "spec": {"holderIdentity": "me"}}),
        )
    };
    let foreign = leases.replace("l", &PostParams::default(), &lease(Some("foreign"))).await;
    assert_eq!(code(foreign).0, 409);
    let created = leases.replace("l", &PostParams::default(), &lease(None)).await.unwrap();
    assert!(created.metadata.uid.is_some());
    roles.replace("r", &PostParams::default(), &read(json!({"metadata": {"name": "r"}}))).await.unwrap();
    let missing: Result<ConfigMap, _> =
        cluster.config_maps().replace("c", &PostParams::default(), &config_map("c", &[])).await;
    assert_eq!(code(missing).0, 404);
}

#[tokio::test]
async fn labels_of_built_in_kinds_can_be_written_with_the_status() {
    let cluster = Cluster::start().await;
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let labels = |key: &str| {
        Patch::Merge(json!({"metadata": {"labels": {key: "x", "kubernetes.io/metadata.name": null}}}))
    };
    let written = api.patch_status("default", &PatchParams::default(), &labels("team")).await.unwrap();
    let found = written.metadata.labels.unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["kubernetes.io/metadata.name", "team"]);
    let refused = api.patch_status("default", &PatchParams::default(), &labels("a b")).await;
    assert_eq!(code(refused).0, 422);
}

#[tokio::test]
async fn the_rendered_chart_can_be_applied() {
    let cluster = Cluster::start().await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let chart = include_str!("../../../../tests/chart/rendered/default.yaml");
    let namespace = read(json!({"metadata": {"name": "valkeeper-system"}}));
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    for document in serde_yaml::Deserializer::from_str(chart) {
        let object = DynamicObject::deserialize(document).unwrap();
        let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
        let (resource, _) = kube::discovery::pinned_kind(&cluster.client, &kind).await.unwrap();
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(cluster.client.clone(), &namespace, &resource),
            None => Api::all_with(cluster.client.clone(), &resource),
        };
        let first = api.patch(&object.name_any(), &PatchParams::apply("chart"), &Patch::Apply(&object)).await;
        let again = api.patch(&object.name_any(), &PatchParams::apply("chart"), &Patch::Apply(&object)).await;
        assert_eq!(first.unwrap(), again.unwrap(), "{}", kind.kind);
    }
}
