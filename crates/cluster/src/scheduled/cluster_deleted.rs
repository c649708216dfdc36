//! What happens to the backups of a schedule when their cluster is deleted.
//!
//! ```text
//!   Delete:  status.clusterUid ◀── UID of the cluster
//!            another cluster, or none, has its name ──▶ its backups are marked, then deleted ──▶ status.clusterUid moves on
//!   Keep:    no status.clusterUid
//! ```
//!
//! Guarantees: a backup is deleted for this only while the schedule says so, only if its data is of the cluster that the
//! schedule had noted before, and only after the API server has listed the clusters without it. Nothing depends on having
//! seen the deletion, so an operator that did not run then loses nothing.

use super::retention::is_going;
use valkeeper_api::{ValkeyBackup, ValkeyScheduledBackup};

/// The cluster that a schedule names, as the API server has it now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClusterSeen {
    /// Nobody asked.
    #[default]
    Unknown,
    /// A complete list of clusters is without it.
    Absent,
    /// There is one with this UID, which may be being deleted.
    Present(String),
}

/// Whether the backups of a schedule go with their cluster, so that the cluster has to be looked at.
pub fn goes_with_cluster(object: &ValkeyScheduledBackup) -> bool {
    object.spec.when_cluster_deleted == "Delete"
}

/// A backup of a cluster that was deleted, which is to be deleted as well.
pub(super) fn left<'backup>(
    object: &ValkeyScheduledBackup,
    backups: &'backup [ValkeyBackup],
    cluster: &ClusterSeen,
) -> Option<&'backup ValkeyBackup> {
    let gone = gone(object, cluster)?;
    backups.iter().find(|backup| of(backup) == Some(gone) && !is_going(backup))
}

/// The UID of the cluster that the status notes from here on.
pub(super) fn noted(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    cluster: &ClusterSeen,
) -> Option<String> {
    if !goes_with_cluster(object) {
        return None;
    }
    let before = object.status.as_ref().and_then(|status| status.cluster_uid.clone());
    match cluster {
        ClusterSeen::Unknown => before,
        _ if left(object, backups, cluster).is_some() => before,
        ClusterSeen::Absent => None,
        ClusterSeen::Present(uid) => Some(uid.clone()),
    }
}

/// The UID of the noted cluster, if it is gone.
fn gone<'object>(object: &'object ValkeyScheduledBackup, cluster: &ClusterSeen) -> Option<&'object str> {
    let noted = object.status.as_ref()?.cluster_uid.as_deref();
    let noted = noted.filter(|_| goes_with_cluster(object))?;
    match cluster {
        ClusterSeen::Unknown => None,
        ClusterSeen::Absent => Some(noted),
        ClusterSeen::Present(uid) => (uid != noted).then_some(noted),
    }
}

/// The UID of the cluster that the data of a backup is of.
fn of(backup: &ValkeyBackup) -> Option<&str> {
    backup.status.as_ref()?.cluster_uid.as_deref()
}

#[cfg(test)]
mod tests;
