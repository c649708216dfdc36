//! The pod in which a backup is verified that no instance has room for: the image of the servers, with the instance
//! manager beside it, in place of a cluster's volumes one of its own.
//!
//! Guarantees: no Service, budget or topology spread of the cluster counts it; it has no token of the API; a kubelet ends
//! it though the operator is gone. What it finds is its termination message.

use crate::desired::Desired;
use crate::names;
use crate::pod;
use crate::settings::digest;
use crate::spread;
use serde_json::{Value, json};
use valkeeper_api::ValkeyBackup;

/// What a pod is to verify.
#[derive(Clone, Debug)]
pub struct Verification<'a> {
    /// Its name.
    pub name: &'a str,
    /// The `VerificationOrder` of the instance manager, as JSON.
    pub order: String,
    /// Name of the Secret with the keys of the store.
    pub credentials: Option<&'a str>,
    /// Name of the Secret with the key that data is encrypted with.
    pub encryption: Option<&'a str>,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes on the disk of the node.
    pub storage: u64,
}

/// The variable with the folder of the keys of the store.
pub const CREDENTIALS_DIR: &str = "CREDENTIALS_DIR";
/// The variable with the folder of the key that data is encrypted with.
pub const ENCRYPTION_DIR: &str = "ENCRYPTION_DIR";

/// The container whose termination message is the result.
pub const CONTAINER: &str = "verify";
/// Longest time; a store may be slow, and the data large.
pub const DEADLINE_SECONDS: u32 = 6 * 60 * 60;
const CREDENTIALS: &str = "/etc/valkeeper/credentials";
const ENCRYPTION: &str = "/etc/valkeeper/encryption";

/// The name of the pod of an attempt.
pub fn name(cluster: &str, attempt: &str) -> String {
    let digest = digest(attempt);
    format!("{cluster}-verify-{}", &digest[..8])
}

/// The pod. It belongs to the backup.
pub fn render(desired: &Desired, backup: &ValkeyBackup, verification: &Verification<'_>) -> Value {
    let identity = desired.spec.workload_identity.as_ref();
    let mut labels = identity.and_then(|identity| identity.pod_labels.clone()).unwrap_or_default();
    labels.extend([
        ("app.kubernetes.io/managed-by".to_owned(), "valkeeper".to_owned()),
        (names::VERIFIES_BACKUPS_OF.to_owned(), desired.name.clone()),
    ]);
    let mut spec = spread::node_constraints(desired);
    let more = json!({
        "serviceAccountName": desired.name,
        "automountServiceAccountToken": false,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "terminationGracePeriodSeconds": 5,
        "enableServiceLinks": false,
        "securityContext": pod::security(),
        "initContainers": [pod::manager(&desired.defaults.manager_image)],
        "containers": [container(desired, verification)],
        "volumes": volumes(desired, verification),
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    if let Some(secrets) = &desired.spec.image_pull_secrets {
        spec["imagePullSecrets"] = json!(secrets);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": verification.name,
            "namespace": desired.namespace,
            "labels": labels,
            "ownerReferences": [owner(backup)],
        },
        "spec": spec,
    })
}

fn owner(backup: &ValkeyBackup) -> Value {
    use kube::Resource as _;
    json!(backup.controller_owner_ref(&()))
}

fn container(desired: &Desired, verification: &Verification<'_>) -> Value {
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path, "readOnly": true});
    let mut container = json!({
        "name": CONTAINER,
        "image": desired.image(),
        "command": [format!("{}/valkeeper", pod::PROGRAM), "instance", "verify-backup"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            value("VERIFICATION", &verification.order),
            value("DATA_DIR", pod::DATA),
            value("RUN_DIR", pod::RUN),
            value("TERMINATION_LOG", "/dev/termination-log"),
        ],
        "resources": {
            "limits": {"memory": verification.memory.to_string()},
            "requests": {
                "cpu": "100m",
                "memory": verification.memory.to_string(),
                "ephemeral-storage": verification.storage.to_string(),
            },
        },
        "securityContext": pod::container_security(),
        "volumeMounts": [
            mount("program", pod::PROGRAM),
            {"name": "data", "mountPath": pod::DATA},
            {"name": "run", "mountPath": pod::RUN},
        ],
    });
    let secrets = [
        (verification.credentials, "credentials", CREDENTIALS_DIR, CREDENTIALS),
        (verification.encryption, "encryption", ENCRYPTION_DIR, ENCRYPTION),
    ];
    for (_, name, variable, path) in secrets.into_iter().filter(|(secret, ..)| secret.is_some()) {
        pod::add(&mut container, "env", value(variable, path));
        pod::add(&mut container, "volumeMounts", mount(name, path));
    }
    pod::add_backup_volume(desired, &mut container);
    if let Some(policy) = &desired.spec.image_pull_policy {
        container["imagePullPolicy"] = policy.as_str().into();
    }
    container
}

fn volumes(desired: &Desired, verification: &Verification<'_>) -> Value {
    let mut volumes = vec![
        json!({"name": "data", "emptyDir": {}}),
        json!({"name": "program", "emptyDir": {}}),
        json!({"name": "run", "emptyDir": {"medium": "Memory"}}),
    ];
    let secrets = [("credentials", verification.credentials), ("encryption", verification.encryption)];
    let mounted = secrets.into_iter().filter_map(|(name, secret)| {
        Some(json!({"name": name, "secret": {"secretName": secret?, "defaultMode": 0o440}}))
    });
    volumes.extend(mounted.chain(pod::backup_volume(desired)));
    json!(volumes)
}
