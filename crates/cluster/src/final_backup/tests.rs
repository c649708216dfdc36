//! What the deletion of a cluster waits for, and what it says while it does.

use super::{FinalBackupSeen, body, is_final, name, seen};
use crate::{Decision, Defaults, Desired, Observed, PodSeen, Step, decide, next_status};
use serde_json::{Value, json};
use valkeeper_api::{ValkeyBackup, ValkeyCluster};
use valkeeper_engine::Ready;

const UID: &str = "0123456789abcdef";

/// A cluster whose deletion was requested, changed by a merge patch.
fn deleted(change: &Value) -> ValkeyCluster {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyCluster",
        "metadata": {
            "name": "ledger", "namespace": "shop", "uid": UID, "generation": 1,
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["valkeeper.io/servers"],
        },
        "spec": {
            "version": "8.1", "instances": 1, "resources": {"memory": "64Mi"},
            "finalBackup": {
                "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}}, "verify": true,
            },
        },
    });
    merge(&mut object, change);
    serde_json::from_value(object).unwrap()
}

fn merge(object: &mut Value, change: &Value) {
    match change {
        Value::Object(fields) if object.is_object() => {
            for (field, value) in fields {
                merge(&mut object[field], value);
            }
        }
        value => *object = value.clone(),
    }
}

fn desired(object: &ValkeyCluster) -> Desired {
    Desired::of(object, Defaults::default())
}

fn one_pod(final_backup: FinalBackupSeen) -> Observed {
    let pod = PodSeen { uid: "pod".to_owned(), ..PodSeen::default() };
    Observed { pods: [(0, pod)].into(), final_backup, ..Observed::default() }
}

/// The backup that the operator creates, changed by a merge patch.
fn created(cluster: &Desired, change: &Value) -> ValkeyBackup {
    let mut backup = body(cluster);
    merge(&mut backup, change);
    serde_json::from_value(backup).unwrap()
}

/// Ends a server, deletes a volume, or releases the resource.
fn is_destructive(step: &Step) -> bool {
    matches!(step, Step::DeletePod(..) | Step::DeleteClaim(_) | Step::ReleaseFinalizer)
}

#[test]
fn no_server_ends_before_the_final_backup() {
    let (waiting, backup) =
        (deleted(&json!({})), json!({"name": "b", "key": "k", "at": "2026-01-01T00:01:00Z"}));
    let not_stored = [
        FinalBackupSeen::Unknown,
        FinalBackupSeen::Missing,
        FinalBackupSeen::Refused("forbidden".to_owned()),
        FinalBackupSeen::Foreign,
        FinalBackupSeen::UnderWay("Backing up.".to_owned()),
        FinalBackupSeen::Failed("no bucket".to_owned()),
        // Not before the status has it: the resource may be gone when servers have ended.
        FinalBackupSeen::Done(serde_json::from_value(backup.clone()).unwrap()),
    ];
    for seen in not_stored {
        let decision = decide(&desired(&waiting), &one_pod(seen.clone()));
        assert!(!is_destructive(&decision.step), "{seen:?}: {:?}", decision.step);
        assert_eq!(matches!(decision.step, Step::CreateFinalBackup), seen == FinalBackupSeen::Missing);
        let next = next_status(
            &desired(&waiting),
            &one_pod(seen.clone()),
            &decision.report,
            None,
            chrono::DateTime::UNIX_EPOCH,
        );
        assert_eq!(next.final_backup.is_some(), matches!(seen, FinalBackupSeen::Done(_)), "{seen:?}");
    }
    let goes_on = [
        json!({"status": {"finalBackup": backup}}),
        json!({"metadata": {"annotations": {"valkeeper.io/skip-final-backup": "true"}}}),
        json!({"spec": {"finalBackup": null}}),
    ];
    for change in goes_on {
        let decision = decide(&desired(&deleted(&change)), &one_pod(FinalBackupSeen::Unknown));
        assert!(is_destructive(&decision.step), "{change}: {:?}", decision.step);
    }
    let kept = json!({"metadata": {"annotations": {"valkeeper.io/skip-final-backup": "false"}}});
    assert!(desired(&deleted(&kept)).awaits_final_backup);
    // Without a deletion it has no effect.
    let running = desired(&deleted(&json!({"metadata": {"deletionTimestamp": null}})));
    assert!(!running.awaits_final_backup && !running.deleting);
}

#[test]
fn final_backup_is_that_of_this_deletion() {
    let object = deleted(&json!({}));
    let cluster = desired(&object);
    let stored = json!({
        "phase": "Completed", "key": "k", "completedAt": "2026-01-01T00:01:00Z",
        "verified": {"succeeded": true, "message": "all keys"},
    });
    let found = |change: Value| seen(&cluster, Some(&created(&cluster, &change)));
    assert!(matches!(found(json!({"status": stored})), FinalBackupSeen::Done(done) if done.key == "k"));
    assert_eq!(found(json!({})), FinalBackupSeen::UnderWay(String::new()));
    let other = json!({"metadata": {"labels": {"valkeeper.io/final-backup": "another"}}, "status": stored});
    assert_eq!(found(other.clone()), FinalBackupSeen::Foreign);
    assert!(!is_final(&created(&cluster, &other), &object));
    assert!(is_final(&created(&cluster, &json!({})), &object));
    let without_proof = json!({"status": {"phase": "Completed", "key": "k"}});
    assert!(matches!(found(without_proof), FinalBackupSeen::Failed(_)));
    let in_own_pod = json!({"status": {
        "phase": "Completed", "key": "k", "verification": {"request": "", "podMemoryBytes": 7},
    }});
    assert!(matches!(found(in_own_pod), FinalBackupSeen::UnderWay(_)));
    let unproven = json!({"status": {
        "phase": "Completed", "key": "k", "verified": {"succeeded": false, "message": "2 of 3 keys"},
    }});
    assert!(matches!(found(unproven.clone()), FinalBackupSeen::Failed(_)));
    let unasked = json!({"spec": {"verify": false}, "status": {"phase": "Completed", "key": "k"}});
    assert!(matches!(found(unasked), FinalBackupSeen::Done(_)));
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:02:00Z"}, "status": stored});
    assert!(matches!(found(going), FinalBackupSeen::UnderWay(_)));
    assert_eq!(seen(&cluster, None), FinalBackupSeen::Missing);
    // Another cluster of that name waits for another one.
    assert_ne!(name("ledger", UID), name("ledger", "fedcba98"));
    let running = deleted(&json!({"metadata": {"deletionTimestamp": null}}));
    assert!(!is_final(&created(&cluster, &json!({})), &running));
}

#[test]
fn every_obstacle_names_the_way_out() {
    let command = "kubectl annotate vkc -n shop ledger valkeeper.io/skip-final-backup=true";
    let (running, off) = (deleted(&json!({})), deleted(&json!({"spec": {"powered": false}})));
    let long = "x".repeat(1_000);
    let table = [
        (
            &running,
            FinalBackupSeen::Refused(long.clone()),
            "Cannot create ValkeyBackup ledger-final-01234567",
        ),
        (&running, FinalBackupSeen::Foreign, "was not created for this deletion"),
        (&running, FinalBackupSeen::Failed(long), "kubectl delete vkb -n shop ledger-final-01234567"),
        (&off, FinalBackupSeen::Missing, "spec.powered: true"),
    ];
    for (object, seen, what) in table {
        let Decision { report, step } =
            decide(&desired(object), &Observed { final_backup: seen.clone(), ..Observed::default() });
        assert_eq!((report.ready, report.reason), (Ready::Stuck, "FinalBackupFailed"), "{seen:?} {step:?}");
        assert!(report.message.contains(what) && report.message.ends_with(command), "{}", report.message);
    }
    let under_way = decide(&desired(&running), &one_pod(FinalBackupSeen::UnderWay("No Secret.".to_owned())));
    assert_eq!((under_way.report.reason, under_way.report.state), ("FinalBackup", "Deleting"));
    assert!(under_way.report.message.contains("No Secret") && under_way.report.message.ends_with(command));
}
