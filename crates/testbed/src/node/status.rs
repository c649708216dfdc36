//! The status of a pod as a kubelet reports it: phase, conditions and container statuses. They follow only from the
//! recorded state of the containers, which the workers determine.

use chrono::{DateTime, SecondsFormat, Utc};
use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};
use serde_json::{Value, json};

use super::resize::{Granted, Pending};

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) signal: Option<i32>,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) started: DateTime<Utc>,
    pub(super) finished: DateTime<Utc>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting { reason: String, message: String },
    Running { since: DateTime<Utc> },
    Terminated(Ended),
}

impl State {
    pub(super) fn waiting(reason: &str, message: impl Into<String>) -> Self {
        Self::Waiting { reason: reason.to_owned(), message: message.into() }
    }

    fn json(&self) -> Value {
        match self {
            Self::Waiting { reason, message } if message.is_empty() => json!({"waiting": {"reason": reason}}),
            Self::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            Self::Running { since } => json!({"running": {"startedAt": time(*since)}}),
            Self::Terminated(ended) => json!({"terminated": ended.json()}),
        }
    }
}

impl Ended {
    fn json(&self) -> Value {
        let mut shown = json!({
            "exitCode": self.code, "reason": self.reason,
            "startedAt": time(self.started), "finishedAt": time(self.finished),
        });
        if let Some(signal) = self.signal {
            shown["signal"] = signal.into();
        }
        if !self.message.is_empty() {
            shown["message"] = self.message.as_str().into();
        }
        shown
    }
}

/// Recorded state of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) init: bool,
    /// An init container that runs as long as the pod.
    pub(super) sidecar: bool,
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    pub(super) started: bool,
    pub(super) ready: bool,
}

impl Record {
    fn json(&self, resources: Option<&ResourceRequirements>) -> Value {
        let running = matches!(self.state, State::Running { .. });
        let mut shown = json!({
            "name": self.name, "image": self.image,
            "imageID": if running || self.last.is_some() { format!("sandbox://{}", self.image) } else { String::new() },
            "ready": self.ready, "started": self.started && running, "restartCount": self.restarts,
            "state": self.state.json(),
            "lastState": self.last.as_ref().map_or_else(|| json!({}), |last| json!({"terminated": last.json()})),
        });
        if let Some(resources) = resources {
            shown["resources"] = json!(resources);
        }
        shown
    }

    fn has_run(&self) -> bool {
        self.last.is_some() || !matches!(self.state, State::Waiting { .. })
    }

    fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Terminated(ended) => Some(ended),
            _ => None,
        }
    }

    /// Whether an init container lets the next one start.
    pub(super) fn is_done(&self) -> bool {
        if self.sidecar { self.started } else { self.ended().is_some_and(|ended| ended.code == 0) }
    }
}

/// Recorded state of a pod on its node.
#[derive(Clone, Debug)]
pub(super) struct Knowledge {
    pub(super) containers: Vec<Record>,
    pub(super) started: DateTime<Utc>,
    pub(super) address: String,
    pub(super) host: String,
    /// The volumes are there, so that containers may run.
    pub(super) mounted: bool,
    /// The pod is being deleted, and nothing of it runs any more.
    pub(super) over: bool,
    /// The resources that its containers have.
    pub(super) granted: Granted,
}

fn time(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The phase of a pod with these containers.
pub(super) fn phase(spec: &PodSpec, containers: &[Record]) -> &'static str {
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    let failed_init = containers
        .iter()
        .filter(|record| record.init && !record.sidecar)
        .filter_map(Record::ended)
        .any(|ended| ended.code != 0 && policy == "Never");
    if failed_init {
        return "Failed";
    }
    let all = || containers.iter().filter(|record| !record.init);
    let waits = containers.iter().filter(|record| record.init).any(|record| !record.is_done());
    if waits && !all().any(Record::has_run) {
        return "Pending";
    }
    let ended: Vec<&Ended> = all().filter_map(Record::ended).collect();
    if policy != "Always" && ended.len() == all().count() {
        let failed = ended.iter().any(|ended| ended.code != 0);
        return match (policy, failed) {
            ("OnFailure", true) => "Running",
            (_, true) => "Failed",
            (_, false) => "Succeeded",
        };
    }
    if all().any(|record| !record.has_run()) { "Pending" } else { "Running" }
}

/// The phase that a kubelet reports before a pod that is being deleted is removed.
fn last_phase(containers: &[Record]) -> &'static str {
    let mut ended = containers.iter().filter_map(Record::ended);
    if ended.any(|ended| ended.code != 0) { "Failed" } else { "Succeeded" }
}

/// The status of the pod, as a strategic merge patch of it.
pub(super) fn status(pod: &Pod, known: &Knowledge, now: DateTime<Utc>) -> Value {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let records = &known.containers;
    let phase = if known.over { last_phase(records) } else { phase(spec, records) };
    let mut conditions: Vec<Value> =
        findings(pod, spec, known, phase).into_iter().map(|finding| finding.json(pod, now)).collect();
    conditions.push(resize_pending(pod, known.granted.pending.as_ref(), now));
    let of = |init: bool| -> Vec<Value> {
        let of_kind = records.iter().filter(|record| record.init == init);
        of_kind.map(|record| record.json(known.granted.resources.get(&record.name))).collect()
    };
    let mut status = json!({
        "phase": phase, "startTime": time(known.started), "hostIP": known.host,
        "hostIPs": [{"ip": known.host}], "conditions": conditions, "containerStatuses": of(false),
    });
    if records.iter().any(|record| record.init) {
        status["initContainerStatuses"] = of(true).into();
    }
    if known.mounted {
        status["podIP"] = known.address.as_str().into();
        status["podIPs"] = json!([{"ip": known.address}]);
    }
    status
}

/// The condition of a resize that is not granted; a patch that removes it otherwise.
fn resize_pending(pod: &Pod, pending: Option<&Pending>, now: DateTime<Utc>) -> Value {
    let kind = "PodResizePending";
    match pending {
        Some(Pending { reason, message }) => json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time(now),
            "observedGeneration": pod.metadata.generation,
        }),
        None => json!({"type": kind, "$patch": "delete"}),
    }
}

/// Whether a pod has the conditions of this status.
pub(super) fn shows(pod: &Pod, status: &Value) -> bool {
    let conditions = status["conditions"].as_array();
    conditions.into_iter().flatten().all(|condition| {
        let kind = condition["type"].as_str().unwrap_or_default();
        is_true(pod, kind) == (condition["status"] == "True")
    })
}

/// Content of a condition.
struct Finding {
    kind: &'static str,
    holds: bool,
    reason: &'static str,
    message: String,
}

fn findings(pod: &Pod, spec: &PodSpec, known: &Knowledge, phase: &str) -> Vec<Finding> {
    let finished = phase == "Succeeded" || phase == "Failed";
    let finding = |kind: &'static str, holds: bool, reason: &'static str, message: String| {
        let done = finished && !holds;
        let message = if done { String::new() } else { message };
        Finding { kind, holds, reason: if done { "PodCompleted" } else { reason }, message }
    };
    let named = |what: &str, wrong: &dyn Fn(&Record) -> bool| {
        let names = known.containers.iter().filter(|record| wrong(record)).map(|record| record.name.as_str());
        let names: Vec<&str> = names.collect();
        (names.is_empty(), format!("containers with {what} status: [{}]", names.join(" ")))
    };
    let (all_done, incomplete) = named("incomplete", &|record| record.init && !record.is_done());
    let (all_ready, waiting) = named("unready", &|record| (!record.init || record.sidecar) && !record.ready);
    let ready = all_ready && !finished;
    let gates = spec.readiness_gates.iter().flatten().all(|gate| is_true(pod, &gate.condition_type));
    let no_condition = "corresponding condition of pod readiness gate does not exist.".to_owned();
    let pod_ready = if ready {
        finding("Ready", gates, "ReadinessGatesNotReady", no_condition)
    } else {
        finding("Ready", false, "ContainersNotReady", waiting.clone())
    };
    vec![
        finding("PodReadyToStartContainers", known.mounted && !finished, "", String::new()),
        finding("Initialized", all_done || finished, "ContainersNotInitialized", incomplete),
        pod_ready,
        finding("ContainersReady", ready, "ContainersNotReady", waiting),
        finding("PodScheduled", true, "", String::new()),
    ]
}

fn is_true(pod: &Pod, kind: &str) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|found| found.type_ == kind && found.status == "True")
}

impl Finding {
    /// The condition, with the moment it changed.
    fn json(&self, pod: &Pod, now: DateTime<Utc>) -> Value {
        let value = if self.holds { "True" } else { "False" };
        let before = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let before =
            before.into_iter().flatten().find(|found| found.type_ == self.kind && found.status == value);
        let since =
            before.and_then(|found| found.last_transition_time.as_ref()).map(|time| time.0.to_string());
        let text = |text: &str| if self.holds || text.is_empty() { Value::Null } else { text.into() };
        json!({
            "type": self.kind, "status": value, "reason": text(self.reason), "message": text(&self.message),
            "lastProbeTime": null, "lastTransitionTime": since.unwrap_or_else(|| time(now)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, init: bool, state: State) -> Record {
        let ready = matches!(state, State::Running { .. });
        Record {
            name: name.to_owned(),
            image: "x".to_owned(),
            init,
            sidecar: false,
            state,
            last: None,
            restarts: 0,
            started: ready,
            ready,
        }
    }

    fn ended(code: i32) -> State {
        let (started, finished) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let (reason, message) = (String::new(), String::new());
        State::Terminated(Ended { code, signal: None, reason, message, started, finished })
    }

    fn running() -> State {
        State::Running { since: DateTime::UNIX_EPOCH }
    }

    fn waiting() -> State {
        State::waiting("ContainerCreating", "")
    }

    #[test]
    fn phase_follows_from_policy_and_containers() {
        let table = [
            ("Always", vec![record("c", false, waiting())], "Pending"),
            ("Always", vec![record("c", false, running())], "Running"),
            ("Always", vec![record("c", false, ended(1))], "Running"),
            ("Never", vec![record("c", false, ended(0))], "Succeeded"),
            ("Never", vec![record("c", false, ended(0)), record("d", false, ended(1))], "Failed"),
            ("Never", vec![record("c", false, ended(0)), record("d", false, running())], "Running"),
            ("OnFailure", vec![record("c", false, ended(1))], "Running"),
            ("Always", vec![record("i", true, running()), record("c", false, waiting())], "Pending"),
            ("Never", vec![record("i", true, ended(1)), record("c", false, waiting())], "Failed"),
        ];
        for (policy, records, expected) in table {
            let spec = PodSpec { restart_policy: Some(policy.to_owned()), ..PodSpec::default() };
            assert_eq!(phase(&spec, &records), expected, "{policy} {records:?}");
        }
    }

    #[test]
    fn conditions_say_which_containers_are_not_ready() {
        let pod = |status: Value| -> Pod {
            serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap()
        };
        let known = Knowledge {
            containers: vec![record("c", false, running()), record("d", false, waiting())],
            started: DateTime::UNIX_EPOCH,
            address: "127.1.1.2".to_owned(),
            host: "127.1.1.1".to_owned(),
            mounted: true,
            over: false,
            granted: Granted::default(),
        };
        let find = |status: &Value, kind: &str| {
            let conditions = status["conditions"].as_array().unwrap().iter();
            conditions.into_iter().find(|found| found["type"] == kind).unwrap().clone()
        };
        let first = status(&pod(json!({})), &known, DateTime::UNIX_EPOCH);
        let ready = find(&first, "Ready");
        assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("ContainersNotReady")));
        assert_eq!(ready["message"], "containers with unready status: [d]");
        // A condition that holds on keeps the moment it changed.
        let later = status(&pod(first), &known, Utc::now());
        assert_eq!(find(&later, "Ready")["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }
}
