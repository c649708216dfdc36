//! Instances as pods of the test node, with a Lease of the Kubernetes API: in plain mode on loopback addresses, in
//! isolated mode with networks of their own and mutual TLS.

use crate::world::{INTERVALS, LeaseKind, Node, PATIENCE, World};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use valkeeper_apiserver::{KubeOptions, KubeServer};
use valkeeper_failover::{Name, protocol::Role};
use valkeeper_instance::{
    client::{self, InstanceClient},
    lease::{KubernetesLease, LeaseStore},
};
use valkeeper_testbed::{
    certificates::{Authority, Issued, LATER},
    node::{NodeOptions, Nodes, PodName},
};

pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three instances in pods.
pub(crate) struct Pods {
    pub(crate) world: World,
    pub(crate) nodes: Nodes,
    pub(crate) client: Client,
    _server: KubeServer,
    folder: tempfile::TempDir,
}

impl Drop for Pods {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_logs(self.folder.path());
        }
    }
}

/// Prints the end of each log below a folder.
fn print_logs(folder: &Path) {
    const LINES: usize = 60;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            print_logs(&path);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {} ---", path.display());
            eprintln!("{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
        }
    }
}

impl Pods {
    /// Three instances that are held, and keep their data as named. In isolated mode, this process is in namespaces
    /// of its own.
    pub(crate) async fn start(isolated: bool, persistence: &str, mut options: NodeOptions) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let server = KubeServer::start(KubeOptions::default()).await.unwrap();
        let client = Client::try_from(server.client_config().unwrap()).unwrap();
        options.isolated = isolated;
        options.kubeconfig = Some(server.kubeconfig());
        let folder = tempfile::tempdir().unwrap();
        options.folder = Some(folder.path().to_owned());
        let nodes = Nodes::start(client.clone(), options).await.unwrap();
        let authority = Authority::new("cache").unwrap();
        create_shared(&client, &authority).await;
        for name in NAMES {
            create::<Pod>(&client, pod(name, isolated, persistence)).await;
        }
        let mut hosts = Vec::new();
        for name in NAMES {
            hosts.push((name, address(&client, name).await));
        }
        let http = http(&nodes, &authority, isolated);
        let lease =
            Arc::new(KubernetesLease::new(client.clone(), "default", "cache", Duration::from_secs(4)));
        let world = elsewhere(&hosts, if isolated { "https" } else { "http" }, &http, lease);
        for node in &world.nodes {
            node.until("held", |status| status.status.role == Role::Held).await;
        }
        Self { world, nodes, client, _server: server, folder }
    }
}

/// Instances that something else runs, at these addresses; their managers' addresses begin with `scheme`.
fn elsewhere(
    hosts: &[(&str, String)],
    scheme: &str,
    http: &reqwest::Client,
    lease: Arc<dyn LeaseStore>,
) -> World {
    let folder = tempfile::tempdir().unwrap();
    let node = |(name, host): &(&str, String)| Node {
        name: Name::from(*name),
        client: InstanceClient::new(http.clone(), format!("{scheme}://{host}:7379")),
        folder: folder.path().to_owned(),
        host: host.clone(),
        settings: PathBuf::new(),
        password: None,
        kubeconfig: None,
        child: None,
    };
    let nodes = hosts.iter().map(node).collect();
    let lease = LeaseKind::Kubernetes { kubeconfig: PathBuf::new(), lease };
    World { folder, nodes, http: http.clone(), lease }
}

/// Who asks managers: from the address of the API, so that a pod that is cut off it is cut off the operator, too.
fn http(nodes: &Nodes, authority: &Authority, isolated: bool) -> reqwest::Client {
    if !isolated {
        return client::http(None).unwrap();
    }
    let Issued { certificate, key } = authority.issue(&["127.0.0.1"], LATER).unwrap();
    let identity = format!("{certificate}{key}");
    reqwest::Client::builder()
        .timeout(Duration::from_secs(4))
        .connect_timeout(Duration::from_secs(2))
        .no_proxy()
        .local_address(nodes.control_address().map(IpAddr::from))
        .tls_certs_only([reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap()])
        .identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap())
        .build()
        .unwrap()
}

async fn create<K>(client: &Client, object: Value)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// The Lease, and the certificates of whatever addresses the pods get.
async fn create_shared(client: &Client, authority: &Authority) {
    let hosts: Vec<String> =
        (1..=3_u8).flat_map(|node| (2..=9_u8).map(move |pod| format!("10.64.{node}.{pod}"))).collect();
    let Issued { certificate, key } = authority.issue(&hosts, LATER).unwrap();
    let data = json!({"tls.crt": certificate, "tls.key": key, "ca.crt": authority.pem});
    create::<Secret>(client, json!({"metadata": {"name": "tls"}, "stringData": data})).await;
    let lease = json!({"metadata": {"name": "cache"}, "spec": {"leaseTransitions": 0}});
    create::<k8s_openapi::api::coordination::v1::Lease>(client, lease).await;
}

fn pod(name: &str, isolated: bool, persistence: &str) -> Value {
    let tls = ", tls: {certificate: $TLS/tls.crt, key: $TLS/tls.key, authority: $TLS/ca.crt}";
    let tls = if isolated { tls } else { "" };
    let manager = env!("CARGO_BIN_EXE_valkeeper-instance");
    let script = format!(
        "cat > $RUN/instance.yaml <<END\n\
         dataDir: $DATA\nruntimeDir: $RUN\nhealth: '$POD_IP:8080'\n\
         lease: {{kubernetes: {{namespace: default, name: cache}}}}\n\
         control: {{address: '$POD_IP:7379'{tls}}}\n{INTERVALS}server:\n  program: valkey-server\n  host: $POD_IP\n  \
         bind: [$POD_IP]\n  directives: {{repl-timeout: '10'}}\n  persistence: {persistence}\nEND\n\
         exec {manager} --settings $RUN/instance.yaml\n"
    );
    let field =
        |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    json!({
        "metadata": {"name": name, "labels": {"app": "cache"}},
        "spec": {
            "terminationGracePeriodSeconds": 30,
            "containers": [{
                "name": "server", "image": "busybox", "command": ["sh", "-c"], "args": [script],
                "env": [
                    field("POD_IP", "status.podIP"), field("POD_NAME", "metadata.name"),
                    field("POD_UID", "metadata.uid"), value("DATA", "/data"), value("RUN", "/run/valkeeper"),
                    value("TLS", "/tls"), value("LOG_LEVEL", "info,valkeeper_instance=debug"),
                ],
                "volumeMounts": [mount("data", "/data"), mount("run", "/run/valkeeper"), mount("tls", "/tls")],
            }],
            "volumes": [
                {"name": "data", "emptyDir": {}}, {"name": "run", "emptyDir": {}},
                {"name": "tls", "secret": {"secretName": "tls"}},
            ],
        },
    })
}

/// The address of a pod that runs.
async fn address(client: &Client, name: &str) -> String {
    let api: Api<Pod> = Api::namespaced(client.clone(), "default");
    let look = async {
        loop {
            let status = api.get(name).await.unwrap().status.unwrap_or_default();
            if let (Some(address), Some("Running")) = (status.pod_ip, status.phase.as_deref()) {
                return address;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap()
}

/// A pod in the namespace of the tests.
pub(crate) fn named(name: &str) -> PodName {
    PodName { namespace: "default".to_owned(), name: name.to_owned() }
}
