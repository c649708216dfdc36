//! What is decided for a backup, as tables.

use super::{BackupFacts, BackupStep, ObservedBackup, Progress, decide, key, next_status};
use chrono::DateTime;
use serde_json::{Value, json};
use valkeeper_api::{ClusterStatus, ValkeyBackup, valkey_cluster::InstanceStatus};
use valkeeper_engine::Ready;

fn backup(change: &Value, status: &Value) -> ValkeyBackup {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup",
        "metadata": {
            "name": "one", "namespace": "team", "uid": "0123456789", "generation": 1,
            "finalizers": ["valkeeper.io/backup"],
        },
        "spec": {
            "clusterName": "cache",
            "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}},
        },
        "status": status,
    });
    for (path, value) in change.as_object().unwrap() {
        let (part, field) = path.split_once('.').unwrap();
        object[part][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn cluster() -> ClusterStatus {
    let instance = |name: &str, role: &str, synced| InstanceStatus {
        name: name.to_owned(),
        role: role.to_owned(),
        synced,
        ..InstanceStatus::default()
    };
    ClusterStatus {
        current_primary: Some("cache-0".to_owned()),
        instances: vec![
            instance("cache-0", "Primary", false),
            instance("cache-1", "Replica", true),
            instance("cache-2", "Replica", false),
        ],
        ..ClusterStatus::default()
    }
}

fn look<'object>(
    object: &'object ValkeyBackup,
    cluster: Option<&'object ClusterStatus>,
) -> ObservedBackup<'object> {
    ObservedBackup {
        object,
        cluster,
        obstacle: None,
        progress: Progress::default(),
        backs_off: false,
        erased: false,
        now: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn replica_in_sync_is_asked_and_the_primary_without_one() {
    let object = backup(&json!({}), &json!({}));
    let mut status = cluster();
    let (step, _) = decide(&look(&object, Some(&status)));
    assert_eq!(step, BackupStep::Assign("cache-1".to_owned()));
    status.instances[1].synced = false;
    let observed = look(&object, Some(&status));
    let (step, report) = decide(&observed);
    assert_eq!(step, BackupStep::Assign("cache-0".to_owned()));
    let next = next_status(&observed, &step, &report);
    assert_eq!((next.instance.as_deref(), next.attempts), (Some("cache-0"), Some(1)));
    assert_eq!(next.key.as_deref(), Some("team/cache/one-01234567"));
    assert_eq!(next.key, Some(key(&object)));
    let (step, report) = decide(&look(&object, None));
    assert_eq!((step, report.ready), (BackupStep::Rest { soon: true }, Ready::Stuck));
    assert!(report.message.contains("ValkeyCluster cache"));
}

#[test]
fn instance_in_the_status_is_asked_until_the_backup_has_ended() {
    let failed = |passing| Progress::Failed { passing, message: "no".to_owned() };
    let facts = |verified| BackupFacts { bytes: 7, verified, ..BackupFacts::default() };
    let rest = |soon| BackupStep::Rest { soon };
    let table = [
        (Progress::Unknown, 1, BackupStep::Begin, "Running"),
        (Progress::Silent, 1, rest(true), "Running"),
        (Progress::Running, 1, rest(true), "Running"),
        (Progress::Verifying(facts(None)), 1, rest(true), "Verifying"),
        (Progress::Done(facts(None)), 1, rest(false), "Completed"),
        (Progress::Gone, 1, BackupStep::Unassign, "Pending"),
        (failed(true), 4, BackupStep::Unassign, "Pending"),
        (failed(true), 5, rest(false), "Failed"),
        (failed(false), 1, rest(false), "Failed"),
    ];
    for (progress, attempts, step, phase) in table {
        let object =
            backup(&json!({}), &json!({"phase": "Running", "instance": "cache-1", "attempts": attempts}));
        let status = cluster();
        let observed = ObservedBackup { progress: progress.clone(), ..look(&object, Some(&status)) };
        let (found, report) = decide(&observed);
        assert_eq!((&found, report.phase), (&step, phase), "{progress:?} {attempts}");
        let next = next_status(&observed, &found, &report);
        assert_eq!(next.instance.is_some(), step != BackupStep::Unassign, "{progress:?}");
    }
}

#[test]
fn backup_that_has_ended_is_left_alone() {
    for phase in ["Completed", "Failed"] {
        let object = backup(&json!({}), &json!({"phase": phase, "instance": "cache-1"}));
        // Whatever else is true now.
        for progress in [Progress::Unknown, Progress::Running, Progress::Gone] {
            let observed = ObservedBackup { progress, obstacle: Some("x".to_owned()), ..look(&object, None) };
            let (step, report) = decide(&observed);
            assert_eq!((step, report.phase), (BackupStep::Rest { soon: false }, phase));
        }
    }
}

#[test]
fn verification_that_fails_is_said() {
    let object = backup(&json!({"spec.verify": true}), &json!({"phase": "Verifying", "instance": "cache-1"}));
    let facts =
        BackupFacts { verified: Some((false, "3 instead of 4".to_owned())), ..BackupFacts::default() };
    let observed = ObservedBackup { progress: Progress::Done(facts), ..look(&object, None) };
    let (step, report) = decide(&observed);
    assert_eq!((report.ready, report.phase), (Ready::Stuck, "Completed"));
    let next = next_status(&observed, &step, &report);
    assert!(!next.verified.unwrap().succeeded);
}

#[test]
fn what_is_stored_goes_only_if_something_says_so() {
    let deleted = "2026-01-01T00:00:00Z";
    let stored = json!({"phase": "Completed", "key": "team/cache/one-01234567", "instance": "cache-1"});
    let table = [
        (json!({}), BackupStep::ReleaseFinalizer),
        (json!({"spec.deletionPolicy": "Retain"}), BackupStep::ReleaseFinalizer),
        (json!({"spec.deletionPolicy": "Delete"}), BackupStep::Erase),
        (json!({"metadata.annotations": {"valkeeper.io/expired": "true"}}), BackupStep::Erase),
    ];
    for (change, step) in table {
        let mut object = backup(&change, &stored);
        object.metadata.deletion_timestamp = serde_json::from_value(json!(deleted)).unwrap();
        assert_eq!(decide(&look(&object, None)).0, step, "{change}");
        let erased = ObservedBackup { erased: true, ..look(&object, None) };
        assert_eq!(decide(&erased).0, BackupStep::ReleaseFinalizer);
        if step == BackupStep::Erase {
            for progress in [Progress::Running, Progress::Silent] {
                let waits = ObservedBackup { progress, ..look(&object, None) };
                assert_eq!(decide(&waits).0, BackupStep::Rest { soon: true });
            }
            let blocked = ObservedBackup { obstacle: Some("No Secret.".to_owned()), ..look(&object, None) };
            let (step, report) = decide(&blocked);
            assert_eq!((step, report.ready), (BackupStep::Rest { soon: true }, Ready::Stuck));
        }
    }
    // Nothing was begun.
    let mut object = backup(&json!({"spec.deletionPolicy": "Delete"}), &json!({}));
    object.metadata.deletion_timestamp = serde_json::from_value(json!(deleted)).unwrap();
    assert_eq!(decide(&look(&object, None)).0, BackupStep::ReleaseFinalizer);
}
