//! What is said of a resource.

use super::*;
use chrono::DateTime;

#[test]
fn conditions_that_say_the_same_come_out_equal() {
    let report = decide(&resource(json!({})), &seen(service())).report;
    let at = |seconds| DateTime::from_timestamp(seconds, 5_000).unwrap();
    let first = conditions::next(&[], &report, 3, at(1_700_000_000));
    assert_eq!(conditions::next(&first, &report, 3, at(1_800_000_000)), first);
    let types: Vec<_> =
        first.iter().map(|condition| (condition.type_.as_str(), condition.status.as_str())).collect();
    assert_eq!(types, [("Initialized", "True"), ("Ready", "True"), ("Running", "True")]);
}

#[test]
fn an_outage_does_not_take_ready_back() {
    let report = decide(&resource(json!({})), &seen(service())).report;
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let before = conditions::next(&[], &report, 3, now);
    let failure = Failure { reason: reason::PROVIDER_UNAVAILABLE, message: "down".to_owned(), passing: true };
    assert_eq!(conditions::next(&before, &Report::failed(&failure), 3, now), before);
    let first = conditions::next(&[], &Report::failed(&failure), 3, now);
    assert_eq!((first[0].type_.as_str(), first[0].status.as_str()), (condition::READY, "False"));
}
