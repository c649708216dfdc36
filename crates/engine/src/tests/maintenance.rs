//! Maintenance that a user wants now.

use super::*;

const ASKED: &str = "valkeeper.io/apply-maintenance";

fn asking(value: &str, handled: Option<&str>) -> Desired {
    resource(json!({
        "metadata": {"annotations": {ASKED: value}},
        "status": {"lastHandledApplyMaintenance": handled},
    }))
}

#[test]
fn maintenance_starts_once_per_value_on_a_running_service() {
    let now = asking("now", None);
    assert_eq!(outcome(&now, &seen(service())), ("start maintenance", reason::UPDATING, Ready::Progressing));
    let cached = Observed { object_is_live: false, ..seen(service()) };
    assert_eq!(outcome(&now, &cached).0, "observe object", "the request may be withdrawn");
    let building = ObservedService { state: ServiceState::Rebuilding, ..service() };
    assert_eq!(outcome(&now, &seen(building)).0, "wait");
    assert_eq!(outcome(&now, &Observed { unsettled: true, ..seen(service()) }).0, "wait");
    let started = Observed { maintenance_started: true, ..seen(service()) };
    assert_eq!(outcome(&now, &started).0, "done");
    assert_eq!(outcome(&asking("now", Some("now")), &seen(service())).0, "done");
    assert_eq!(outcome(&asking("", None), &seen(service())).0, "done");
    assert_eq!(outcome(&asking("later", Some("now")), &seen(service())).0, "start maintenance");
    let restored = new_resource(json!({"metadata": {"annotations": {ASKED: "now"}}}));
    assert_eq!(restored.maintenance_request, None, "it came with the resource");
}

#[test]
fn what_is_declared_comes_before_maintenance() {
    let larger = json!({"metadata": {"annotations": {ASKED: "now"}}, "spec": {"plan": "business-8"}});
    assert_eq!(outcome(&edited(json!({}), larger), &seen(service())).0, "update");
    let off = resource(json!({"metadata": {"annotations": {ASKED: "now"}}, "spec": {"powered": false}}));
    assert_eq!(outcome(&off, &seen(service())).0, "update", "it is powered off");
    let is_off = ObservedService { state: ServiceState::PoweredOff, ..service() };
    assert_ne!(outcome(&off, &seen(is_off)).0, "start maintenance");
}
