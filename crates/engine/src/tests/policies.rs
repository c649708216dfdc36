//! Where more than one behaviour is right, and what a service is made from.

use super::*;

#[test]
fn a_copy_waits_for_a_source_that_can_be_copied() {
    let spec = json!({"spec": {"userConfig": {"service_to_fork_from": "origin"}}});
    let with = |source| Observed { source, ..nothing() };
    let fork = new_resource(spec);
    assert_eq!(outcome(&fork, &with(Source::Unknown)).0, "observe source");
    for source in [Source::Missing, Source::NotServing("POWEROFF".to_owned()), Source::WithoutBackup] {
        let decision = decide(&fork, &with(source));
        assert_eq!((decision.step.name(), decision.report.reason), ("wait", reason::SOURCE_NOT_READY));
        assert!(
            decision.report.message.contains("service origin in project p"),
            "{}",
            decision.report.message
        );
    }
    assert_eq!(outcome(&fork, &with(Source::Ready)).0, "add finalizer");
}

#[test]
fn drift_is_reported_per_field_and_corrected_unless_report_only() {
    let changed =
        ObservedService { plan: "business-4".to_owned(), state: ServiceState::Running, ..service() };
    let decision = decide(&resource(json!({})), &seen(changed.clone()));
    assert_eq!((decision.step.name(), decision.report.reason), ("update", reason::DRIFT));
    assert!(decision.report.message.contains("spec.plan is \"business-4\", not \"startup-4\""));
    let reporting = resource(json!({"spec": {"driftPolicy": "Report"}}));
    let decision = decide(&reporting, &seen(changed.clone()));
    assert_eq!((decision.step.name(), decision.report.ready), ("done", Ready::Yes));
    assert_eq!(decision.report.drift.unwrap().fields[0].field, "spec.plan");
    // An edit of the spec is no drift.
    let report = |plan: &str| json!({"spec": {"driftPolicy": "Report", "plan": plan}});
    assert_eq!(
        outcome(&edited(report("startup-8"), report("startup-4")), &seen(changed)).1,
        reason::UPDATING
    );
    let asleep = ObservedService { state: ServiceState::PoweredOff, ..service() };
    assert_eq!(outcome(&resource(json!({})), &seen(asleep)).1, reason::DRIFT);
}

#[test]
fn policies_change_what_is_done_and_nothing_else() {
    let always = resource(json!({"spec": {"recreatePolicy": "Always"}}));
    let certain = Observed { absence_is_certain: true, ..nothing() };
    assert_eq!(outcome(&always, &certain).0, "create");
    let off = json!({"spec": {"powered": false, "powerOffPolicy": "AcceptDataLoss"}});
    let without_backup = ObservedService { backups: 0, ..service() };
    assert_eq!(patch(&resource(off), without_backup.clone()), json!({"powered": false}));
    let mut never = ObservedService { is_replica: true, ..without_backup };
    let waiting = decide(&resource(json!({"spec": {"powered": false}})), &seen(never.clone()));
    assert!(waiting.report.message.contains("powerOffPolicy"), "{}", waiting.report.message);
    never.is_replica = false;
    let paused =
        json!({"metadata": {"annotations": {names::PAUSED: "true"}, "generation": 9}, "spec": {"plan": "x"}});
    let decision = decide(&resource(paused), &seen(service()));
    assert_eq!((decision.step.name(), decision.report.paused), ("refuse", true));
    let deleting = |spec: Value| {
        resource(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec}))
    };
    assert_eq!(
        outcome(&deleting(json!({"deletionPolicy": "Orphan"})), &seen(service())).0,
        "release finalizer"
    );
    assert_eq!(outcome(&deleting(json!({"deletionPolicy": "Delete"})), &seen(service())).0, "delete");
    assert_eq!(
        outcome(&deleting(json!({"deletionPolicy": "Keep"})), &seen(service())).1,
        reason::UNKNOWN_DELETION_POLICY
    );
}

#[test]
fn disk_space_is_left_to_an_autoscaler() {
    let managed = ObservedService { disk_is_managed: true, ..service() };
    let wanting = resource(json!({"spec": {"disk_space": "80GiB"}}));
    assert_eq!(
        outcome(&wanting, &seen(managed.clone())),
        ("refuse", reason::DISK_SPACE_MANAGED, Ready::Stuck)
    );
    assert_eq!(outcome(&resource(json!({})), &seen(managed)).0, "done");
}
