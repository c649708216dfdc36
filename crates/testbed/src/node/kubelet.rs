//! The agent of one node: registers it, sends heartbeats, and runs the pods that are bound to it. All its calls to
//! the API use the node's link; while that is cut, its pods continue.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::machine::Machine;
use super::pod::PodContext;
use super::view::changed;
use super::worker::Worker;

/// Where kubelets listen.
pub(super) const PORT: u16 = 10250;
/// The namespace of heartbeats.
pub(super) const LEASES: &str = "kube-node-lease";
/// The time that a pod gets which was deleted by force.
const FORCED: Duration = Duration::from_secs(1);
/// Interval of checks of the pods without a change.
const POLL: Duration = Duration::from_millis(500);

/// The agent.
pub(super) struct Kubelet {
    pub(super) machine: Arc<Machine>,
    pub(super) pods: Store<Pod>,
    pub(super) changes: watch::Receiver<u64>,
    workers: HashMap<String, Worker>,
}

impl Kubelet {
    pub(super) fn new(machine: Arc<Machine>, pods: Store<Pod>, changes: watch::Receiver<u64>) -> Self {
        Self { machine, pods, changes, workers: HashMap::new() }
    }

    /// Runs pods until it is dropped, and with it every process of theirs.
    pub(super) async fn run(mut self) {
        loop {
            let pods = self.pods.state();
            self.forget(&pods);
            for pod in &pods {
                self.follow(pod);
            }
            self.resize(&pods);
            changed(&mut self.changes, POLL).await;
        }
    }

    /// Drops workers that are done, and ends pods that were deleted from the API.
    fn forget(&mut self, pods: &[Arc<Pod>]) {
        self.workers.retain(|_, worker| !worker.has_ended());
        for (uid, worker) in &self.workers {
            if !pods.iter().any(|pod| pod.metadata.uid.as_ref() == Some(uid)) {
                worker.stop(FORCED);
            }
        }
    }

    /// Updates the worker of a pod.
    fn follow(&mut self, pod: &Arc<Pod>) {
        let uid = pod.uid().unwrap_or_default();
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
        let finished = phase == "Succeeded" || phase == "Failed";
        let deleting = pod.metadata.deletion_timestamp.is_some();
        if let Some(worker) = self.workers.get(&uid) {
            worker.pod.send_if_modified(|known| {
                let is_new = known.metadata.resource_version != pod.metadata.resource_version;
                if is_new {
                    *known = Arc::clone(pod);
                }
                is_new
            });
            if deleting {
                let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
                worker.stop(Duration::from_secs(seconds.max(1).unsigned_abs()));
            }
            return;
        }
        if finished && !deleting {
            return;
        }
        self.start(pod, uid, deleting);
    }

    /// Gives pods other resources that ask for them, one after the other.
    fn resize(&self, pods: &[Arc<Pod>]) {
        let all: Vec<&Pod> = pods.iter().map(AsRef::as_ref).collect();
        for pod in pods {
            if let Some(worker) = self.workers.get(&pod.uid().unwrap_or_default()) {
                worker.context.grant(|granted| granted.next(pod, &all, &allocatable()));
            }
        }
    }

    fn start(&mut self, pod: &Arc<Pod>, uid: String, deleting: bool) {
        let Some(address) = self.machine.take_address() else {
            tracing::warn!(node = self.machine.name, "no address left for a pod");
            return;
        };
        let (sender, receiver) = watch::channel(Arc::clone(pod));
        let context = Arc::new(PodContext::new(Arc::clone(&self.machine), receiver, address));
        let worker = Worker::start(context, sender);
        if deleting {
            worker.stop(Duration::ZERO);
        }
        self.workers.insert(uid, worker);
    }
}

/// Registers the node, and renews its heartbeat.
pub(super) async fn heartbeat(machine: Arc<Machine>, nodes: Store<Node>) {
    let api: Api<Node> = Api::all(machine.client.clone());
    let leases: Api<Lease> = Api::namespaced(machine.client.clone(), LEASES);
    let mut ticks = tokio::time::interval(machine.pace.heartbeat());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let known = nodes.get(&ObjectRef::new(&machine.name));
        let result = async {
            if known.is_none() {
                register(&api, &machine).await?;
            } else if !known.as_deref().is_some_and(is_ready) {
                let patch = Patch::Strategic(json!({"status": {"conditions": conditions()}}));
                api.patch_status(&machine.name, &PatchParams::default(), &patch).await?;
            }
            renew(&leases, &machine).await
        };
        if let Err(error) = result.await {
            tracing::debug!(node = machine.name, %error, "no heartbeat");
        }
    }
}

pub(super) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn register(api: &Api<Node>, machine: &Machine) -> Result<(), kube::Error> {
    let node = serde_json::from_value(node(machine)).map_err(kube::Error::SerdeError)?;
    match api.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(answer)) if answer.code == 409 => {
            let patch = Patch::Strategic(json!({"status": self::node(machine)["status"]}));
            api.patch_status(&machine.name, &PatchParams::default(), &patch).await.map(drop)
        }
        result => result.map(drop),
    }
}

async fn renew(leases: &Api<Lease>, machine: &Machine) -> Result<(), kube::Error> {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": machine.name},
        "spec": {"holderIdentity": machine.name, "leaseDurationSeconds": 40, "renewTime": now},
    });
    leases.patch(&machine.name, &PatchParams::apply("kubelet").force(), &Patch::Apply(lease)).await.map(drop)
}

fn conditions() -> Value {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    json!([
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "enough memory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "enough process numbers"),
        condition("Ready", "True", "KubeletReady", "the node runs pods as processes"),
    ])
}

/// What the pods of a node may ask for.
fn allocatable() -> BTreeMap<&'static str, String> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    [("cpu", processors.max(4).to_string()), ("memory", "16Gi".to_owned()), ("pods", "110".to_owned())].into()
}

fn node(machine: &Machine) -> Value {
    let amounts = allocatable();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": machine.name, "labels": {
            "kubernetes.io/hostname": machine.name, "kubernetes.io/os": std::env::consts::OS,
            "topology.kubernetes.io/zone": machine.zone, "topology.kubernetes.io/region": "sandbox",
        }},
        "status": {
            "capacity": amounts, "allocatable": amounts, "conditions": conditions(),
            "addresses": [
                {"type": "InternalIP", "address": machine.address.to_string()},
                {"type": "Hostname", "address": machine.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
            "nodeInfo": {
                "kubeletVersion": "v1.36.0-sandbox", "containerRuntimeVersion": "process://1",
                "operatingSystem": std::env::consts::OS, "osImage": "the machine of the sandbox",
                "architecture": std::env::consts::ARCH, "kernelVersion": kernel(), "bootID": "",
                "kubeProxyVersion": "", "machineID": machine.name, "systemUUID": machine.name,
            },
        },
    })
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
