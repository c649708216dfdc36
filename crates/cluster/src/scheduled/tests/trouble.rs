//! What a schedule does while something is wrong.

use super::{at, backup, good, schedule};
use crate::scheduled::{ScheduledStep, decide, next_status};
use serde_json::{Value, json};
use valkeeper_api::ValkeyBackup;

/// A schedule that has nothing due on the twentieth.
fn noted(spec: &Value) -> valkeeper_api::ValkeyScheduledBackup {
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
        let status = next_status(&object, &backups, &step, &report, now);
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
