//! Looks at a backup: its cluster, its Secret, and what its instance says.

use super::{answer::progress, known::Known, own_pod, target};
use crate::ha::Fence;
use crate::{
    cluster::ClusterError,
    controller::valkey_cluster::{self, Clusters},
};
use kube::{Api, Client, ResourceExt as _};
use valkeeper_api::{Custom as _, ValkeyBackup, ValkeyCluster};
use valkeeper_cluster::{
    backup::{Progress, attempt_id, is_asked_for, pod_memory, verification_id, verifier},
    final_backup::is_final,
};
use valkeeper_instance::client::InstanceClient;

/// What is seen of the surroundings of a backup.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) cluster: Option<ValkeyCluster>,
    pub(super) target: Option<target::Target>,
    pub(super) obstacle: Option<String>,
    pub(super) progress: Progress,
    pub(super) client: Option<InstanceClient>,
    /// Those that can be asked to delete what only pods of the cluster can.
    pub(super) erasers: Vec<InstanceClient>,
}

/// Looks at the surroundings of a backup.
pub(super) async fn observe(
    client: &Client,
    (clusters, fence): (&Clusters, &Fence),
    object: &ValkeyBackup,
    known: &mut Known,
) -> Result<Seen, ClusterError> {
    let mut seen = Seen::default();
    let namespace = object.namespace().unwrap_or_default();
    let deleting = object.metadata.deletion_timestamp.is_some();
    let status = object.status.clone().unwrap_or_default();
    let has_ended = matches!(status.phase.as_deref(), Some("Completed" | "Failed"));
    let again = status.phase.as_deref() == Some("Completed") && is_asked_for(object) && !deleting;
    // Nothing is to be done now.
    if has_ended && !deleting && (!again || known.backs_off().is_some()) {
        return Ok(seen);
    }
    let in_own_pod = again && verifier(object).is_some() && pod_memory(object).is_some();
    if in_own_pod {
        seen.progress = own_pod::ask(client, object, known).await?;
        // The surroundings matter for a pod that is to be created.
        if seen.progress != Progress::Unknown {
            return Ok(seen);
        }
    }
    let mut destination = object.spec.destination.clone();
    if deleting {
        // No key is needed to delete.
        destination.encryption = None;
    }
    match target::read(client, &namespace, &destination).await? {
        Ok(target) => seen.target = Some(target),
        Err(obstacle) => seen.obstacle = Some(obstacle),
    }
    let api: Api<ValkeyCluster> = Api::namespaced(client.clone(), &namespace);
    let name = &object.spec.cluster_name;
    let doing = || format!("read {} {name}", ValkeyCluster::NAME);
    let cluster = crate::cluster::bounded(doing, api.get_opt(name)).await?;
    let takes_part = |cluster: &ValkeyCluster| {
        cluster.metadata.deletion_timestamp.is_none() || deleting || is_final(object, cluster)
    };
    seen.cluster = cluster.filter(takes_part);
    let unmounted = seen.cluster.as_ref().and_then(|cluster| target::unmounted(&destination, cluster));
    seen.obstacle = seen.obstacle.take().or(unmounted);
    if deleting && seen.target.as_ref().is_some_and(|(_, credentials)| credentials.workload_identity) {
        seen.erasers =
            seen.cluster.as_ref().map(|cluster| reachable(clusters, fence, cluster)).unwrap_or_default();
        if seen.erasers.is_empty() && seen.obstacle.is_none() {
            seen.obstacle = Some(format!(
                "Only the pods of ValkeyCluster {name} may use the store, and none of them can be reached."
            ));
        }
    }
    let (asked, id) = if again {
        (verifier(object), verification_id(object))
    } else {
        (status.instance.as_deref(), attempt_id(object))
    };
    if in_own_pod {
        return Ok(seen);
    }
    if let (Some(instance), Some(cluster)) = (asked, &seen.cluster) {
        seen.client = valkey_cluster::instance(clusters, fence, cluster, instance);
    }
    if let Some(instance) = asked.filter(|_| again || !has_ended) {
        seen.progress = ask(&id, instance, seen.client.as_ref(), known).await;
    }
    Ok(seen)
}

/// The instances of a cluster that can be reached.
fn reachable(clusters: &Clusters, fence: &Fence, cluster: &ValkeyCluster) -> Vec<InstanceClient> {
    let instances = cluster.status.iter().flat_map(|status| &status.instances);
    instances
        .filter_map(|instance| valkey_cluster::instance(clusters, fence, cluster, &instance.name))
        .collect()
}

async fn ask(id: &str, instance: &str, client: Option<&InstanceClient>, known: &mut Known) -> Progress {
    let answer = match client {
        Some(client) => client.backup(id).await.map_err(|error| error.to_string()),
        None => Err("it has no pod that can be reached".to_owned()),
    };
    match answer {
        Ok(answer) => {
            known.heard();
            answer.map_or(Progress::Unknown, progress)
        }
        Err(error) => {
            tracing::debug!(instance, error, "no answer about a backup");
            if known.silent() { Progress::Gone } else { Progress::Silent }
        }
    }
}
