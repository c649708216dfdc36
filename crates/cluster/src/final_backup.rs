//! The backup that a cluster is deleted after: the servers go on until it is stored.
//!
//! ```text
//!   deletion requested ──▶ ValkeyBackup created ──▶ completed, verified if asked for ──▶ status.finalBackup ──▶ servers end
//!                               ▲                        │
//!                               └── deleted by a user ◀──┴── failed: says how to go on with and without it
//! ```
//!
//! Guarantees: no server ends and no volume is deleted before the status has the backup; the backup was created for this
//! deletion of this cluster. After a crash at any step the same backup is found again, by its name and its label.

use crate::backup::is_asked_for;
use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::{FINAL_BACKUP, SKIP_FINAL_BACKUP, reason};
use crate::report::State;
use crate::step::{RequeueClass, Step};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use valkeeper_api::{
    ValkeyBackup, ValkeyCluster,
    names::{self as api_names, condition},
    valkey_backup::{self, CLUSTER},
    valkey_cluster::FinalBackupStatus,
};
use valkeeper_engine::conditions;

/// The backup, as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FinalBackupSeen {
    /// Nobody looked, or none is needed.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// It cannot be created; why.
    Refused(String),
    /// One of its name was not created for this deletion.
    Foreign,
    /// It is under way; what it says.
    UnderWay(String),
    /// It will not become what was asked for; why.
    Failed(String),
    /// It is stored.
    Done(FinalBackupStatus),
}

/// Whether the deletion of a cluster waits for a backup.
pub(crate) fn is_awaited(object: &ValkeyCluster) -> bool {
    let meta = &object.metadata;
    let annotation = meta.annotations.as_ref().and_then(|annotations| annotations.get(SKIP_FINAL_BACKUP));
    let is_skipped = annotation.is_some_and(|value| value != "false");
    let is_stored = object.status.as_ref().is_some_and(|status| status.final_backup.is_some());
    meta.deletion_timestamp.is_some()
        && api_names::has_finalizer(meta)
        && object.spec.final_backup.is_some()
        && !is_skipped
        && !is_stored
}

/// The name of the backup of a cluster with this name and UID.
pub fn name(cluster: &str, uid: &str) -> String {
    let uid: String = uid.chars().take(8).collect();
    format!("{cluster}-final-{uid}")
}

/// Whether a backup is the one that the deletion of this cluster waits for.
pub fn is_final(backup: &ValkeyBackup, cluster: &ValkeyCluster) -> bool {
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    is_awaited(cluster) && is_labelled(backup, uid)
}

fn is_labelled(backup: &ValkeyBackup, uid: &str) -> bool {
    let labels = backup.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(FINAL_BACKUP)).is_some_and(|label| label == uid)
}

/// The resource to create.
pub fn body(desired: &Desired) -> Value {
    let spec = desired.spec.final_backup.clone().unwrap_or_default();
    json!({
        "apiVersion": "valkeeper.io/v1alpha1",
        "kind": valkey_backup::NAME,
        "metadata": {
            "name": name(&desired.name, &desired.uid),
            "namespace": desired.namespace,
            "labels": {FINAL_BACKUP: desired.uid, CLUSTER: desired.name},
        },
        "spec": {"clusterName": desired.name, "destination": spec.destination, "verify": spec.verify},
    })
}

/// What a look at the resource with the name of the backup means.
pub fn seen(desired: &Desired, found: Option<&ValkeyBackup>) -> FinalBackupSeen {
    let Some(backup) = found else { return FinalBackupSeen::Missing };
    if !is_labelled(backup, &desired.uid) {
        return FinalBackupSeen::Foreign;
    }
    let status = backup.status.clone().unwrap_or_default();
    let said = conditions::find(&status.conditions, condition::READY);
    let said = said.map(|found| found.message.clone()).unwrap_or_default();
    if backup.metadata.deletion_timestamp.is_some() {
        return FinalBackupSeen::UnderWay("It is being deleted.".to_owned());
    }
    match (status.phase.as_deref(), status.key) {
        (Some("Failed"), _) => FinalBackupSeen::Failed(said),
        (Some("Completed"), Some(key)) => {
            let proven = status.verified.is_some_and(|verified| verified.succeeded);
            if backup.spec.verify && !proven {
                let goes_on = is_asked_for(backup);
                return if goes_on { FinalBackupSeen::UnderWay(said) } else { FinalBackupSeen::Failed(said) };
            }
            let at = status.completed_at.unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
            FinalBackupSeen::Done(FinalBackupStatus {
                name: backup.metadata.name.clone().unwrap_or_default(),
                key,
                at,
            })
        }
        _ => FinalBackupSeen::UnderWay(said),
    }
}

/// What is to be done so that the deletion can go on.
pub(crate) fn concern(desired: &Desired, seen: &FinalBackupSeen) -> Concern {
    let name = name(&desired.name, &desired.uid);
    let waits = |message: String| {
        Concern::waits(RequeueClass::Steady, State::Deleting, reason::FINAL_BACKUP, message)
    };
    let fails = |message: String| {
        let message = format!("{message} {}", way_out(desired));
        Concern::is_stuck(RequeueClass::Steady, State::Deleting, reason::FINAL_BACKUP_FAILED, message)
    };
    if !desired.is_powered() && !matches!(seen, FinalBackupSeen::Done(_)) {
        return fails("Cannot take the final backup: no server runs. Set spec.powered: true.".to_owned());
    }
    match seen {
        FinalBackupSeen::Unknown => waits("Deletion waits for the final backup.".to_owned()),
        FinalBackupSeen::Missing => Concern::act(Step::CreateFinalBackup),
        FinalBackupSeen::Refused(why) => fails(format!("Cannot create ValkeyBackup {name}: {}.", short(why))),
        FinalBackupSeen::Foreign => {
            fails(format!("ValkeyBackup {name} was not created for this deletion. Delete it."))
        }
        FinalBackupSeen::UnderWay(said) => {
            waits(format!("Deletion waits for ValkeyBackup {name}: {}. {}", short(said), way_out(desired)))
        }
        FinalBackupSeen::Failed(said) => fails(format!(
            "The final backup failed: {}. To retry, correct the cause and run: kubectl delete vkb -n {} {name}.",
            short(said),
            desired.namespace
        )),
        FinalBackupSeen::Done(_) => Concern::waits(
            RequeueClass::Urgent,
            State::Deleting,
            reason::DELETING,
            format!("ValkeyBackup {name} is stored. The servers end."),
        ),
    }
}

/// How a user deletes the cluster without the backup.
fn way_out(desired: &Desired) -> String {
    let Desired { name, namespace, .. } = desired;
    format!("To delete without it: kubectl annotate vkc -n {namespace} {name} {SKIP_FINAL_BACKUP}=true")
}

/// The beginning of what another resource says: the end of the message is the way out.
fn short(said: &str) -> String {
    const LONGEST: usize = 220;
    conditions::cut(said.trim_end_matches('.').to_owned(), LONGEST)
}

#[cfg(test)]
mod tests;
