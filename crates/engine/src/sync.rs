//! The conditions that report how far operator and provider agree, whatever `Ready` is: `Synced` (the last
//! reconciliation succeeded) and `Drifted` (declared fields have other values). A continuing outage changes neither
//! of them twice.

use super::{
    difference,
    report::{DriftSeen, Ready, Report},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use valkeeper_api::names::{condition, reason};

/// Status, reason and message of a condition.
pub(super) type Content = (&'static str, &'static str, String);

/// The condition `Synced` after `report`; none leaves it unchanged.
pub(super) fn synced(before: Option<&Condition>, report: &Report, generation: i64) -> Option<Content> {
    let uncertain = report.fleeting || report.reason == reason::EXTERNAL_MISSING;
    if report.ready == Ready::Unchanged && uncertain {
        return None;
    }
    if succeeded(report) {
        let message = "The last reconciliation succeeded.".to_owned();
        return Some(("True", reason::RECONCILE_SUCCEEDED, message));
    }
    let same = |before: &Condition| {
        before.status == "False"
            && before.reason == report.reason
            && before.observed_generation == Some(generation)
    };
    if report.ready == Ready::Unchanged && before.is_some_and(same) {
        // Failures of one reason differ in their texts; each text would be a write.
        return None;
    }
    Some(("False", report.reason, report.message.clone()))
}

/// The condition `Drifted` after `report`; none leaves it unchanged.
pub(super) fn drifted(report: &Report) -> Option<Content> {
    if let Some(drift) = &report.drift {
        return Some(("True", reason::DRIFT, drift_message(drift)));
    }
    let compared = report.compared && report.ready == Ready::Yes && !report.failed;
    // One that is only observed is never ready.
    let observed = report.reason == reason::OBSERVING;
    let none = || ("False", reason::IN_SYNC, "All declared fields are as declared.".to_owned());
    (compared || observed).then(none)
}

/// What users read of drift.
#[must_use]
pub fn drift_message(drift: &DriftSeen) -> String {
    let fields = difference::summary(&drift.fields);
    if drift.corrected {
        return format!("Reverting what was changed at Aiven: {fields}.");
    }
    format!(
        "Service and spec differ: {fields}. The operator only reports it (spec.driftPolicy, spec.adoptionPolicy)."
    )
}

/// The event when reconciliations succeed again and no other event reports it. `last_reported` is the reason of the
/// failure in the last event, if there was one.
pub fn recovery(before: &[Condition], last_reported: Option<&str>, report: &Report) -> Option<&'static str> {
    let find = |type_: &str| before.iter().find(|condition| condition.type_ == type_);
    let failed = find(condition::SYNCED).filter(|synced| synced.status == "False");
    let failed = failed.map(|synced| synced.reason.as_str()).or(last_reported)?;
    let same = find(condition::READY).is_some_and(|ready| ready.reason == report.reason);
    if !succeeded(report) || !same {
        return None;
    }
    Some(match failed {
        reason::PROVIDER_UNAVAILABLE => "Aiven is reachable again.",
        reason::THROTTLED => "Aiven accepts requests again.",
        reason::PAUSED => "Reconciliation resumed.",
        _ => "Reconciliation succeeds again.",
    })
}

/// Whether nothing failed, was refused, or waits for an edit.
fn succeeded(report: &Report) -> bool {
    !report.failed && !report.paused && matches!(report.ready, Ready::Yes | Ready::Progressing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use valkeeper_api::status::DriftedField;

    fn report(ready: Ready, reason: &'static str) -> Report {
        Report { compared: true, ..Report::new(ready, reason, "m") }
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        let time =
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: Some(1),
            last_transition_time: time,
        }
    }

    #[test]
    fn synced_is_false_after_failures_and_while_stuck_or_paused() {
        let paused = Report { paused: true, ..report(Ready::Unchanged, reason::PAUSED) };
        for (report, status) in [
            (report(Ready::Yes, reason::RUNNING), Some("True")),
            (report(Ready::Progressing, reason::BUILDING), Some("True")),
            (report(Ready::Progressing, reason::PROVIDER_UNAVAILABLE).of_a_failure(1), Some("False")),
            (report(Ready::Unchanged, reason::PROVIDER_UNAVAILABLE).of_a_failure(1), None),
            (report(Ready::Unchanged, reason::PROVIDER_UNAVAILABLE).of_a_failure(2), Some("False")),
            (report(Ready::Unchanged, reason::PROVIDER_UNAVAILABLE), Some("False")),
            (report(Ready::Stuck, reason::TOKEN_REJECTED), Some("False")),
            (report(Ready::Unchanged, reason::EXTERNAL_MISSING), None),
            (paused, Some("False")),
        ] {
            assert_eq!(synced(None, &report, 1).map(|content| content.0), status, "{report:?}");
        }
    }

    #[test]
    fn outage_that_goes_on_changes_synced_once() {
        let before = condition(condition::SYNCED, "False", reason::PROVIDER_UNAVAILABLE);
        let outage = report(Ready::Unchanged, reason::PROVIDER_UNAVAILABLE).of_a_failure(3);
        assert_eq!(synced(Some(&before), &outage, 1), None);
        assert!(synced(Some(&before), &outage, 2).is_some(), "the spec has changed");
        assert!(synced(Some(&before), &report(Ready::Unchanged, reason::THROTTLED), 1).is_some());
    }

    #[test]
    fn drifted_names_both_values_and_ends_when_ready() {
        let field = DriftedField {
            field: "spec.plan".to_owned(),
            declared: "\"startup-4\"".to_owned(),
            found: "\"business-4\"".to_owned(),
        };
        let drift = Some(DriftSeen { corrected: false, fields: vec![field] });
        let (status, reason, message) =
            drifted(&Report { drift, ..report(Ready::Yes, reason::RUNNING) }).unwrap();
        assert_eq!((status, reason), ("True", reason::DRIFT));
        assert!(message.contains("spec.plan is \"business-4\", not \"startup-4\""), "{message}");
        assert_eq!(drifted(&report(Ready::Progressing, reason::UPDATING)), None);
        assert_eq!(drifted(&report(Ready::Yes, reason::RUNNING)).unwrap().0, "False");
        assert_eq!(drifted(&report(Ready::Yes, reason::RUNNING).of_a_failure(1)), None);
    }

    #[test]
    fn recovery_event_is_emitted_when_no_other_event_reports_it() {
        let ready = condition(condition::READY, "True", reason::RUNNING);
        let before = [condition(condition::SYNCED, "False", reason::PROVIDER_UNAVAILABLE), ready.clone()];
        assert!(recovery(&before, None, &report(Ready::Yes, reason::RUNNING)).is_some());
        assert!(
            recovery(&before, None, &report(Ready::Progressing, reason::BUILDING)).is_none(),
            "an event of its own"
        );
        assert!(recovery(&before, None, &report(Ready::Unchanged, reason::THROTTLED)).is_none());
        assert!(recovery(std::slice::from_ref(&ready), None, &report(Ready::Yes, reason::RUNNING)).is_none());
        let once = recovery(&[ready], Some(reason::THROTTLED), &report(Ready::Yes, reason::RUNNING));
        assert_eq!(once, Some("Aiven accepts requests again."));
    }
}
