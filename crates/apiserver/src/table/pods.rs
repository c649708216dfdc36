//! The columns of pods and of the nodes that run them, in the words of upstream.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Column;
use super::builtin::{age_column, ago, text, wide};

pub(super) fn pods() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("Ready", |pod, now| {
            let summary = Summary::of(pod, now);
            format!("{}/{}", summary.ready, summary.total).into()
        }),
        made("Status", |pod, now| Summary::of(pod, now).reason.into()),
        made("Restarts", |pod, now| Summary::of(pod, now).restarts.into()),
        age_column(),
        wide(made("IP", |pod, _| text(pod, "/status/podIP", "<none>"))),
        wide(made("Node", |pod, _| text(pod, "/spec/nodeName", "<none>"))),
        wide(made("Nominated Node", |pod, _| text(pod, "/status/nominatedNodeName", "<none>"))),
        wide(made("Readiness Gates", |pod, _| gates(pod))),
    ]
}

pub(super) fn nodes() -> Vec<Column> {
    let made = Column::made;
    vec![
        Column::name(),
        made("Status", |node, _| node_status(node)),
        made("Roles", |node, _| roles(node)),
        age_column(),
        made("Version", |node, _| text(node, "/status/nodeInfo/kubeletVersion", "")),
        wide(made("Internal-IP", |node, _| address(node, "InternalIP"))),
        wide(made("External-IP", |node, _| address(node, "ExternalIP"))),
        wide(made("OS-Image", |node, _| text(node, "/status/nodeInfo/osImage", "<unknown>"))),
        wide(made("Kernel-Version", |node, _| text(node, "/status/nodeInfo/kernelVersion", "<unknown>"))),
        wide(made("Container-Runtime", |node, _| {
            text(node, "/status/nodeInfo/containerRuntimeVersion", "<unknown>")
        })),
    ]
}

/// Summary of a pod's containers in a row.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: String,
}

/// Restarts, and the moment of the last one.
#[derive(Default)]
struct Restarts(i64, String);

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.0 += status["restartCount"].as_i64().unwrap_or_default();
        let ended = status["lastState"]["terminated"]["finishedAt"].as_str().unwrap_or_default();
        if ended > self.1.as_str() {
            ended.clone_into(&mut self.1);
        }
    }

    fn shown(&self, now: DateTime<Utc>) -> String {
        if self.0 == 0 || self.1.is_empty() {
            return self.0.to_string();
        }
        let ago = ago(&json!(self.1), now);
        format!("{} ({} ago)", self.0, ago.as_str().unwrap_or_default())
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_true(pod: &Value, kind: &str) -> bool {
    let mut conditions = list(&pod["status"]["conditions"]).iter();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
}

impl Summary {
    fn of(pod: &Value, now: DateTime<Utc>) -> Self {
        let status = &pod["status"];
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        let init = InitContainers::of(pod);
        let reason =
            Some(text("reason")).filter(|reason| !reason.is_empty()).unwrap_or_else(|| text("phase"));
        let total = list(&pod["spec"]["containers"]).len() + init.sidecars;
        let mut summary = Self { ready: init.ready, total, reason, restarts: init.all.shown(now) };
        let initializing = init.waiting.is_some();
        if let Some(waiting) = init.waiting {
            summary.reason = waiting;
        }
        if !initializing || is_true(pod, "Initialized") {
            summary.add_containers(pod, init.of_sidecars, now);
        }
        let phase = text("phase");
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            if status["reason"] == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if phase != "Succeeded" && phase != "Failed" {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    fn add_containers(&mut self, pod: &Value, mut restarts: Restarts, now: DateTime<Utc>) {
        let mut running = false;
        for container in list(&pod["status"]["containerStatuses"]).iter().rev() {
            restarts.add(container);
            let state = &container["state"];
            if let Some(found) = state_reason(state, "") {
                self.reason = found;
            } else if container["ready"] == true && !state["running"].is_null() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let shown = if is_true(pod, "Ready") { "Running" } else { "NotReady" };
            shown.clone_into(&mut self.reason);
        }
        self.restarts = restarts.shown(now);
    }
}

/// Summary of init containers.
#[derive(Default)]
struct InitContainers {
    /// Those that run as long as the pod.
    sidecars: usize,
    ready: usize,
    all: Restarts,
    of_sidecars: Restarts,
    /// What the pod waits for.
    waiting: Option<String>,
}

impl InitContainers {
    fn of(pod: &Value) -> Self {
        let specs = list(&pod["spec"]["initContainers"]);
        let is_sidecar = |name: &Value| {
            specs.iter().any(|found| found["name"] == *name && found["restartPolicy"] == "Always")
        };
        let sidecars = specs.iter().filter(|found| is_sidecar(&found["name"])).count();
        let mut init = Self { sidecars, ..Self::default() };
        for (index, container) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            init.all.add(container);
            if is_sidecar(&container["name"]) {
                init.of_sidecars.add(container);
                if container["started"] == true {
                    init.ready += usize::from(container["ready"] == true);
                    continue;
                }
            }
            init.waiting = init_reason(container, index, specs.len());
            if init.waiting.is_some() {
                break;
            }
        }
        init
    }
}

/// Why a container does not run, if it does not.
fn state_reason(state: &Value, prefix: &str) -> Option<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(reason) = text(&state["waiting"]["reason"]) {
        return Some(format!("{prefix}{reason}"));
    }
    let ended = &state["terminated"];
    if ended.is_null() {
        return None;
    }
    Some(match (text(&ended["reason"]), ended["signal"].as_i64().unwrap_or_default()) {
        (Some(reason), _) => format!("{prefix}{reason}"),
        (None, 0) => format!("{prefix}ExitCode:{}", ended["exitCode"].as_i64().unwrap_or_default()),
        (None, signal) => format!("{prefix}Signal:{signal}"),
    })
}

/// What an init container that is not done keeps the pod waiting with.
fn init_reason(container: &Value, index: usize, count: usize) -> Option<String> {
    let state = &container["state"];
    if !state["terminated"].is_null() && state["terminated"]["exitCode"].as_i64().unwrap_or_default() == 0 {
        return None;
    }
    let known = state_reason(state, "Init:").filter(|reason| reason != "Init:PodInitializing");
    Some(known.unwrap_or_else(|| format!("Init:{index}/{count}")))
}

fn gates(pod: &Value) -> Value {
    let gates = list(&pod["spec"]["readinessGates"]);
    let open = gates.iter().filter(|gate| is_true(pod, gate["conditionType"].as_str().unwrap_or_default()));
    if gates.is_empty() { "<none>".into() } else { format!("{}/{}", open.count(), gates.len()).into() }
}

fn node_status(node: &Value) -> Value {
    let mut conditions = list(&node["status"]["conditions"]).iter();
    let ready = conditions.find(|condition| condition["type"] == "Ready");
    let mut shown = match ready {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        shown.push_str(",SchedulingDisabled");
    }
    shown.into()
}

fn roles(node: &Value) -> Value {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => Some(role),
            _ if key == "kubernetes.io/role" => value.as_str().filter(|role| !role.is_empty()),
            _ => None,
        })
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
}

fn address(node: &Value, kind: &str) -> Value {
    let mut addresses = list(&node["status"]["addresses"]).iter();
    let found = addresses.find(|address| address["type"] == kind);
    found.map_or_else(|| "<none>".into(), |found| text(found, "/address", "<none>"))
}
