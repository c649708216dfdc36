//! The migration from aiven-operator, rehearsed: the commands of `docs/migrating.md` as they stand, with a real Helm, a
//! real API server, the simulated provider and the operator, with and without the definition of `Redis`.

use crate::{cluster::Cluster, read, repository};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration, apps::v1::Deployment, core::v1::Secret,
};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    discovery::ApiResource,
};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use valkeeper_api::{Kind, ProjectVpc, Redis, Valkey};
use valkeeper_testbed::{
    provider::{ProviderOptions, ProviderServer, TokenSpec},
    tools,
};

const SYSTEM: &str = "aiven-operator-system";
const PROJECT: &str = "my-aiven-project";
const TOKEN: &str = "migration-token";

/// The chart of aiven-operator: a Deployment, and webhooks that refuse every resource while no server answers them.
pub(crate) fn write_operator_chart(folder: &Path) {
    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "aiven-operator-validating-webhook-configuration"},
        "webhooks": [{"name": "vvalkey.kb.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"url": "https://127.0.0.1:1/validate-aiven-io-v1alpha1-valkey"},
            "rules": [{"apiGroups": ["aiven.io"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["valkeys"]}]}]});
    let labels = json!({"app.kubernetes.io/name": "aiven-operator"});
    let pod = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "manager", "image": "old"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "aiven-operator"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}});
    let chart = "apiVersion: v2\nname: aiven-operator\nversion: 0.44.0\n";
    write_chart(folder, chart, &[("webhook", webhook.to_string()), ("deployment", deployment.to_string())]);
}

/// The chart of its CRDs: templates without a policy that keeps them, and with foreign kinds.
fn write_definitions_chart(folder: &Path, redis: bool) {
    let definition = |name: &str| read(&format!("crds/{name}.yaml"));
    let other = definition("valkeys").replace("valkeys", "kafkatopics").replace("Valkey", "KafkaTopic");
    let other = other.replace("singular: valkey", "singular: kafkatopic").replace("- vk\n", "- kt\n");
    let mut templates = vec![("valkeys", definition("valkeys")), ("kafkatopics", other)];
    templates.push(("projectvpcs", definition("projectvpcs")));
    if redis {
        templates.push(("redis", definition("redis")));
    }
    write_chart(folder, "apiVersion: v2\nname: aiven-operator-crds\nversion: 0.44.0\n", &templates);
}

fn write_chart(folder: &Path, chart: &str, templates: &[(&str, String)]) {
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    std::fs::write(folder.join("Chart.yaml"), chart).unwrap();
    for (name, text) in templates {
        std::fs::write(folder.join(format!("templates/{name}.yaml")), text).unwrap();
    }
}

/// A cluster as aiven-operator leaves it.
struct Scene {
    cluster: Cluster,
    provider: ProviderServer,
    folder: TempDir,
    operator: Option<Child>,
}

impl Scene {
    async fn start(redis: bool) -> Option<Self> {
        for tool in [tools::KUBECTL, tools::JQ, tools::BASH] {
            tool.or_skip()?;
        }
        let cluster = Cluster::start().await?;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["charts", "crds"] {
            std::os::unix::fs::symlink(repository(name), path(name)).unwrap();
        }
        std::fs::create_dir(path("programs")).unwrap();
        let valkeeper = env!("CARGO_BIN_EXE_valkeeper");
        std::os::unix::fs::symlink(valkeeper, path("programs/valkeeper")).unwrap();
        std::os::unix::fs::symlink(cluster.helm_program(), path("programs/helm")).unwrap();
        let values =
            "replicaCount: 1\nleaderElection: {leaseName: 40db2fac.aiven.io}\nwebhooks: {enabled: true}\n";
        std::fs::write(path("values.yaml"), values).unwrap();
        write_operator_chart(&path("aiven-operator"));
        write_definitions_chart(&path("aiven-operator-crds"), redis);
        let tokens = vec![TokenSpec::full_access("migration", TOKEN)];
        let options = ProviderOptions {
            redis_creation_allowed: true,
            tokens,
            build_time: Duration::from_millis(100),
            vpc_time: Duration::from_millis(100),
            ..ProviderOptions::default()
        };
        let provider = ProviderServer::start(options).await.unwrap();
        let scene = Self { cluster, provider, folder, operator: None };
        scene.install(redis).await;
        Some(scene)
    }

    /// The releases of aiven-operator, and resources whose services it made.
    async fn install(&self, redis: bool) {
        self.run(&format!(
            "helm install aiven-operator-crds ./aiven-operator-crds --namespace {SYSTEM} --create-namespace"
        ))
        .await
        .unwrap();
        for name in self.definitions().await {
            self.cluster.until_served(&name).await;
        }
        self.token().await;
        self.service::<Valkey>(Kind::Valkey, "cache").await;
        if redis {
            self.service::<Redis>(Kind::Redis, "old-cache").await;
        }
        self.vpc().await;
        self.run(&format!("helm install aiven-operator ./aiven-operator --namespace {SYSTEM}"))
            .await
            .unwrap();
    }

    async fn token(&self) {
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client.clone(), "default");
        let secret = json!({"stringData": {"token": TOKEN}, "metadata": {"name": "aiven-token",
            "finalizers": ["finalizers.aiven.io/needed-to-delete-services"]}});
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    /// A service at the provider, and its resource and Secret as aiven-operator leaves them.
    async fn service<T>(&self, kind: Kind, name: &str)
    where
        T: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let word = kind.service_type();
        let body = json!({"service_name": name, "service_type": word, "plan": "startup-4",
            "cloud": "google-europe-west1", "user_config": {}});
        self.ask(&format!("/v1/project/{PROJECT}/service"), &body).await;
        let created =
            self.create::<T>(kind.name(), name, json!({"connInfoSecretTarget": {"name": ""}})).await;
        let owner = json!([{"apiVersion": "aiven.io/v1alpha1", "kind": kind.name(), "name": name,
            "uid": created.meta().uid, "controller": true, "blockOwnerDeletion": true}]);
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client.clone(), "default");
        let secret =
            json!({"metadata": {"name": name, "ownerReferences": owner}, "stringData": {"HOST": "old"}});
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    }

    async fn vpc(&self) {
        let body = json!({"cloud_name": "google-europe-west1", "network_cidr": "192.168.0.0/24", "peering_connections": []});
        let answer = self.ask(&format!("/v1/project/{PROJECT}/vpcs"), &body).await;
        let spec = json!({"networkCidr": "192.168.0.0/24"});
        let vpc = self.create::<ProjectVpc>("ProjectVPC", "network", spec).await;
        let vpcs: Api<ProjectVpc> = Api::namespaced(self.cluster.client.clone(), "default");
        let id = answer.get("project_vpc_id").or_else(|| answer.pointer("/vpc/project_vpc_id"));
        let status = Patch::Merge(json!({"status": {"id": id, "state": "ACTIVE"}}));
        vpcs.patch_status(&vpc.name_any(), &PatchParams::default(), &status).await.unwrap();
    }

    async fn create<T>(&self, kind: &str, name: &str, more: Value) -> T
    where
        T: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let mut spec = json!({"project": PROJECT, "cloudName": "google-europe-west1",
            "authSecretRef": {"name": "aiven-token", "key": "token"}});
        if kind != "ProjectVPC" {
            spec["plan"] = "startup-4".into();
        }
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let resource = json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind, "spec": spec, "metadata": {"name": name,
            "finalizers": ["finalizers.aiven.io/delete-remote-resource"],
            "annotations": {"controllers.aiven.io/generation-was-processed": "1",
                "controllers.aiven.io/instance-is-running": "true"}}});
        let api: Api<T> = Api::namespaced(self.cluster.client.clone(), "default");
        api.create(&PostParams::default(), &serde_json::from_value(resource).unwrap()).await.unwrap()
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}{path}", self.provider.url()));
        let answer = request.bearer_auth(TOKEN).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap()
    }

    /// The operator that the chart would start: there are no nodes.
    fn start_operator(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_valkeeper"));
        command.args(["run", "--leader-elect=false", "--metrics-bind-address=0"]);
        command.args(["--health-probe-bind-address=127.0.0.1:0", "--provider-url", &self.provider.url()]);
        command.env("KUBECONFIG", self.cluster.kubeconfig_path()).stdout(Stdio::null()).stderr(Stdio::null());
        self.operator = Some(command.kill_on_drop(true).spawn().unwrap());
    }

    /// Runs commands of the page in a shell, as a reader does.
    async fn run(&self, text: &str) -> Result<String, String> {
        let folder = self.folder.path();
        let text =
            text.replace("YOUR-VALUES.yaml", "values.yaml").replace("YOUR-IMAGE", "example.com/valkeeper");
        let programs = folder.join("programs");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(tools::BASH.or_skip().expect("asked for when this began"));
        command.args(["-euo", "pipefail", "-c", &text]).current_dir(folder).stdin(Stdio::null());
        command.env("PATH", path).env("HOME", folder).env("KUBECONFIG", self.cluster.kubeconfig_path());
        let output = command.kill_on_drop(true).output().await.unwrap();
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() { Ok(printed) } else { Err(printed) }
    }

    /// The blocks of the page that this test runs, in their order.
    async fn follow(&mut self, test: &str) -> Vec<String> {
        let page = read("docs/migrating.md");
        let marker = format!("<!-- run by tests/chart/migration.rs: {test} -->\n```sh\n");
        let blocks: Vec<_> =
            page.split(&marker).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(!blocks.is_empty(), "{test}");
        let mut printed = Vec::new();
        for block in blocks {
            printed.push(self.run(block).await.unwrap_or_else(|output| panic!("{block}\n{output}")));
            if block.contains("charts/valkeeper --namespace") {
                self.start_operator();
            }
        }
        printed
    }

    async fn definitions(&self) -> Vec<String> {
        let definitions = self.cluster.definitions().list(&ListParams::default()).await.unwrap();
        let alive = definitions.items.iter().filter(|found| found.metadata.deletion_timestamp.is_none());
        alive.map(ResourceExt::name_any).collect()
    }

    /// Each resource: kind, name, uid, and whether it is being deleted.
    async fn resources(&self, redis: bool) -> Vec<(String, Option<String>, bool)> {
        let mut found = Vec::new();
        let kinds = [("Valkey", "valkeys"), ("Redis", "redis"), ("ProjectVPC", "projectvpcs")];
        for (kind, plural) in kinds.into_iter().filter(|(kind, _)| redis || *kind != "Redis") {
            let version = kube::api::GroupVersionKind::gvk("aiven.io", "v1alpha1", kind);
            let resource = ApiResource::from_gvk_with_plural(&version, plural);
            let api: Api<DynamicObject> = Api::all_with(self.cluster.client.clone(), &resource);
            for object in api.list(&ListParams::default()).await.unwrap().items {
                let name = format!("{kind}/{}", object.name_any());
                found.push((name, object.uid(), object.metadata.deletion_timestamp.is_some()));
            }
        }
        found
    }

    /// The requests so far that change anything at the provider.
    fn writes(&self) -> usize {
        self.provider.handle().requests().iter().filter(|request| request.method != "GET").count()
    }
}

async fn migrate(redis: bool) {
    let Some(mut scene) = Scene::start(redis).await else { return };
    let before = scene.resources(redis).await;
    assert_eq!(before.len(), 2 + usize::from(redis));
    let writes = scene.writes();
    let printed = scene.follow("migration_page_loses_no_resource_and_writes_nothing_at_aiven").await;
    assert!(printed[0].contains("skipped 0: no findings"), "{}", printed[0]);
    assert!(!printed.join("").contains("Drift"), "{printed:#?}");
    assert!(printed.last().unwrap().contains("default aiven-token"), "{printed:#?}");
    assert_eq!(scene.resources(redis).await, before);
    assert_eq!(scene.writes(), writes, "no write at the provider");
    // Nothing that Helm can still do deletes a definition.
    let refused = scene.run(&format!("helm uninstall aiven-operator-crds --namespace {SYSTEM}")).await;
    assert!(refused.unwrap_err().contains("not found"));
    scene.run(&format!("helm uninstall valkeeper-crds --namespace {SYSTEM}")).await.unwrap();
    let definitions = scene.definitions().await;
    for name in ["kafkatopics", "projectvpcs", "redis", "valkeys"] {
        assert!(definitions.contains(&format!("{name}.aiven.io")), "{name}: {definitions:?}");
    }
    assert_eq!(scene.resources(redis).await, before);
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(scene.cluster.client.clone());
    assert!(webhooks.list(&ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migration_page_loses_no_resource_and_writes_nothing_at_aiven() {
    migrate(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migration_page_works_without_the_redis_definition() {
    migrate(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migration_page_rolls_back() {
    let Some(mut scene) = Scene::start(true).await else { return };
    scene.follow("migration_page_loses_no_resource_and_writes_nothing_at_aiven").await;
    let before = scene.resources(true).await;
    scene.operator = None;
    scene.follow("migration_page_rolls_back").await;
    let deployments: Api<Deployment> = Api::namespaced(scene.cluster.client.clone(), SYSTEM);
    let deployments = deployments.list(&ListParams::default()).await.unwrap().items;
    let replicas = |found: &Deployment| found.spec.as_ref().and_then(|spec| spec.replicas);
    let found: Vec<_> = deployments.iter().map(|found| (found.name_any(), replicas(found))).collect();
    assert_eq!(found, [("aiven-operator".to_owned(), Some(1))]);
    assert_eq!(scene.resources(true).await, before);
    let line = format!("helm install aiven-operator-crds ./aiven-operator-crds --namespace {SYSTEM}");
    let refused = scene.run(&line).await.unwrap_err();
    assert!(refused.contains("valkeeper-crds"), "{refused}");
}

/// Why the page deletes the records of the release: Helm reads the policy from the manifest that it stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotated_definitions_go_with_their_old_release() {
    let Some(scene) = Scene::start(false).await else { return };
    let definitions = "valkeys.aiven.io projectvpcs.aiven.io";
    scene.run(&format!("kubectl annotate crd {definitions} helm.sh/resource-policy=keep")).await.unwrap();
    scene.run(&format!("helm uninstall aiven-operator-crds --namespace {SYSTEM}")).await.unwrap();
    assert!(
        !scene.definitions().await.contains(&"valkeys.aiven.io".to_owned()),
        "the page can be simpler now"
    );
}
