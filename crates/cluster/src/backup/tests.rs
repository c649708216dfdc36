//! What is decided for a backup, as tables.

mod own_pod;
mod trouble;

use super::{
    BackupFacts, BackupStep, ObservedBackup, Progress, Proof, decide, key, next_status, verification_delay,
    verification_id,
};
use chrono::{DateTime, TimeDelta};
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
        cluster_uid: cluster.map(|_| "uid-of-cache".to_owned()),
        obstacle: None,
        progress: Progress::default(),
        begun: false,
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
    assert_eq!(next.cluster_uid.as_deref(), Some("uid-of-cache"));
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
    let facts = BackupFacts { verified: Some(proof(false, false)), ..BackupFacts::default() };
    let observed = ObservedBackup { progress: Progress::Done(facts), ..look(&object, None) };
    let (step, report) = decide(&observed);
    assert_eq!((report.ready, report.phase), (Ready::Stuck, "Completed"));
    let next = next_status(&observed, &step, &report);
    assert!(!next.verified.unwrap().succeeded);
}

fn proof(succeeded: bool, inconclusive: bool) -> Proof {
    Proof { succeeded, inconclusive, message: "3 instead of 4".to_owned(), ..Proof::default() }
}

/// A completed backup that was verified on request `old`, with a request `new`, of which this is known.
fn asked_again(verification: &Value) -> ValkeyBackup {
    let status = json!({
        "phase": "Completed", "instance": "cache-2", "key": "k", "sizeBytes": 7,
        "verified": {"succeeded": true, "message": "before", "request": "old"},
        "verification": verification,
    });
    backup(&json!({"metadata.annotations": {"valkeeper.io/verify": "new"}}), &status)
}

#[test]
fn completed_backup_is_verified_again_on_request() {
    let (status, begun) = (cluster(), json!({"request": "new", "instance": "cache-1", "attempts": 1}));
    let done =
        |proof| Progress::Done(BackupFacts { verified: Some(proof), bytes: 9, ..BackupFacts::default() });
    let postponed = BackupStep::Postpone("3 instead of 4".to_owned());
    let table = [
        (json!(null), Progress::Unasked, BackupStep::AssignVerification("cache-1".to_owned())),
        // Of a request that was withdrawn.
        (
            json!({"request": "older", "instance": "cache-9", "attempts": 3}),
            Progress::Unasked,
            BackupStep::AssignVerification("cache-1".to_owned()),
        ),
        (begun.clone(), Progress::Unknown, BackupStep::BeginVerification),
        (begun.clone(), Progress::Silent, BackupStep::Rest { soon: true }),
        (begun.clone(), Progress::Gone, BackupStep::Postpone("cache-1 does not answer.".to_owned())),
        (begun.clone(), done(proof(true, false)), BackupStep::Conclude(proof(true, false))),
        (begun.clone(), done(proof(false, false)), BackupStep::Conclude(proof(false, false))),
        (begun, done(proof(false, true)), postponed.clone()),
    ];
    for (verification, progress, step) in table {
        let object = asked_again(&verification);
        let observed = ObservedBackup { progress: progress.clone(), ..look(&object, Some(&status)) };
        let (found, report) = decide(&observed);
        assert_eq!(found, step, "{progress:?}");
        // It stays a backup that can be used, whatever becomes of this.
        assert_eq!((report.ready, report.phase), (Ready::Yes, "Completed"), "{progress:?}");
        let next = next_status(&observed, &found, &report);
        assert_eq!((next.instance.as_deref(), next.size_bytes), (Some("cache-2"), Some(7)));
        let verified = next.verified.clone().unwrap();
        match step {
            BackupStep::Conclude(proof) => {
                assert_eq!((verified.succeeded, verified.request.as_deref()), (proof.succeeded, Some("new")));
                assert!(verified.at.is_some() && next.verification.is_none());
            }
            _ => assert_eq!((verified.succeeded, verified.request.as_deref()), (true, Some("old"))),
        }
    }
}

#[test]
fn verification_without_a_result_is_repeated_ever_later() {
    let status = cluster();
    let mut object = asked_again(&json!(null));
    let mut ids = std::collections::BTreeSet::new();
    let mut delays = Vec::new();
    for _ in 0..14 {
        let observed = look(&object, Some(&status));
        let (step, report) = decide(&observed);
        let next = next_status(&observed, &step, &report);
        object.status = Some(next);
        // An instance keeps the answer to the attempt before.
        assert!(ids.insert(verification_id(&object)));
        let observed = ObservedBackup { progress: Progress::Gone, ..look(&object, Some(&status)) };
        let (step, report) = decide(&observed);
        let next = next_status(&observed, &step, &report);
        object.status = Some(next);
        delays.push(verification_delay(&object));
        let waits = ObservedBackup { backs_off: true, ..look(&object, Some(&status)) };
        assert_eq!(decide(&waits).0, BackupStep::Rest { soon: false });
    }
    assert!(delays.is_sorted() && delays[1] == delays[0] * 2, "{delays:?}");
    assert_eq!(delays.last(), Some(&TimeDelta::hours(1)));
    // Without a cluster or a Secret, nobody is asked.
    assert!(matches!(decide(&look(&object, None)).0, BackupStep::Postpone(why) if why.contains("cache")));
    let blocked = ObservedBackup { obstacle: Some("No Secret.".to_owned()), ..look(&object, Some(&status)) };
    assert_eq!(decide(&blocked).0, BackupStep::Postpone("No Secret.".to_owned()));
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

#[test]
fn deletion_aborts_what_attempts_have_left() {
    let status = |phase: &str, attempts: i32| json!({"phase": phase, "attempts": attempts, "key": "k", "instance": "cache-1"});
    let table = [
        (status("Completed", 1), BackupStep::ReleaseFinalizer),
        (status("Completed", 2), BackupStep::AbortUploads),
        (status("Failed", 5), BackupStep::AbortUploads),
        (status("Running", 1), BackupStep::AbortUploads),
        (json!({"phase": "Pending"}), BackupStep::ReleaseFinalizer),
    ];
    for (status, step) in table {
        let mut object = backup(&json!({}), &status);
        object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let found = |progress| decide(&ObservedBackup { progress, ..look(&object, None) }).0;
        assert_eq!(found(Progress::Unknown), step, "{status}");
        assert_eq!(found(Progress::Gone), step, "{status}");
        if step == BackupStep::AbortUploads {
            assert_eq!(found(Progress::Running), BackupStep::Rest { soon: true });
            assert_eq!(found(Progress::Silent), BackupStep::Rest { soon: true });
        }
        // Data that stays needs no Secret to be left where it is.
        let blocked = ObservedBackup { obstacle: Some("No Secret.".to_owned()), ..look(&object, None) };
        assert_eq!(decide(&blocked).0, BackupStep::ReleaseFinalizer, "{status}");
        let done = ObservedBackup { erased: true, ..look(&object, None) };
        assert_eq!(decide(&done).0, BackupStep::ReleaseFinalizer, "{status}");
    }
}
