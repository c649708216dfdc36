//! What becomes of backups when clusters come and go under one name, with restarts in between.

use super::ClusterSeen;
use crate::scheduled::{Cause, ScheduledStep, decide, next_status};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use valkeeper_api::{ValkeyBackup, ValkeyScheduledBackup};

fn now() -> DateTime<Utc> {
    "2026-01-20T03:30:00Z".parse().unwrap()
}

fn schedule(policy: Option<&str>, noted: Option<&str>) -> ValkeyScheduledBackup {
    let spec = policy.map_or_else(|| json!({}), |policy| json!({"whenClusterDeleted": policy}));
    let status = json!({"lastScheduledAt": "2026-01-20T03:00:00Z", "clusterUid": noted});
    crate::scheduled::tests::schedule(&spec, &status)
}

fn backup(name: &str, phase: &str, of: Option<&str>) -> ValkeyBackup {
    let object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup",
        "metadata": {"name": name},
        "spec": {
            "clusterName": "cache",
            "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}},
        },
        "status": {"phase": phase, "completedAt": "2026-01-19T03:00:00Z", "clusterUid": of},
    });
    serde_json::from_value(object).unwrap()
}

fn backups() -> Vec<ValkeyBackup> {
    vec![
        backup("old-1", "Completed", Some("old")),
        backup("old-2", "Running", Some("old")),
        backup("older", "Completed", Some("older")),
        backup("new", "Completed", Some("new")),
        backup("unknown", "Completed", None),
    ]
}

fn present(uid: &str) -> ClusterSeen {
    ClusterSeen::Present(uid.to_owned())
}

/// Reconciles until there is nothing to do; the status is written before, or lost after, every step. Answers which
/// backups are left, and the UID that is noted.
fn settle(
    object: &mut ValkeyScheduledBackup,
    backups: &mut Vec<ValkeyBackup>,
    cluster: &ClusterSeen,
    loses_status: bool,
) -> Vec<String> {
    for _ in 0..20 {
        let (step, report) = decide(object, backups, cluster, now());
        let next = next_status(object, (backups, cluster), &step, &report, now());
        let marked = json!({"valkeeper.io/expired": "true"});
        match &step {
            ScheduledStep::Expire(name) => {
                for backup in backups.iter_mut().filter(|backup| backup.metadata.name.as_ref() == Some(name))
                {
                    backup.metadata.annotations = serde_json::from_value(marked.clone()).unwrap();
                }
            }
            ScheduledStep::Delete(name, Cause::ClusterDeleted) => {
                let is_named = |backup: &ValkeyBackup| backup.metadata.name.as_ref() == Some(name);
                let found = backups.iter().find(|backup| is_named(backup)).unwrap();
                assert!(found.metadata.annotations.is_some(), "what is stored goes with it");
                backups.retain(|backup| !is_named(backup));
            }
            ScheduledStep::Rest(_) => {
                object.status = Some(next);
                return backups.iter().filter_map(|backup| backup.metadata.name.clone()).collect();
            }
            other => panic!("{other:?}"),
        }
        if !loses_status {
            object.status = Some(next);
        }
    }
    panic!("it comes to no rest")
}

fn noted(object: &ValkeyScheduledBackup) -> Option<&str> {
    object.status.as_ref()?.cluster_uid.as_deref()
}

const ALL: [&str; 5] = ["old-1", "old-2", "older", "new", "unknown"];
const WITHOUT_OLD: [&str; 3] = ["older", "new", "unknown"];

#[test]
fn backups_go_with_the_noted_cluster_and_no_others() {
    let table = [
        (Some("Delete"), Some("old"), ClusterSeen::Absent, &WITHOUT_OLD[..], None),
        // Another cluster has taken the name in the meantime.
        (Some("Delete"), Some("old"), present("new"), &WITHOUT_OLD, Some("new")),
        (Some("Delete"), Some("old"), present("old"), &ALL, Some("old")),
        (Some("Delete"), Some("old"), ClusterSeen::Unknown, &ALL, Some("old")),
        // It was deleted before the schedule said so.
        (Some("Delete"), None, ClusterSeen::Absent, &ALL, None),
        (Some("Delete"), None, present("new"), &ALL, Some("new")),
        (Some("Keep"), Some("old"), ClusterSeen::Absent, &ALL, None),
        (Some("Keep"), Some("old"), present("new"), &ALL, None),
        (None, Some("old"), present("new"), &ALL, None),
    ];
    for (policy, before, cluster, left, after) in table {
        for loses_status in [false, true] {
            let (mut object, mut backups) = (schedule(policy, before), backups());
            let found = settle(&mut object, &mut backups, &cluster, loses_status);
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!((&found[..], noted(&object)), (left, after), "{policy:?} {cluster:?}");
        }
    }
}

#[test]
fn change_to_delete_does_not_reach_back() {
    let (mut object, mut backups) = (schedule(Some("Keep"), None), backups());
    // The cluster is deleted and created again while its backups are to be kept.
    settle(&mut object, &mut backups, &ClusterSeen::Unknown, false);
    object.spec.when_cluster_deleted = "Delete".to_owned();
    assert_eq!(settle(&mut object, &mut backups, &present("new"), false), ALL);
    assert_eq!(
        settle(&mut object, &mut backups, &ClusterSeen::Absent, false),
        ["old-1", "old-2", "older", "unknown"]
    );
}

#[test]
fn deletion_under_way_or_an_unknown_policy_deletes_nothing() {
    let object: ValkeyScheduledBackup = schedule(Some("Delete"), Some("old"));
    // Its finalizer is still there: the list has it.
    let (step, _) = decide(&object, &backups(), &present("old"), now());
    assert!(matches!(step, ScheduledStep::Rest(_)), "{step:?}");
    // A policy of a later version.
    let (step, _) = decide(&schedule(Some("Archive"), Some("old")), &backups(), &ClusterSeen::Absent, now());
    assert!(matches!(step, ScheduledStep::Rest(_)), "{step:?}");
    let mut going: Value = serde_json::to_value(schedule(Some("Delete"), Some("old"))).unwrap();
    going["metadata"]["deletionTimestamp"] = "2026-01-20T03:00:00Z".into();
    let going: ValkeyScheduledBackup = serde_json::from_value(going).unwrap();
    let (step, _) = decide(&going, &backups(), &ClusterSeen::Absent, now());
    assert_eq!(step, ScheduledStep::Rest(None), "a schedule that is deleted keeps its backups");
}
