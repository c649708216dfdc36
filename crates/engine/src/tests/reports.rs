//! Reports about a resource.

use super::*;
use chrono::DateTime;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

#[test]
fn equivalent_conditions_compare_equal() {
    let report = decide(&resource(json!({})), &seen(service())).report;
    let at = |seconds| DateTime::from_timestamp(seconds, 5_000).unwrap();
    let first = conditions::next(&[], &report, 3, at(1_700_000_000));
    assert_eq!(conditions::next(&first, &report, 3, at(1_800_000_000)), first);
    let types: Vec<_> =
        first.iter().map(|condition| (condition.type_.as_str(), condition.status.as_str())).collect();
    assert_eq!(
        types,
        [
            ("Drifted", "False"),
            ("Initialized", "True"),
            ("Ready", "True"),
            ("Running", "True"),
            ("Synced", "True"),
        ]
    );
}

#[test]
fn an_outage_takes_ready_back_only_with_a_reason() {
    let desired = resource(json!({}));
    let report = decide(&desired, &seen(service())).report;
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let before = conditions::next(&[], &report, 3, now);
    let failure = Failure { reason: reason::PROVIDER_UNAVAILABLE, message: "down".to_owned(), passing: true };
    let reported = |before: &[_], desired: &Desired, observed: &Observed| {
        let next = conditions::next(before, &Report::failed(&failure, desired, observed, 2), 3, now);
        let ready = next.iter().find(|entry| entry.type_ == condition::READY).unwrap();
        (next.clone(), ready.status.clone())
    };
    let outage = reported(&before, &desired, &Observed::default()).0;
    let remaining = |all: &[Condition]| {
        all.iter().filter(|one| one.type_ != condition::SYNCED).cloned().collect::<Vec<_>>()
    };
    assert_eq!(remaining(&outage), remaining(&before));
    let synced = outage.iter().find(|entry| entry.type_ == condition::SYNCED).unwrap();
    assert_eq!((synced.status.as_str(), synced.message.as_str()), ("False", "down"));
    assert_eq!(reported(&before, &desired, &seen(service())).1, "True");
    assert_eq!(reported(&[], &desired, &Observed::default()).1, "False");
    // The observations of the reconciliation before its failure count.
    let rebuilding = ObservedService { state: ServiceState::Rebuilding, ..service() };
    let stale = ConnectionSecret::Ours { current: false, immutable: false };
    for observed in [
        Observed { absence_is_certain: true, ..nothing() },
        seen(rebuilding),
        Observed { unsettled: true, ..seen(service()) },
        Observed { secret: stale, ..seen(service()) },
    ] {
        assert_eq!(reported(&before, &desired, &observed).1, "False", "{observed:?}");
    }
    let deleting = resource(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert_eq!(reported(&before, &deleting, &Observed::default()).1, "False");
}

#[test]
fn thousands_of_broken_rules_make_a_short_message() {
    let mut desired = resource(json!({}));
    desired.violations = (0..8000)
        .map(|index| Violation { rule: format!("{index}{}", "x".repeat(2000)), ..violation("field") })
        .collect();
    let report = decide(&desired, &seen(service())).report;
    assert!(report.message.ends_with("; and 7990 more."), "{}", report.message.len());
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    for condition in conditions::next(&[], &report, 3, now) {
        assert!(
            condition.message.chars().count() <= 4097,
            "{}: {}",
            condition.type_,
            condition.message.len()
        );
    }
}
