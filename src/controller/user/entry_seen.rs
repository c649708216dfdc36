//! What the Secret with the users of a cluster says about one of them, and whose that is.

use crate::cluster::{ClusterError, metadata::is_controlled_by, objects, secrets};
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, ResourceExt as _};
use valkeeper_api::{Custom as _, ValkeyUser};
use valkeeper_cluster::{
    Desired,
    user::{Entry, EntrySeen, username},
};
use valkeeper_instance::users::{UserEntry, file_name};

/// What the Secret says about a user. Whoever the Secret belongs to, a user that is deleted is removed from it.
pub(super) async fn entry_seen(
    client: &Client,
    object: &ValkeyUser,
    secret: Option<&Secret>,
    cluster: Option<&Desired>,
) -> Result<EntrySeen, ClusterError> {
    let Some(secret) = secret else { return Ok(EntrySeen::Missing) };
    let is_deleted = object.metadata.deletion_timestamp.is_some();
    if !is_deleted && cluster.is_some_and(|cluster| !is_controlled_by(&secret.metadata, &cluster.uid)) {
        let name = secret.name_any();
        return Ok(EntrySeen::Foreign(format!(
            "Secret {name}, which servers read users from, belongs to another owner. Delete it or rename the cluster."
        )));
    }
    let text = secrets::text(secret, &file_name(&username(object)));
    let entry = text.and_then(|text| serde_json::from_str::<UserEntry>(&text).ok());
    let Some(entry) = entry.filter(UserEntry::is_usable) else { return Ok(EntrySeen::Missing) };
    if Some(&entry.uid) == object.metadata.uid.as_ref() {
        let UserEntry { revision, rules, passwords, .. } = entry;
        return Ok(EntrySeen::Present(Entry { revision, rules, passwords }));
    }
    // One whose resource is gone, as after a restored backup of the Kubernetes cluster, has no owner.
    let namespace = object.namespace().unwrap_or_default();
    let owner = objects::listed_uid::<ValkeyUser>(client, &namespace, &entry.resource).await?;
    if owner == Some(entry.uid) {
        let (user, other) = (username(object), entry.resource);
        return Ok(EntrySeen::Foreign(format!(
            "User {user} of ValkeyCluster {} belongs to {} {other}. Choose another spec.username, or delete that one.",
            object.spec.cluster_name,
            ValkeyUser::NAME,
        )));
    }
    Ok(EntrySeen::Missing)
}
