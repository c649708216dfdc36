//! Verifies a backup in a pod of its own, where no instance has room for a second server: creates the pod, reads from its
//! status what it found, and deletes it.
//!
//! Guarantees: the Secrets of the destination are mounted, and copied nowhere; the pod is deleted before its result is
//! noted. Where its request is withdrawn, it stays until it has ended and the backup is deleted.

use super::{answer::proof, known::Known, target};
use crate::{
    cluster::{ClusterError, bounded, objects},
    controller::{error::ReconcileError, valkey_cluster::now},
};
use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use valkeeper_api::{ValkeyBackup, ValkeyCluster};
use valkeeper_cluster::{
    Defaults, Desired,
    backup::{BackupFacts, Progress, key, pod_memory, verifier},
    bytes, utc, verification_pod,
};
use valkeeper_engine::failure::Class;
use valkeeper_instance::backups::{MountedSecret, Verification, VerificationOrder};

/// A pod that has not begun for so long is deleted, and another one created later.
const BEGINS_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// What the pod that the status names says.
pub(super) async fn ask(
    client: &Client,
    object: &ValkeyBackup,
    known: &Known,
) -> Result<Progress, ClusterError> {
    if let Some(message) = known.refused.clone() {
        return Ok(Progress::Failed { passing: true, message });
    }
    Ok(find(client, object).await?.map_or(Progress::Unknown, |pod| progress(&pod, now())))
}

/// The pod that the status names, if the backup owns it.
async fn find(client: &Client, object: &ValkeyBackup) -> Result<Option<Pod>, ClusterError> {
    let Some(name) = verifier(object).filter(|_| pod_memory(object).is_some()) else { return Ok(None) };
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let pod = bounded(|| format!("read Pod {namespace}/{name}"), api.get_opt(name)).await?;
    let is_owned = |pod: &Pod| {
        pod.owner_references().iter().any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
    };
    Ok(pod.filter(is_owned))
}

/// Creates the pod that the status names; answers why the API server refuses it, such as for a quota.
pub(super) async fn create(
    client: &Client,
    (object, cluster): (&ValkeyBackup, &ValkeyCluster),
    manager_image: &str,
) -> Result<Option<String>, ReconcileError> {
    let (Some(name), Some(memory)) = (verifier(object), pod_memory(object)) else { return Ok(None) };
    let desired = Desired::of(cluster, Defaults { manager_image: manager_image.to_owned() });
    let destination = &object.spec.destination;
    let Some((bucket, credentials)) = target::bucket(destination) else { return Ok(None) };
    let encryption = destination.encryption.as_ref().map(|encryption| encryption.secret_name.as_str());
    let status = object.status.clone().unwrap_or_default();
    let mounted =
        |name: &str, folder: &str| MountedSecret { name: name.to_owned(), folder: folder.to_owned() };
    let order = VerificationOrder {
        key: status.key.unwrap_or_else(|| key(object)),
        destination: bucket,
        program: if desired.is_redis() { "redis-server" } else { "valkey-server" }.into(),
        credentials: credentials.map(|name| mounted(name, verification_pod::CREDENTIALS_DIR)),
        encryption: encryption.map(|name| mounted(name, verification_pod::ENCRYPTION_DIR)),
    };
    let size = status.size_bytes.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let verification = verification_pod::Verification {
        name,
        order: json!(order).to_string(),
        credentials,
        encryption,
        memory,
        storage: size.max(bytes("64Mi")),
    };
    let pod: Pod = serde_json::from_value(verification_pod::render(&desired, object, &verification))
        .map_err(|error| ReconcileError::Defect(format!("malformed object: {error}")))?;
    match objects::create(client, &desired.namespace, &pod).await {
        Ok(_) => Ok(None),
        Err(error) if error.class() != Class::Transient => Ok(Some(format!("{error}."))),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the pod that the status names, if there is one.
pub(super) async fn remove(client: &Client, object: &ValkeyBackup) -> Result<(), ClusterError> {
    let Some(pod) = find(client, object).await? else { return Ok(()) };
    let namespace = object.namespace().unwrap_or_default();
    objects::delete::<Pod>(client, &namespace, &pod.name_any(), pod.metadata.uid.as_deref()).await
}

/// What the status of a pod says about the verification.
fn progress(pod: &Pod, now: DateTime<Utc>) -> Progress {
    let status = pod.status.clone().unwrap_or_default();
    let container = status.container_statuses.iter().flatten().next();
    let state = container.and_then(|container| container.state.clone()).unwrap_or_default();
    if let Some(terminated) = &state.terminated {
        return ended(pod, terminated);
    }
    if matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")) {
        let why = [status.reason, status.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return failed(pod, &why);
    }
    if state.running.is_some() {
        return Progress::Verifying(BackupFacts::default());
    }
    let created = pod.metadata.creation_timestamp.as_ref().and_then(utc);
    if created.is_none_or(|created| now - created < BEGINS_WITHIN) {
        return Progress::Running;
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let waiting = state.waiting.and_then(|waiting| waiting.message.or(waiting.reason));
    let why = unscheduled.and_then(|condition| condition.message.clone()).or(waiting);
    let message = format!(
        "Pod {} did not begin in {} minutes: {}.",
        pod.name_any(),
        BEGINS_WITHIN.num_minutes(),
        why.as_deref().unwrap_or("no reason was given").trim_end_matches('.')
    );
    Progress::Failed { passing: true, message }
}

/// What the container of a pod found.
fn ended(pod: &Pod, terminated: &ContainerStateTerminated) -> Progress {
    let message = terminated.message.as_deref().unwrap_or_default();
    match serde_json::from_str::<Verification>(message) {
        Ok(found) => Progress::Done(BackupFacts { verified: Some(proof(found)), ..BackupFacts::default() }),
        Err(_) => failed(pod, terminated.reason.as_deref().unwrap_or_default()),
    }
}

fn failed(pod: &Pod, why: &str) -> Progress {
    let message = format!("Pod {} ended without a result: {}.", pod.name_any(), why.trim_end_matches('.'));
    Progress::Failed { passing: true, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn seen(status: &Value, age: TimeDelta) -> Progress {
        let pod = json!({
            "metadata": {"name": "cache-verify-1", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "status": status,
        });
        progress(&serde_json::from_value(pod).unwrap(), DateTime::UNIX_EPOCH + age)
    }

    fn container(state: Value) -> Value {
        let mut status =
            json!({"name": "verify", "image": "", "imageID": "", "ready": false, "restartCount": 0});
        status["state"] = state;
        json!({"phase": "Pending", "containerStatuses": [status]})
    }

    #[test]
    fn what_a_pod_found_is_its_termination_message() {
        let found = json!({"verified": true, "message": "A server read the backup."}).to_string();
        let terminated = json!({"terminated": {"exitCode": 0, "message": found}});
        let Progress::Done(facts) = seen(&container(terminated), TimeDelta::zero()) else { panic!() };
        assert!(facts.verified.unwrap().succeeded);
    }

    #[test]
    fn pod_without_a_result_is_not_waited_for() {
        let late = BEGINS_WITHIN;
        let unscheduled = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available."},
        ]});
        let table = [
            (container(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})), "OOMKilled."),
            (
                json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"}),
                "DeadlineExceeded: too",
            ),
            (container(json!({"waiting": {"reason": "ImagePullBackOff"}})), "10 minutes: ImagePullBackOff."),
            (unscheduled, "10 minutes: 0/3 nodes are available."),
            (json!({}), "no reason was given."),
        ];
        for (status, expected) in table {
            let Progress::Failed { message, .. } = seen(&status, late) else { panic!("{status}") };
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn pod_is_waited_for_while_it_may_begin_and_while_it_runs() {
        let early = BEGINS_WITHIN - TimeDelta::seconds(1);
        assert_eq!(seen(&json!({}), early), Progress::Running);
        let running = container(json!({"running": {}}));
        assert!(matches!(seen(&running, TimeDelta::days(1)), Progress::Verifying(_)));
    }
}
