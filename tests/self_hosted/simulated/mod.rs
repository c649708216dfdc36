//! Instances without servers, so that one machine holds hundreds: each pod is played by a task with the pure manager.
//! The operator meets what kubelets and managers show: pods that run, statuses over mutual TLS, verbs, a Lease that its
//! holder renews. Data is left out: every instance is in sync with every other one, and there are no servers for clients.

mod instance;

use futures::StreamExt as _;
use instance::{Instance, router};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use valkeeper_cluster::names;
use valkeeper_failover::manager::Input;

/// How long a container that ended takes to be started again.
const RESTART: Duration = Duration::from_secs(3);
/// How often managers compare their deadlines with the clock.
const TICK: Duration = Duration::from_millis(200);

/// The nodes of a cluster whose pods are simulated; ends them with itself.
pub(crate) struct SimulatedNodes {
    pods: Arc<Pods>,
    watching: JoinHandle<()>,
}

struct Pods {
    client: Client,
    namespace: &'static str,
    running: Mutex<BTreeMap<String, RunningPod>>,
}

struct RunningPod {
    name: String,
    boot: u64,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for RunningPod {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for SimulatedNodes {
    fn drop(&mut self) {
        self.watching.abort();
        self.pods.running.lock().unwrap().clear();
    }
}

impl SimulatedNodes {
    /// Plays every pod of the namespace.
    pub(crate) fn start(client: Client, namespace: &'static str) -> Self {
        let pods = Arc::new(Pods { client, namespace, running: Mutex::default() });
        let watching = tokio::spawn(watch(Arc::clone(&pods)));
        Self { pods, watching }
    }

    /// Ends the container of a pod, which is started again later.
    pub(crate) async fn kill(&self, pod: &str) {
        let found = {
            let mut running = self.pods.running.lock().unwrap();
            let uid = running.iter().find(|(_, one)| one.name == pod).map(|(uid, _)| uid.clone()).unwrap();
            (uid.clone(), running.remove(&uid).unwrap().boot)
        };
        let (uid, boot) = found;
        let ended = json!({"terminated": {"exitCode": 137, "reason": "Error"}});
        self.pods.show(pod, &ended, false, None).await;
        let (pods, name) = (Arc::clone(&self.pods), pod.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(RESTART).await;
            pods.run(name, uid, boot + 1).await;
        });
    }
}

async fn watch(pods: Arc<Pods>) {
    let api: Api<Pod> = Api::namespaced(pods.client.clone(), pods.namespace);
    let mut changes = watcher(api.clone(), watcher::Config::default()).applied_objects().boxed();
    while let Some(change) = changes.next().await {
        let Ok(pod) = change else { continue };
        let (name, uid) = (pod.name_any(), pod.uid().unwrap());
        if pod.metadata.deletion_timestamp.is_some() {
            pods.running.lock().unwrap().remove(&uid);
            let _ = api.delete(&name, &DeleteParams::default().grace_period(0)).await;
        } else if pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).is_none() {
            tokio::spawn(Arc::clone(&pods).run(name, uid, 1));
        }
    }
}

impl Pods {
    /// Starts the container of a pod.
    async fn run(self: Arc<Self>, name: String, uid: String, boot: u64) {
        let listener = TcpListener::bind((address(&uid), names::CONTROL_PORT)).await.unwrap();
        let (instance, mut effects) = Instance::new(&self, &name, &uid, boot).await;
        let router = router(Arc::clone(&instance));
        let server = axum::serve(instance.listener(listener).await, router);
        let ticking = Arc::clone(&instance);
        let host = address(&uid).to_string();
        let tasks = vec![
            tokio::spawn(async move { server.await.unwrap() }),
            tokio::spawn(async move {
                while let Some(effect) = effects.recv().await {
                    Arc::clone(&instance).carry_out(effect);
                }
            }),
            tokio::spawn(async move {
                ticking.input(Input::Started).unwrap();
                loop {
                    ticking.input(Input::Tick).unwrap();
                    tokio::time::sleep(TICK).await;
                }
            }),
        ];
        self.running.lock().unwrap().insert(uid, RunningPod { name: name.clone(), boot, tasks });
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        self.show(&name, &running, true, Some(&host)).await;
    }

    /// What the kubelet reports.
    async fn show(&self, name: &str, state: &Value, ready: bool, address: Option<&str>) {
        let container = json!({
            "name": names::CONTAINER, "image": "simulated", "imageID": "simulated", "ready": ready,
            "restartCount": 0, "state": state,
        });
        let condition = if ready { "True" } else { "False" };
        let mut status = json!({
            "phase": "Running", "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": condition}],
        });
        if let Some(address) = address {
            status["podIP"] = address.into();
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        let patch = Patch::Merge(json!({"status": status}));
        let _ = api.patch_status(name, &PatchParams::default(), &patch).await;
    }
}

/// A loopback address of the pod's own.
fn address(uid: &str) -> std::net::Ipv4Addr {
    let digits: String = uid.chars().filter(char::is_ascii_hexdigit).take(4).collect();
    let number = u16::from_str_radix(&digits, 16).unwrap();
    let [high, low] = number.to_be_bytes();
    std::net::Ipv4Addr::new(127, 90, high, low.max(1))
}
