//! What is decided for a schedule, as tables.

mod trouble;

use super::{Cause, ClusterSeen, ScheduledReport, ScheduledStep, name, next_status};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use valkeeper_api::{ValkeyBackup, ValkeyScheduledBackup};
use valkeeper_engine::Ready;

/// Where the cluster plays no part.
fn decide(
    object: &ValkeyScheduledBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> (ScheduledStep, ScheduledReport) {
    super::decide(object, backups, &ClusterSeen::Unknown, now)
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn schedule(spec: &Value, status: &Value) -> ValkeyScheduledBackup {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyScheduledBackup",
        "metadata": {"name": "nightly", "namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "clusterName": "cache", "schedule": "0 3 * * *",
            "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}},
        },
        "status": status,
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

/// A backup that was completed at three on this day of January.
pub(super) fn backup(day: u32, phase: &str, more: &Value) -> ValkeyBackup {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup",
        "metadata": {"name": format!("nightly-202601{day:02}0300")},
        "spec": {
            "clusterName": "cache",
            "destination": {"s3": {"bucket": "backups", "credentialsSecretName": "s3"}},
        },
        "status": {"phase": phase, "completedAt": format!("2026-01-{day:02}T03:00:00Z")},
    });
    if phase == "Failed" {
        object["status"].as_object_mut().unwrap().remove("completedAt");
    }
    for (field, value) in more.as_object().unwrap() {
        object["metadata"][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

pub(super) fn good(day: u32) -> ValkeyBackup {
    backup(day, "Completed", &json!({}))
}

#[test]
fn backup_is_created_when_it_is_due_and_once() {
    let object = schedule(&json!({}), &json!({}));
    let table = [
        ("2026-01-01T02:59:59Z", ScheduledStep::Rest(Some(at("2026-01-01T03:00:00Z")))),
        ("2026-01-01T03:00:00Z", ScheduledStep::Create(at("2026-01-01T03:00:00Z"))),
        ("2026-01-01T03:30:00Z", ScheduledStep::Create(at("2026-01-01T03:00:00Z"))),
    ];
    for (now, step) in table {
        assert_eq!(decide(&object, &[], at(now)).0, step, "{now}");
    }
    let now = at("2026-01-01T03:00:01Z");
    let (step, report) = decide(&object, &[], now);
    let status = next_status(&object, (&[], &ClusterSeen::Unknown), &step, &report, now);
    let noted = schedule(&json!({}), &serde_json::to_value(status).unwrap());
    // The next look is for its end, if nothing says so before.
    assert_eq!(decide(&noted, &[], now).0, ScheduledStep::Rest(Some(at("2026-01-01T04:00:00Z"))));
    let later = at("2026-01-01T04:00:00Z");
    assert_eq!(decide(&noted, &[], later).0, ScheduledStep::Rest(Some(at("2026-01-02T03:00:00Z"))));
    assert_eq!(name(&object, at("2026-01-01T03:00:00Z")), "nightly-202601010300");
}

#[test]
fn missed_and_overlapping_backups_are_skipped_and_said() {
    let object = schedule(&json!({}), &json!({"lastScheduledAt": "2026-01-01T03:00:00Z"}));
    let (step, _) = decide(&object, &[], at("2026-01-04T09:00:00Z"));
    assert!(matches!(step, ScheduledStep::Skip(due, _) if due == at("2026-01-04T03:00:00Z")), "{step:?}");
    let running = [backup(1, "Running", &json!({}))];
    let (step, _) = decide(&object, &running, at("2026-01-02T03:00:01Z"));
    assert!(matches!(&step, ScheduledStep::Skip(_, why) if why.contains("nightly-202601010300")), "{step:?}");
    let suspended = schedule(&json!({"suspend": true}), &json!({}));
    assert_eq!(decide(&suspended, &[], at("2026-01-04T03:00:00Z")).0, ScheduledStep::Rest(None));
}

#[test]
fn retention_never_deletes_the_last_good_backup() {
    let now = at("2026-01-20T03:00:00Z");
    let noted = json!({"lastScheduledAt": "2026-01-20T03:00:00Z"});
    let expires = |day: u32| Some(format!("nightly-202601{day:02}0300"));
    let failed = |day| backup(day, "Failed", &json!({}));
    let table: Vec<(Value, Vec<ValkeyBackup>, Option<String>)> = vec![
        (json!({"keepLast": 2}), vec![good(1), good(2), good(3)], expires(1)),
        (json!({"keepLast": 3}), vec![good(1), good(2), good(3)], None),
        (json!({"keepFor": "5d"}), vec![good(1), good(16)], expires(1)),
        // The newest, however old.
        (json!({"keepFor": "1h"}), vec![good(1)], None),
        (json!({"keepFor": "1h"}), vec![good(1), failed(2)], None),
        (json!({"keepFor": "1h"}), vec![good(1), backup(19, "Running", &json!({}))], None),
        // Either keeps it.
        (json!({"keepLast": 1, "keepFor": "30d"}), vec![good(1), good(2)], None),
        (json!({"keepLast": 5, "keepFor": "1h"}), vec![good(1), good(2)], None),
        (json!({}), vec![good(1), good(2)], None),
        (json!({"keepLast": 1}), vec![failed(1), failed(2), failed(3), failed(4)], expires(1)),
        (json!({"keepLast": 1}), vec![failed(1), failed(2), failed(3)], None),
    ];
    for (retention, backups, expected) in table {
        let object = schedule(&json!({"retention": retention}), &noted);
        let found = match decide(&object, &backups, now).0 {
            ScheduledStep::Expire(name) => Some(name),
            _ => None,
        };
        assert_eq!(found, expected, "{retention} {}", backups.len());
    }
    let none = schedule(&json!({}), &noted);
    assert!(matches!(decide(&none, &[good(1), good(2)], now).0, ScheduledStep::Rest(_)), "no retention");
}

#[test]
fn backup_is_marked_before_it_is_deleted_and_a_bad_one_not_kept() {
    let now = at("2026-01-20T03:00:00Z");
    let noted = json!({"lastScheduledAt": "2026-01-20T03:00:00Z"});
    let object = schedule(&json!({"retention": {"keepLast": 1}}), &noted);
    let marked = backup(1, "Completed", &json!({"annotations": {"valkeeper.io/expired": "true"}}));
    let (step, _) = decide(&object, &[marked, good(2)], now);
    assert_eq!(step, ScheduledStep::Delete("nightly-202601010300".to_owned(), Cause::Expired));
    let going = backup(1, "Completed", &json!({"deletionTimestamp": "2026-01-20T02:00:00Z"}));
    assert!(matches!(decide(&object, &[going, good(2)], now).0, ScheduledStep::Rest(_)));
    // What a second server could not read does not count as the last good one.
    let mut bad = good(3);
    let status = bad.status.as_mut().unwrap();
    status.verified = serde_json::from_value(json!({"succeeded": false, "message": "x"})).unwrap();
    assert!(matches!(decide(&object, &[good(2), bad], now).0, ScheduledStep::Rest(_)));
}

#[test]
fn schedule_that_cannot_be_used_is_said() {
    for spec in [json!({"schedule": "every day"}), json!({"timeZone": "Nowhere"})] {
        let (step, report) = decide(&schedule(&spec, &json!({})), &[], at("2026-01-04T03:00:00Z"));
        assert_eq!((step, report.ready), (ScheduledStep::Rest(None), Ready::Stuck), "{spec}");
    }
}

#[test]
fn unproven_backups_are_kept_as_long_as_good_ones() {
    let now = at("2026-01-20T03:00:00Z");
    let noted = json!({"lastScheduledAt": "2026-01-20T03:00:00Z"});
    let unproven = |day| {
        let mut backup = good(day);
        let verified =
            json!({"succeeded": false, "message": "the container has no memory for a second server"});
        backup.status.as_mut().unwrap().verified = serde_json::from_value(verified).unwrap();
        backup
    };
    let all: Vec<_> = (1..=6).map(unproven).collect();
    let kept = |keep: u32| {
        let object = schedule(&json!({"retention": {"keepLast": keep}}), &noted);
        decide(&object, &all, now).0
    };
    assert!(matches!(kept(6), ScheduledStep::Rest(_)), "{:?}", kept(6));
    assert_eq!(kept(5), ScheduledStep::Expire("nightly-202601010300".to_owned()));
}

/// A good backup of this day of January that was verified at this hour of the next one.
fn verified(day: u32, hour: u32) -> ValkeyBackup {
    let mut backup = good(day);
    let at = format!("2026-01-{:02}T{hour:02}:00:00Z", day + 1);
    let verified = json!({"succeeded": true, "message": "x", "at": at});
    backup.status.as_mut().unwrap().verified = serde_json::from_value(verified).unwrap();
    backup
}

fn asked(mut backup: ValkeyBackup) -> ValkeyBackup {
    backup.metadata.annotations = Some([("valkeeper.io/verify".to_owned(), "new".to_owned())].into());
    backup
}

#[test]
fn newest_backup_is_verified_when_none_was_for_so_long() {
    let noted = json!({"lastScheduledAt": "2026-01-20T03:00:00Z"});
    let object = schedule(&json!({"verifyEvery": "2d"}), &noted);
    let of = |day: u32| Some(format!("nightly-202601{day:02}0300"));
    let mut refuted = good(3);
    let found = json!({"succeeded": false, "message": "x", "at": "2026-01-04T03:00:00Z"});
    refuted.status.as_mut().unwrap().verified = serde_json::from_value(found).unwrap();
    let table = [
        (vec![], "2026-01-20T10:00:00Z", None),
        (vec![good(1), good(2)], "2026-01-20T10:00:00Z", of(2)),
        (vec![verified(1, 4), good(2)], "2026-01-04T03:59:59Z", None),
        (vec![verified(1, 4), good(2)], "2026-01-04T04:00:00Z", of(2)),
        (vec![verified(1, 4)], "2026-01-04T04:00:00Z", of(1)),
        // One at a time.
        (vec![asked(good(1)), good(2)], "2026-01-20T10:00:00Z", None),
        // What no server could read is no good backup.
        (vec![good(2), refuted], "2026-01-20T10:00:00Z", of(2)),
        (vec![backup(1, "Running", &json!({}))], "2026-01-20T10:00:00Z", None),
    ];
    for (backups, now, expected) in table {
        let found = match decide(&object, &backups, at(now)).0 {
            ScheduledStep::Verify(name, request) => {
                assert_eq!(request, now);
                Some(name)
            }
            _ => None,
        };
        assert_eq!(found, expected, "{now} {}", backups.len());
    }
    // It is woken for it.
    let (step, _) = decide(&object, &[verified(1, 4)], at("2026-01-04T03:30:00Z"));
    assert_eq!(step, ScheduledStep::Rest(Some(at("2026-01-04T04:00:00Z"))));
    let never = schedule(&json!({}), &noted);
    assert!(matches!(decide(&never, &[good(1)], at("2026-01-20T10:00:00Z")).0, ScheduledStep::Rest(_)));
}

#[test]
fn last_verification_is_remembered_when_its_backup_is_gone() {
    let object = schedule(&json!({"verifyEvery": "2d"}), &json!({"lastScheduledAt": "2026-01-20T03:00:00Z"}));
    let now = at("2026-01-03T00:00:00Z");
    let status = |object: &ValkeyScheduledBackup, backups: &[ValkeyBackup]| {
        let (step, report) = decide(object, backups, now);
        next_status(object, (backups, &ClusterSeen::Unknown), &step, &report, now)
    };
    let known = status(&object, &[verified(1, 4)]);
    assert_eq!(known.last_verified_at, Some(at("2026-01-02T04:00:00Z")));
    let later = ValkeyScheduledBackup { status: Some(known.clone()), ..object };
    assert_eq!(status(&later, &[]).last_verified_at, known.last_verified_at);
    let late = |now| super::verification_is_late(&later, at(now));
    assert!(!late("2026-01-04T16:00:00Z") && late("2026-01-04T16:00:01Z"));
}

#[test]
fn backup_is_fresh_while_the_last_that_was_due_is_stored() {
    let running = |day| backup(day, "Running", &json!({}));
    let table = [
        // Created at midnight of the first, due at three.
        (json!({}), vec![], "2026-01-01T03:30:00Z", "Unknown"),
        (json!({}), vec![], "2026-01-01T04:00:00Z", "False"),
        (json!({}), vec![good(1)], "2026-01-01T04:00:00Z", "True"),
        (json!({}), vec![good(1)], "2026-01-02T03:59:59Z", "True"),
        (json!({}), vec![good(1)], "2026-01-02T04:00:00Z", "False"),
        (json!({}), vec![good(1), running(2)], "2026-01-02T04:00:00Z", "True"),
        (json!({}), vec![good(1), running(2)], "2026-01-03T04:00:00Z", "False"),
        (json!({}), vec![good(1), backup(2, "Failed", &json!({}))], "2026-01-02T04:00:00Z", "False"),
        (json!({"suspend": true}), vec![good(1)], "2026-01-09T04:00:00Z", "Unknown"),
    ];
    for (spec, backups, now, expected) in table {
        let object = schedule(&spec, &json!({"lastScheduledAt": "2026-01-20T03:00:00Z"}));
        let now = at(now);
        let (step, report) = decide(&object, &backups, now);
        let status = next_status(&object, (&backups, &ClusterSeen::Unknown), &step, &report, now);
        let fresh = status.conditions.iter().find(|found| found.type_ == "BackupFresh").unwrap();
        assert_eq!(fresh.status, expected, "{now} {spec} {}", backups.len());
    }
    // It looks when the hour after a time is over.
    let noted = schedule(&json!({}), &json!({"lastScheduledAt": "2026-01-02T03:00:00Z"}));
    let (step, _) = decide(&noted, &[good(1)], at("2026-01-02T03:30:00Z"));
    assert_eq!(step, ScheduledStep::Rest(Some(at("2026-01-02T04:00:00Z"))));
}

#[test]
fn cluster_says_the_worst_of_its_schedules() {
    let with = |name: &str, status: &str| {
        let condition = json!({
            "type": "BackupFresh", "status": status, "reason": "x", "message": "It is late.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let mut object = schedule(&json!({}), &json!({"conditions": [condition]}));
        object.metadata.name = Some(name.to_owned());
        object
    };
    let table = [
        (vec![], None),
        (vec![schedule(&json!({}), &json!({}))], Some("Unknown")),
        (vec![with("a", "True"), with("b", "Unknown")], Some("True")),
        (vec![with("a", "True"), with("b", "False")], Some("False")),
    ];
    for (schedules, expected) in table {
        let found = super::of_cluster(&schedules);
        assert_eq!(found.as_ref().map(|fresh| fresh.status), expected);
        if let Some(late) = found.filter(|fresh| fresh.status == "False") {
            assert!(late.message.contains("ValkeyScheduledBackup b: It is late."));
        }
    }
}
