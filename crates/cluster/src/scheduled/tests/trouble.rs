//! What a schedule does while something is wrong.

use super::{ClusterSeen, at, backup, decide, good, schedule};
use crate::scheduled::{ScheduledStep, next_status};
use serde_json::{Value, json};
use valkeeper_api::{ValkeyBackup, ValkeyScheduledBackup};
use valkeeper_engine::Ready;

/// A schedule that has nothing due on the twentieth.
fn noted(spec: &Value) -> ValkeyScheduledBackup {
    schedule(spec, &json!({"lastScheduledAt": "2026-01-20T03:00:00Z"}))
}

fn going(day: u32) -> ValkeyBackup {
    backup(day, "Completed", &json!({"deletionTimestamp": "2026-01-20T02:00:00Z"}))
}

/// A backup of which verification failed.
fn refuted(day: u32) -> ValkeyBackup {
    let mut backup = good(day);
    let verified = json!({"succeeded": false, "message": "x", "at": format!("2026-01-{day:02}T04:00:00Z")});
    backup.status.as_mut().unwrap().verified = serde_json::from_value(verified).unwrap();
    backup
}

#[test]
fn newest_unproven_backup_is_kept_when_none_is_good() {
    let object = noted(&json!({"retention": {"keepFor": "1h"}}));
    let now = at("2026-01-20T03:00:00Z");
    let table = [
        (vec![refuted(1)], None),
        (vec![refuted(1), refuted(2)], Some(1)),
        // One that is good replaces it.
        (vec![refuted(1), good(2)], Some(1)),
    ];
    for (backups, expected) in table {
        let expected = expected.map(|day: u32| format!("nightly-202601{day:02}0300"));
        let found = match decide(&object, &backups, now).0 {
            ScheduledStep::Expire(name) => Some(name),
            _ => None,
        };
        assert_eq!(found, expected, "{}", backups.len());
    }
}

#[test]
fn backup_that_is_being_deleted_protects_nothing() {
    let object = noted(&json!({"retention": {"keepFor": "1h"}}));
    let now = at("2026-01-20T03:00:00Z");
    for backups in [vec![good(1), going(2)], vec![refuted(1), going(2)], vec![good(1), going(19)]] {
        let (step, report) = decide(&object, &backups, now);
        assert!(matches!(step, ScheduledStep::Rest(_)), "{step:?}");
        let status = next_status(&object, (&backups, &ClusterSeen::Unknown), &step, &report, now);
        let expected = (backups[0] == good(1)).then(|| "nightly-202601010300".to_owned());
        assert_eq!(status.last_successful_backup, expected);
        let fresh = status.conditions.iter().find(|found| found.type_ == "BackupFresh").unwrap();
        assert_eq!(fresh.status, "False");
    }
}

#[test]
fn one_backup_is_refuted_per_interval_and_not_all_in_a_row() {
    let object = noted(&json!({"verifyEvery": "2d"}));
    let asked = |mut backup: ValkeyBackup| {
        backup.status.as_mut().unwrap().verified.as_mut().unwrap().request = Some("x".to_owned());
        backup
    };
    let backups = [good(1), good(2), asked(refuted(3))];
    let soon = decide(&object, &backups, at("2026-01-05T03:59:59Z")).0;
    assert_eq!(soon, ScheduledStep::Rest(Some(at("2026-01-05T04:00:00Z"))));
    let later = decide(&object, &backups, at("2026-01-05T04:00:00Z")).0;
    assert!(matches!(&later, ScheduledStep::Verify(name, _) if name.contains("0102")), "{later:?}");
    // One that was never good is another thing.
    let step = decide(&object, &[good(1), good(2), refuted(3)], at("2026-01-03T05:00:00Z")).0;
    assert!(matches!(&step, ScheduledStep::Verify(name, _) if name.contains("0102")), "{step:?}");
}

/// The object after a look at this time.
fn looked(object: &ValkeyScheduledBackup, backups: &[ValkeyBackup], now: &str) -> ValkeyScheduledBackup {
    let (step, report) = decide(object, backups, at(now));
    let status = next_status(object, (backups, &ClusterSeen::Unknown), &step, &report, at(now));
    ValkeyScheduledBackup { status: Some(status), ..object.clone() }
}

#[test]
fn clock_that_was_ahead_does_not_stop_a_schedule() {
    let object = schedule(&json!({}), &json!({"lastScheduledAt": "2027-01-04T03:00:00Z"}));
    let object = looked(&object, &[], "2026-01-04T03:00:30Z");
    assert_eq!(object.status.as_ref().unwrap().last_scheduled_at, Some(at("2026-01-04T03:00:30Z")));
    let object = looked(&object, &[], "2026-01-04T12:00:00Z");
    let due = at("2026-01-05T03:00:00Z");
    assert_eq!(decide(&object, &[], due).0, ScheduledStep::Create(due));
}

#[test]
fn clock_that_was_ahead_does_not_stop_verifications() {
    let ahead = |day| {
        let mut backup = good(day);
        let verified = json!({"succeeded": true, "message": "x", "at": "2027-01-04T04:00:00Z"});
        backup.status.as_mut().unwrap().verified = serde_json::from_value(verified).unwrap();
        backup
    };
    for status in [json!({"lastVerifiedAt": "2027-01-04T04:00:00Z"}), json!({})] {
        let mut object = schedule(&json!({"verifyEvery": "2d"}), &status);
        object.status.as_mut().unwrap().last_scheduled_at = Some(at("2026-01-20T03:00:00Z"));
        let backups = [ahead(1), good(2)];
        for now in ["2026-01-03T03:00:30Z", "2026-01-04T12:00:00Z"] {
            assert!(matches!(decide(&object, &backups, at(now)).0, ScheduledStep::Rest(_)), "{now}");
            object = looked(&object, &backups, now);
            let last = object.status.as_ref().unwrap().last_verified_at;
            assert_eq!(last, Some(at("2026-01-03T03:00:30Z")), "{now}");
            object.status.as_mut().unwrap().last_scheduled_at = Some(at("2026-01-20T03:00:00Z"));
        }
        let step = decide(&object, &backups, at("2026-01-05T03:00:30Z")).0;
        assert!(matches!(&step, ScheduledStep::Verify(name, _) if name.contains("0102")), "{step:?}");
        assert!(super::super::verification_is_late(&object, at("2026-01-06T03:00:30Z")));
    }
}

#[test]
fn backup_from_ahead_of_the_clock_is_not_the_fresh_one() {
    let object = noted(&json!({}));
    let mut ahead = good(1);
    ahead.status.as_mut().unwrap().completed_at = Some(at("2027-01-01T03:00:00Z"));
    let status = looked(&object, &[ahead], "2026-01-10T12:00:00Z").status.unwrap();
    let fresh = status.conditions.iter().find(|found| found.type_ == "BackupFresh").unwrap();
    assert_eq!(fresh.status, "False");
}

/// A backup that was created at three on this day and has not begun.
fn waiting(day: u32) -> ValkeyBackup {
    let mut object =
        backup(day, "Pending", &json!({"creationTimestamp": format!("2026-01-{day:02}T03:00:00Z")}));
    let stalled = json!([{
        "type": "Stalled", "status": "True", "reason": "DestinationUnavailable", "message": "Secret s3 does not exist.",
        "lastTransitionTime": format!("2026-01-{day:02}T03:00:01Z"),
    }]);
    object.status.as_mut().unwrap().conditions = serde_json::from_value(stalled).unwrap();
    object
}

#[test]
fn backup_that_cannot_begin_does_not_hold_up_the_next() {
    let object = schedule(&json!({}), &json!({"lastScheduledAt": "2026-01-01T03:00:00Z"}));
    let due = at("2026-01-02T03:00:00Z");
    let mut failed_before = waiting(1);
    failed_before.status.as_mut().unwrap().attempts = Some(2);
    let mut running = failed_before.clone();
    running.status.as_mut().unwrap().conditions.clear();
    let going =
        |time: &str| backup(1, "Running", &json!({"deletionTimestamp": format!("2026-01-02T{time}Z")}));
    let table = [
        (waiting(1), true),
        (failed_before, true),
        (going("01:59:59"), true),
        // Its data may still be on its way.
        (running, false),
        (going("02:00:00"), false),
    ];
    for (backup, creates) in table {
        let step = decide(&object, std::slice::from_ref(&backup), due).0;
        assert_eq!(step == ScheduledStep::Create(due), creates, "{step:?} {backup:?}");
    }
    // The hour in which it may begin.
    let hourly =
        schedule(&json!({"schedule": "*/30 * * * *"}), &json!({"lastScheduledAt": "2026-01-01T03:00:00Z"}));
    let step = decide(&hourly, &[waiting(1)], at("2026-01-01T03:30:00Z")).0;
    assert!(matches!(step, ScheduledStep::Skip(..)), "{step:?}");
}

#[test]
fn schedule_says_that_its_backup_cannot_begin() {
    let object = schedule(&json!({}), &json!({"lastScheduledAt": "2026-01-02T03:00:00Z"}));
    let backups = [good(1), waiting(2)];
    let (_, report) = decide(&object, &backups, at("2026-01-02T03:30:00Z"));
    assert_eq!((report.ready, report.reason), (Ready::Stuck, "BackupPending"));
    assert!(report.message.contains("nightly-202601020300"), "{}", report.message);
    assert!(report.message.contains("Secret s3 does not exist."), "{}", report.message);
    let status = looked(&object, &backups, "2026-01-02T04:00:01Z").status.unwrap();
    let fresh = status.conditions.iter().find(|found| found.type_ == "BackupFresh").unwrap();
    assert_eq!(fresh.status, "False");
}

#[test]
fn verification_without_a_result_holds_up_no_newer_backup() {
    let object = noted(&json!({"verifyEvery": "2d"}));
    let asked = |day, request: &str, attempts: i32, instance: Option<&str>| {
        let mut backup = backup(day, "Completed", &json!({"annotations": {"valkeeper.io/verify": request}}));
        let known = json!({"request": request, "attempts": attempts, "instance": instance});
        backup.status.as_mut().unwrap().verification = serde_json::from_value(known).unwrap();
        backup
    };
    let own = "2026-01-03T03:00:00Z";
    let now = "2026-01-19T12:00:00Z";
    let verify = || Some(ScheduledStep::Verify("nightly-202601020300".to_owned(), now.to_owned()));
    let withdraw = || Some(ScheduledStep::Withdraw("nightly-202601010300".to_owned()));
    let table = [
        (vec![asked(1, own, 14, None), good(2)], None),
        (vec![asked(1, own, 15, Some("cache-1")), good(2)], None),
        (vec![asked(1, own, 15, None), good(2)], withdraw()),
        // The request of a user stays.
        (vec![asked(1, "2026-01-03", 15, None), good(2)], verify()),
        (vec![asked(1, own, 15, None), asked(2, own, 1, None)], None),
        // There is no newer one.
        (vec![asked(1, own, 15, None)], None),
        (vec![asked(1, own, 15, None), refuted(2)], None),
    ];
    for (backups, expected) in table {
        let step = decide(&object, &backups, at(now)).0;
        let found = Some(step).filter(|step| !matches!(step, ScheduledStep::Rest(_)));
        assert_eq!(found, expected, "{backups:?}");
    }
}
