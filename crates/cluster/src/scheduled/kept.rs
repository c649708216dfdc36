//! What keeps a backup, for people: until when, and how many further backups push it out. Guarantees that what it calls
//! kept is not deleted by retention as things are. Pure; the time is an argument.

use super::retention::{completed, good, is_going, is_good, is_marked, is_stored, keep_for, newest_first};
use chrono::{DateTime, Utc};
use valkeeper_api::{ValkeyBackup, valkey_scheduled_backup::Retention};

/// What still keeps a backup. It goes when neither does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// It is young enough until then.
    pub until: Option<DateTime<Utc>>,
    /// It is among the newest until so many further backups have succeeded.
    pub further: Option<usize>,
    /// It is being deleted, or will be at the next opportunity.
    pub is_going: bool,
}

/// What keeps `backup`, given all backups of its schedule; nothing to report for one that is kept for ever.
pub fn kept(
    retention: &Retention,
    backup: &ValkeyBackup,
    backups: &[ValkeyBackup],
    now: DateTime<Utc>,
) -> Option<Kept> {
    if is_marked(backup) || is_going(backup) {
        return Some(Kept { is_going: true, ..Kept::default() });
    }
    if !is_stored(backup) || *retention == Retention::default() {
        return None;
    }
    let rank_in = |list: &[&ValkeyBackup]| {
        list.iter().position(|one| one.metadata.name == backup.metadata.name).unwrap_or_default()
    };
    let good = good(backups);
    let (rank, at_least) = if is_good(backup) {
        // The newest one is never deleted.
        (rank_in(&good), 1)
    } else {
        // The newest of these stays as long as none is good.
        let unproven = newest_first(backups, |one| is_stored(one) && !is_good(one));
        (rank_in(&unproven), usize::from(good.is_empty()))
    };
    let number = retention.keep_last.and_then(|keep| usize::try_from(keep).ok()).unwrap_or_default();
    let further = Some(number.max(at_least).saturating_sub(rank)).filter(|further| *further > 0);
    let until = keep_for(retention).map(|keep| completed(backup) + keep).filter(|until| *until > now);
    Some(Kept { until, further, is_going: until.is_none() && further.is_none() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduled::{
        retention::expired,
        tests::{at, backup, good},
    };
    use serde_json::json;

    /// What is kept is never deleted now, and what is not is.
    #[test]
    fn what_keeps_a_backup_agrees_with_what_is_deleted() {
        let retentions = [
            json!({"keepLast": 2}),
            json!({"keepFor": "48h"}),
            json!({"keepLast": 2, "keepFor": "72h"}),
            json!({"keepLast": 1, "keepFor": "24h"}),
        ];
        let failed = json!({"verified": {"succeeded": false, "message": "x"}});
        for retention in retentions {
            let parsed: Retention = serde_json::from_value(retention.clone()).unwrap();
            for now in ["2026-01-06T04:00:00Z", "2026-01-09T04:00:00Z"].map(at) {
                let mut backups: Vec<_> = (1..=5).map(good).collect();
                backups[3].status.as_mut().unwrap().verified =
                    serde_json::from_value(failed["verified"].clone()).unwrap();
                let going = |backups: &[ValkeyBackup]| -> Vec<_> {
                    let kept = |backup: &&ValkeyBackup| kept(&parsed, backup, backups, now).unwrap();
                    let going = backups.iter().filter(|backup| kept(backup).is_going);
                    going.map(|backup| backup.metadata.name.clone()).collect()
                };
                let mut expected = going(&backups);
                // Deleting one after the other, as the operator does.
                let mut deleted = Vec::new();
                while let Some(next) = expired(Some(&parsed), &backups, now) {
                    let name = next.metadata.name.clone();
                    backups.retain(|backup| backup.metadata.name != name);
                    deleted.push(name);
                }
                expected.sort();
                deleted.sort();
                assert_eq!(expected, deleted, "{retention} {now}");
            }
        }
        let (none, all) = (Retention::default(), [good(1)]);
        assert_eq!(kept(&none, &all[0], &all, at("2027-01-01T00:00:00Z")), None, "kept for ever");
    }

    #[test]
    fn next_deletion_is_named_by_time_and_number() {
        let retention = |value| serde_json::from_value::<Retention>(value).unwrap();
        let (backups, now) = ([good(1), good(2)], at("2026-01-02T04:00:00Z"));
        let table = [
            (json!({"keepLast": 3}), 0, None, Some(2)),
            (json!({"keepLast": 3}), 1, None, Some(3)),
            (json!({"keepFor": "48h"}), 0, Some("2026-01-03T03:00:00Z"), None),
            (json!({"keepFor": "48h"}), 1, Some("2026-01-04T03:00:00Z"), Some(1)),
            (json!({"keepFor": "48h", "keepLast": 2}), 0, Some("2026-01-03T03:00:00Z"), Some(1)),
        ];
        for (value, index, until, further) in table {
            let expected = Kept { until: until.map(at), further, is_going: false };
            assert_eq!(
                kept(&retention(value.clone()), &backups[index], &backups, now),
                Some(expected),
                "{value} {index}"
            );
        }
        let marked = backup(1, "Completed", &json!({"annotations": {"valkeeper.io/expired": "true"}}));
        assert!(kept(&retention(json!({"keepLast": 3})), &marked, &backups, now).unwrap().is_going);
    }
}
