//! Verifies a backup in a pod of its own, where no instance has room for a second server: creates the pod, and deletes it
//! when its result is noted, or its request was withdrawn.
//!
//! Guarantees: the Secrets of the destination are mounted, and copied nowhere; a backup has one pod at most, but for one
//! whose deletion failed: the next verification deletes it.

use super::{known::Known, pod_answer::progress, target};
use crate::{
    cluster::{ClusterError, bounded, objects},
    controller::{error::ReconcileError, valkey_cluster::now},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use valkeeper_api::{ValkeyBackup, ValkeyCluster};
use valkeeper_cluster::{
    Defaults, Desired,
    backup::{Progress, key, own_pod, pod_memory, verifier},
    bytes,
    names::VERIFIES_BACKUPS_OF,
    verification_pod,
};
use valkeeper_instance::backups::{MountedSecret, VerificationOrder};

/// What the pod of the verification under way says.
pub(super) async fn ask(
    client: &Client,
    object: &ValkeyBackup,
    known: &Known,
) -> Result<Progress, ClusterError> {
    if let Some(message) = known.refused.clone() {
        return Ok(Progress::Failed { passing: true, message });
    }
    let Some((name, memory)) = verifier(object).zip(pod_memory(object)) else { return Ok(Progress::Unasked) };
    let pod = find(client, object, name).await?;
    let size = object.status.as_ref().and_then(|status| status.size_bytes).unwrap_or_default();
    let size = u64::try_from(size).unwrap_or_default();
    Ok(pod.map_or(Progress::Unknown, |pod| progress(&pod, (memory, size), now())))
}

/// The pod of this name, if the backup owns it.
async fn find(client: &Client, object: &ValkeyBackup, name: &str) -> Result<Option<Pod>, ClusterError> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let pod = bounded(|| format!("read Pod {namespace}/{name}"), api.get_opt(name)).await?;
    Ok(pod.filter(|pod| is_owned(object, pod)))
}

fn is_owned(object: &ValkeyBackup, pod: &Pod) -> bool {
    pod.owner_references().iter().any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
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
        program: desired.program().into(),
        memory,
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
    remove_earlier(client, object).await?;
    match objects::create(client, &desired.namespace, &pod).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_refusal() => {
            tracing::warn!(%error, "the pod of a verification is refused");
            Ok(Some(format!("Cannot create Pod {name}: {}.", error.words().trim_end_matches('.'))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes the pod that the status named before, unless it still does.
pub(super) async fn remove_unless_named(
    client: &Client,
    before: &ValkeyBackup,
    object: &ValkeyBackup,
) -> Result<(), ClusterError> {
    let named = |object: &ValkeyBackup| object.status.as_ref().and_then(own_pod).map(str::to_owned);
    match named(before).filter(|name| named(object).as_ref() != Some(name)) {
        Some(name) => match find(client, object, &name).await? {
            Some(pod) => remove(client, &pod).await,
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Deletes the pods of earlier verifications of a backup.
async fn remove_earlier(client: &Client, object: &ValkeyBackup) -> Result<(), ClusterError> {
    let labels = format!("{VERIFIES_BACKUPS_OF}={}", object.spec.cluster_name);
    let namespace = object.namespace().unwrap_or_default();
    for pod in objects::list::<Pod>(client, &namespace, &labels).await? {
        if is_owned(object, &pod) {
            remove(client, &pod).await?;
        }
    }
    Ok(())
}

async fn remove(client: &Client, pod: &Pod) -> Result<(), ClusterError> {
    let namespace = pod.namespace().unwrap_or_default();
    objects::delete::<Pod>(client, &namespace, &pod.name_any(), pod.metadata.uid.as_deref()).await
}
