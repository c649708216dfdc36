//! What is decided for a backup while something is wrong.

use super::{asked_again, backup, cluster, look, proof};
use crate::backup::{
    BackupFacts, BackupStep, ObservedBackup, Progress, Proof, attempt_id, decide, next_status,
};
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use valkeeper_api::ValkeyBackup;
use valkeeper_engine::Ready;

#[test]
fn first_verification_without_a_result_is_none() {
    let object = backup(&json!({"spec.verify": true}), &json!({"phase": "Verifying", "instance": "cache-1"}));
    let facts = BackupFacts { verified: Some(proof(false, true)), ..BackupFacts::default() };
    let observed = ObservedBackup { progress: Progress::Done(facts), ..look(&object, None) };
    let (step, report) = decide(&observed);
    assert_eq!(
        (report.ready, report.phase, report.reason),
        (Ready::Stuck, "Completed", "VerificationPostponed")
    );
    let next = next_status(&observed, &step, &report);
    assert_eq!(next.verified, None, "nothing was found out");
    // What was said stays, until another verification has a result.
    let mut later = object.clone();
    later.status = Some(next);
    let (step, said) = decide(&look(&later, None));
    assert_eq!((step, &said), (BackupStep::Rest { soon: false }, &report));
    assert!(said.message.contains("3 instead of 4"), "{}", said.message);
}

#[test]
fn each_attempt_has_an_identity_of_its_own() {
    let status = cluster();
    let mut object = backup(&json!({}), &json!({}));
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let observed = look(&object, Some(&status));
        let (step, report) = decide(&observed);
        assert!(matches!(step, BackupStep::Assign(_)), "{step:?}");
        object.status = Some(next_status(&observed, &step, &report));
        // An instance keeps the answer to the attempt before.
        assert!(ids.insert(attempt_id(&object)));
        let progress = Progress::Failed { passing: true, message: "503".to_owned() };
        let observed = ObservedBackup { progress, ..look(&object, Some(&status)) };
        let (step, report) = decide(&observed);
        object.status = Some(next_status(&observed, &step, &report));
    }
    assert_eq!(object.status.unwrap().phase.as_deref(), Some("Failed"));
}

#[test]
fn instance_that_dies_of_a_backup_is_not_asked_for_ever() {
    let rest = BackupStep::Rest { soon: false };
    let table = [
        // The request was lost, or the instance takes another backup.
        (false, false, 1, BackupStep::Begin, "Running"),
        (false, false, 5, BackupStep::Begin, "Running"),
        // It was begun, as the status says, or as this process remembers.
        (true, false, 1, BackupStep::Unassign, "Pending"),
        (false, true, 4, BackupStep::Unassign, "Pending"),
        (true, false, 5, rest.clone(), "Failed"),
        (false, true, 5, rest, "Failed"),
    ];
    let cluster = cluster();
    for (noted, begun, attempts, step, phase) in table {
        let status = json!({"phase": "Running", "instance": "cache-1", "attempts": attempts, "begun": noted});
        let object = backup(&json!({}), &status);
        let observed = ObservedBackup { progress: Progress::Unknown, begun, ..look(&object, Some(&cluster)) };
        let (found, report) = decide(&observed);
        assert_eq!((&found, report.phase), (&step, phase), "{noted} {begun} {attempts}");
    }
}

#[test]
fn attempt_is_noted_as_begun_until_the_next_one() {
    let cluster = cluster();
    let assigned = json!({"phase": "Running", "instance": "cache-1", "attempts": 1});
    let object = backup(&json!({}), &assigned);
    for (progress, expected) in
        [(Progress::Unknown, false), (Progress::Silent, false), (Progress::Running, true)]
    {
        let observed = ObservedBackup { progress, ..look(&object, Some(&cluster)) };
        let (step, report) = decide(&observed);
        assert_eq!(next_status(&observed, &step, &report).begun, expected);
    }
    let assigned = json!({"phase": "Pending", "attempts": 1, "begun": true});
    let object = backup(&json!({}), &assigned);
    let observed = look(&object, Some(&cluster));
    let (step, report) = decide(&observed);
    assert!(!next_status(&observed, &step, &report).begun);
}

#[test]
fn instance_that_dies_of_a_verification_is_asked_ever_later() {
    let cluster = cluster();
    for (noted, begun, postpones) in [(false, false, false), (true, false, true), (false, true, true)] {
        let object =
            asked_again(&json!({"request": "new", "instance": "cache-1", "attempts": 3, "begun": noted}));
        let observed = ObservedBackup { progress: Progress::Unknown, begun, ..look(&object, Some(&cluster)) };
        let (step, report) = decide(&observed);
        assert_eq!(matches!(step, BackupStep::Postpone(_)), postpones, "{step:?}");
        let next = next_status(&observed, &step, &report).verification.unwrap();
        assert_eq!((next.instance.is_none(), next.begun, next.attempts), (postpones, false, 3));
    }
    let object = asked_again(&json!({"request": "new", "instance": "cache-1", "attempts": 3}));
    let observed = ObservedBackup { progress: Progress::Running, ..look(&object, Some(&cluster)) };
    let (step, report) = decide(&observed);
    assert!(next_status(&observed, &step, &report).verification.unwrap().begun);
}

/// What becomes of a request for a verification when an instance has these answers, an hour apart.
fn answered(proofs: &[Proof]) -> ValkeyBackup {
    let cluster = cluster();
    let mut object = asked_again(&json!(null));
    let mut now = DateTime::UNIX_EPOCH;
    for proof in proofs {
        let facts = BackupFacts { verified: Some(proof.clone()), ..BackupFacts::default() };
        for progress in [Progress::Unasked, Progress::Done(facts)] {
            let observed = ObservedBackup { progress, now, ..look(&object, Some(&cluster)) };
            let (step, report) = decide(&observed);
            object.status = Some(next_status(&observed, &step, &report));
        }
        now += TimeDelta::hours(1);
    }
    object
}

#[test]
fn backup_that_the_store_lacks_once_is_not_refuted() {
    let absent = Proof { absent: true, ..proof(false, true) };
    let silent = proof(false, true);
    let found = proof(true, false);
    let table = [
        (vec![absent.clone()], true, Some("old")),
        (vec![absent.clone(), found], true, Some("new")),
        (vec![absent.clone(), absent.clone(), absent.clone()], true, Some("old")),
        // A store that does not answer says nothing.
        (vec![silent.clone(); 9], true, Some("old")),
        (vec![absent.clone(), silent.clone(), silent.clone(), silent.clone()], true, Some("old")),
        (vec![absent.clone(), silent.clone(), silent, absent.clone()], false, Some("new")),
        (vec![absent; 4], false, Some("new")),
    ];
    for (proofs, succeeded, request) in table {
        let status = answered(&proofs).status.unwrap();
        let verified = status.verified.unwrap();
        assert_eq!((verified.succeeded, verified.request.as_deref()), (succeeded, request), "{proofs:?}");
        assert_eq!(status.verification.is_none(), request == Some("new"), "{proofs:?}");
    }
}

#[test]
fn absence_that_was_noted_ahead_of_the_clock_counts_from_now() {
    let cluster = cluster();
    let ahead = json!({"request": "new", "instance": "cache-1", "attempts": 1, "absentSince": "2027-01-01T00:00:00Z"});
    let object = asked_again(&ahead);
    let absent = Proof { absent: true, ..proof(false, true) };
    let progress = Progress::Done(BackupFacts { verified: Some(absent), ..BackupFacts::default() });
    let observed = ObservedBackup { progress, ..look(&object, Some(&cluster)) };
    let (step, report) = decide(&observed);
    let next = next_status(&observed, &step, &report).verification.unwrap();
    assert_eq!(next.absent_since, Some(DateTime::UNIX_EPOCH));
}

#[test]
fn scheduled_backup_that_cannot_begin_for_an_hour_has_failed() {
    let cluster = cluster();
    let waiting = |labels: Value, status: Value| {
        let mut object = backup(&json!({"metadata.labels": labels}), &status);
        let created = json!("1969-12-31T22:59:59Z");
        object.metadata.creation_timestamp = serde_json::from_value(created).unwrap();
        object
    };
    let (schedule, by_hand) = (json!({"valkeeper.io/scheduled-backup": "nightly"}), json!({}));
    let asked = json!({"phase": "Running", "instance": "cache-1", "attempts": 1});
    let begun = json!({"phase": "Running", "instance": "cache-1", "attempts": 1, "begun": true});
    let tried = json!({"phase": "Pending", "attempts": 1, "begun": true});
    let unasked = Progress::Unasked;
    let table = [
        (schedule.clone(), json!({}), unasked.clone(), "Failed"),
        (schedule.clone(), asked.clone(), Progress::Unknown, "Failed"),
        (schedule.clone(), asked.clone(), Progress::Gone, "Failed"),
        // It has begun, or may have.
        (schedule.clone(), asked.clone(), Progress::Silent, "Running"),
        (schedule.clone(), asked, Progress::Running, "Running"),
        (schedule.clone(), begun, Progress::Unknown, "Pending"),
        (schedule, tried, unasked.clone(), "Pending"),
        // A user waits for it.
        (by_hand, json!({}), unasked, "Pending"),
    ];
    for (labels, status, progress, phase) in table {
        let object = waiting(labels, status.clone());
        let obstacle = Some("Secret s3 does not exist.".to_owned());
        let observed =
            ObservedBackup { progress: progress.clone(), obstacle, ..look(&object, Some(&cluster)) };
        let (_, report) = decide(&observed);
        assert_eq!(report.phase, phase, "{status} {progress:?}");
        if phase == "Failed" {
            assert!(
                report.message.starts_with("Cannot begin the backup within an hour"),
                "{}",
                report.message
            );
        }
    }
    let object = waiting(json!({"valkeeper.io/scheduled-backup": "nightly"}), json!({}));
    let obstacle = Some("Secret s3 does not exist.".to_owned());
    let (_, report) = decide(&ObservedBackup { obstacle, ..look(&object, Some(&cluster)) });
    assert!(report.message.contains("Secret s3 does not exist."), "{}", report.message);
}
