//! What the status of a pod that verifies a backup says, as decisions take it. Pure.
//!
//! Guarantees: no pod is waited for longer than it may take, whatever becomes of its node; one that had too little memory is
//! followed by one that has more, up to a limit.

use super::answer::proof;
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod, PodStatus};
use kube::ResourceExt as _;
use valkeeper_cluster::{
    backup::{BackupFacts, Progress, Proof},
    problem, utc,
    verification_pod::{CONTAINER, DEADLINE_SECONDS},
};
use valkeeper_instance::backups::Verification;

/// A pod that has not begun for so long is deleted, and another one created later.
const BEGINS_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// A kubelet ends a pod that is deleted within seconds, if it is there.
const ENDS_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// No pod gets more than so many times the bytes of the data, or than [`LEAST`].
const MOST: u64 = 8;
const LEAST: u64 = 1 << 30;
/// How the kubelet calls the end of a container that exceeded its memory.
const OUT_OF_MEMORY: &str = "OOMKilled";

/// What a pod with so many bytes of memory, for so many bytes of data, says about the verification.
pub(super) fn progress(pod: &Pod, (memory, data): (u64, u64), now: DateTime<Utc>) -> Progress {
    match answer(pod, memory, now) {
        Progress::Done(mut facts) => {
            let most = data.saturating_mul(MOST).max(LEAST).max(memory);
            if let Some(proof) = &mut facts.verified {
                proof.needs_memory = proof.needs_memory.map(|needed| needed.min(most));
            }
            Progress::Done(facts)
        }
        other => other,
    }
}

fn answer(pod: &Pod, memory: u64, now: DateTime<Utc>) -> Progress {
    let status = pod.status.clone().unwrap_or_default();
    let container = status.container_statuses.iter().flatten().find(|container| container.name == CONTAINER);
    let state = container.and_then(|container| container.state.clone()).unwrap_or_default();
    if let Some(terminated) = &state.terminated {
        return ended(pod, &status, terminated, memory);
    }
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        return failed(pod, &[status.reason, status.message]);
    }
    let since =
        |time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time| utc(time).map(|time| now - time);
    if pod.metadata.deletion_timestamp.as_ref().and_then(since) > Some(ENDS_WITHIN) {
        return failed(pod, &[Some("its node does not answer".to_owned())]);
    }
    let age = pod.metadata.creation_timestamp.as_ref().and_then(since);
    if state.running.is_some() {
        // It is the kubelet that ends it, unless its node is lost.
        let deadline = TimeDelta::seconds(DEADLINE_SECONDS.into()) + BEGINS_WITHIN * 2;
        if age > Some(deadline) {
            return failed(pod, &[Some("its node does not answer".to_owned())]);
        }
        return Progress::Verifying(BackupFacts::default());
    }
    if age < Some(BEGINS_WITHIN) {
        return Progress::Running;
    }
    let why = problem(pod).map(|problem| problem.text);
    let minutes = BEGINS_WITHIN.num_minutes();
    unfinished(&format!("Failed to start Pod {} within {minutes} minutes", pod.name_any()), &[why])
}

/// What its container found.
fn ended(pod: &Pod, status: &PodStatus, terminated: &ContainerStateTerminated, memory: u64) -> Progress {
    let message = terminated.message.as_deref().unwrap_or_default();
    if let Ok(found) = serde_json::from_str::<Verification>(message) {
        return done(proof(found));
    }
    if terminated.reason.as_deref() == Some(OUT_OF_MEMORY) {
        let message =
            format!("Failed to verify in Pod {}: {memory} bytes of memory were too few.", pod.name_any());
        let needs_memory = Some(memory.saturating_add(memory / 2));
        return done(Proof { inconclusive: true, needs_memory, message, ..Proof::default() });
    }
    // Such as an eviction, or the deadline.
    if status.reason.is_some() {
        return failed(pod, &[status.reason.clone(), status.message.clone()]);
    }
    failed(pod, &[terminated.reason.clone(), terminated.message.clone()])
}

fn done(proof: Proof) -> Progress {
    Progress::Done(BackupFacts { verified: Some(proof), ..BackupFacts::default() })
}

fn failed(pod: &Pod, why: &[Option<String>]) -> Progress {
    unfinished(&format!("Failed to verify in Pod {}", pod.name_any()), why)
}

fn unfinished(what: &str, why: &[Option<String>]) -> Progress {
    let why: Vec<_> = why.iter().flatten().filter(|text| !text.is_empty()).map(String::as_str).collect();
    let why = if why.is_empty() { "no reason was given".to_owned() } else { why.join(": ") };
    Progress::Failed { passing: true, message: format!("{what}: {}.", why.trim_end_matches(['.', ' ', ':'])) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const MEMORY: u64 = 100;

    fn seen(status: &Value, age: TimeDelta) -> Progress {
        let pod = json!({
            "metadata": {"name": "cache-verify-1", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "status": status,
        });
        progress(&serde_json::from_value(pod).unwrap(), (MEMORY, 0), DateTime::UNIX_EPOCH + age)
    }

    fn named(name: &str, state: &Value) -> Value {
        json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    /// A sidecar that some meshes add comes first, and runs on.
    fn container(state: &Value) -> Value {
        let sidecar = named("istio-proxy", &json!({"running": {}}));
        json!({"phase": "Running", "containerStatuses": [sidecar, named("verify", state)]})
    }

    #[test]
    fn what_a_pod_found_is_its_termination_message() {
        let found = json!({"verified": true, "message": "A server read the backup."}).to_string();
        let terminated = json!({"terminated": {"exitCode": 0, "message": found}});
        let Progress::Done(facts) = seen(&container(&terminated), TimeDelta::zero()) else { panic!() };
        assert!(facts.verified.unwrap().succeeded);
    }

    #[test]
    fn pod_without_the_memory_is_followed_by_one_with_more() {
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let Progress::Done(facts) = seen(&container(&killed), TimeDelta::zero()) else { panic!() };
        let proof = facts.verified.unwrap();
        assert!(proof.inconclusive && proof.needs_memory == Some(150), "{proof:?}");
        let pod = json!({"metadata": {"name": "cache-verify-1"}, "status": container(&killed)});
        let (pod, large): (Pod, u64) = (serde_json::from_value(pod).unwrap(), 3 << 30);
        let limited = progress(&pod, (large, 400 << 20), DateTime::UNIX_EPOCH);
        let Progress::Done(facts) = limited else { panic!() };
        assert_eq!(facts.verified.unwrap().needs_memory, Some(3200 << 20), "eight times the data");
    }

    #[test]
    fn pod_without_a_result_is_not_waited_for() {
        let error =
            json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file."}});
        let mut evicted = container(&json!({"terminated": {"exitCode": 137, "reason": "Error"}}));
        evicted["reason"] = "Evicted".into();
        let pulling = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no image"}});
        let table = [
            (container(&error), "Failed to verify in Pod cache-verify-1: StartError: no such file."),
            (container(&json!({"terminated": {"exitCode": 3}})), ": no reason was given."),
            (evicted, ": Evicted."),
            (
                json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"}),
                "Exceeded: too long.",
            ),
            (container(&pulling), "within 10 minutes: ImagePullBackOff: no image."),
            (json!({"initContainerStatuses": [named("manager", &pulling)]}), "ImagePullBackOff: no image."),
            (
                json!({"conditions": [{
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes.",
                }]}),
                "within 10 minutes: 0/3 nodes.",
            ),
            (json!({}), "within 10 minutes: no reason was given."),
        ];
        for (status, expected) in table {
            let Progress::Failed { message, .. } = seen(&status, BEGINS_WITHIN) else { panic!("{status}") };
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn pod_is_waited_for_while_it_may_begin_and_while_it_may_run() {
        let early = BEGINS_WITHIN - TimeDelta::seconds(1);
        assert_eq!(seen(&json!({}), early), Progress::Running);
        let running = container(&json!({"running": {}}));
        assert!(matches!(seen(&running, TimeDelta::hours(6)), Progress::Verifying(_)));
        // Its node is lost, and no kubelet ends it.
        assert!(matches!(seen(&running, TimeDelta::hours(7)), Progress::Failed { .. }));
        let deleted = json!({
            "metadata": {"name": "x", "deletionTimestamp": "1970-01-01T00:00:00Z"}, "status": running,
        });
        let deleted = serde_json::from_value(deleted).unwrap();
        let at = |seconds: i64| {
            progress(&deleted, (MEMORY, 0), DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds))
        };
        assert!(matches!(at(30), Progress::Verifying(_)));
        assert!(matches!(at(61), Progress::Failed { .. }));
    }
}
