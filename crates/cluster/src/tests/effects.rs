//! What another spec does to servers.

use super::desired;
use crate::effects::{Change, Effect, UpdateTime, changes, replaced, required_approval, update_time};
use crate::pod::revision;
use crate::{Desired, PodSeen};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields and effects of a change from one spec to another.
fn effects_of(before: &Value, after: &Value) -> Vec<(String, Effect)> {
    let changes = changes(&desired(before), &desired(after));
    changes.into_iter().map(|change| (change.field, change.effect)).collect()
}

#[test]
fn changed_field_has_its_effect_on_servers() {
    let table = [
        (json!({}), json!({"version": "8.2"}), "spec.version", Effect::Replace),
        (json!({}), json!({"resources": {"memory": "2Gi"}}), "spec.resources.memory", Effect::Resize),
        (json!({}), json!({"resources": {"memory": "512Mi"}}), "spec.resources.memory", Effect::Replace),
        (
            json!({}),
            json!({"resources": {"memory": "1Gi", "cpu": "1"}}),
            "spec.resources.cpu",
            Effect::Replace,
        ),
        (json!({}), json!({"config": {"timeout": "1"}}), "spec.config.timeout", Effect::Live),
        (json!({}), json!({"config": {"databases": "9"}}), "spec.config.databases", Effect::Restart),
        (json!({"config": {"timeout": "1"}}), json!({}), "spec.config.timeout", Effect::Restart),
        (json!({}), json!({"memory": {"policy": "allkeys-lru"}}), "spec.memory.policy", Effect::Live),
        (json!({}), json!({"instances": 5}), "spec.instances", Effect::Scale),
        (json!({}), json!({"powered": false}), "spec.powered", Effect::Power),
        (json!({}), json!({"clients": {"sentinel": true}}), "spec.clients.sentinel", Effect::Live),
        (json!({}), json!({"tls": {}}), "spec.tls.plaintext", Effect::Replace),
        (json!({}), json!({"update": {"primary": "Approve"}}), "spec.update.primary", Effect::None),
        (
            json!({"persistence": {"mode": "Snapshot", "size": "1Gi"}}),
            json!({"persistence": {"mode": "Snapshot", "size": "2Gi"}}),
            "spec.persistence.size",
            Effect::Grow,
        ),
    ];
    for (before, after, field, effect) in table {
        let found = effects_of(&before, &after);
        assert!(found.contains(&(field.to_owned(), effect)), "{after}: {found:?}");
    }
    assert_eq!(effects_of(&json!({"config": {"a": "1"}}), &json!({"config": {"a": "1"}})), []);
}

#[test]
fn fields_of_one_change_are_judged_on_their_own() {
    let after = json!({"version": "8.2", "config": {"timeout": "1"}, "update": {"primary": "Approve"}});
    let found = effects_of(&json!({}), &after);
    for expected in [
        ("spec.config.timeout", Effect::Live),
        ("spec.update.primary", Effect::None),
        ("spec.version", Effect::Replace),
    ] {
        assert!(found.contains(&(expected.0.to_owned(), expected.1)), "{found:?}");
    }
}

#[test]
fn highest_replica_is_replaced_first_and_the_primary_last() {
    let after = desired(&json!({"version": "8.2"}));
    let of = |ordinals: &[u32], revision: &str| -> BTreeMap<u32, PodSeen> {
        let pod = PodSeen { revision: revision.to_owned(), ..PodSeen::default() };
        ordinals.iter().map(|ordinal| (*ordinal, pod.clone())).collect()
    };
    let replaced = |desired: &Desired, pods: &BTreeMap<u32, PodSeen>, changes: &[Change], primary: u32| {
        replaced(desired, pods, changes, Some(primary), DateTime::UNIX_EPOCH)
    };
    assert_eq!(replaced(&after, &of(&[0, 1, 2], "of before"), &[], 1), [2, 0, 1]);
    let mut mixed = of(&[0, 1], "of before");
    mixed.extend(of(&[2], &revision(&after)));
    assert_eq!(replaced(&after, &mixed, &[], 0), [1, 0]);
    let restart = changes(&desired(&json!({})), &desired(&json!({"config": {"databases": "9"}})));
    let current = of(&[0, 1, 2], &revision(&desired(&json!({}))));
    assert_eq!(replaced(&desired(&json!({})), &current, &restart, 2), [1, 0, 2]);
    assert!(replaced(&desired(&json!({"powered": false})), &current, &restart, 2).is_empty());
    assert_eq!(replaced(&desired(&json!({"instances": 1})), &of(&[0, 1], "x"), &[], 0), [0]);
}

#[test]
fn update_waits_for_an_approval_and_a_window() {
    let now: DateTime<Utc> = "2026-12-01T12:00:00Z".parse().unwrap();
    let spec = json!({"update": {
        "primary": "Approve", "window": {"schedule": "0 2 * * *", "timeZone": "UTC", "duration": "2h"},
    }});
    let mut asked = desired(&spec);
    let begin = "2026-12-02T02:00:00Z".parse().unwrap();
    assert_eq!(update_time(&asked, true, now), UpdateTime::From(Some(begin)));
    let value = required_approval(&asked).unwrap();
    asked.approved = Some(value);
    assert_eq!((required_approval(&asked), update_time(&asked, true, now)), (None, UpdateTime::Now));
    // An approval is for other pods, not for a restart of the same.
    assert_eq!(update_time(&asked, false, now), UpdateTime::From(Some(begin)));
    let usual = desired(&json!({}));
    assert_eq!((required_approval(&usual), update_time(&usual, true, now)), (None, UpdateTime::Now));
}
