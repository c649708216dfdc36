//! Whose service it is.

use super::*;

#[test]
fn foreign_service_is_never_changed() {
    let unmarked = ObservedService { tags: [].into(), plan: "other".to_owned(), ..service() };
    let marked = ObservedService {
        tags: [(names::OWNER_TAG.to_owned(), "another".to_owned())].into(),
        ..unmarked.clone()
    };
    let typed = ObservedService { service_type: "pg".to_owned(), ..service() };
    let newcomer = new_resource(json!({}));
    let deleting = resource(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert_eq!(outcome(&newcomer, &seen(unmarked.clone())), ("refuse", reason::NOT_OWNED, Ready::Stuck));
    assert_eq!(outcome(&resource(json!({})), &seen(marked.clone())).1, reason::NOT_OWNED);
    assert_eq!(outcome(&resource(json!({})), &seen(typed.clone())).1, reason::WRONG_SERVICE_TYPE);
    for foreign in [marked, typed] {
        assert_eq!(outcome(&deleting, &seen(foreign)).0, "release finalizer");
    }
    // A service created by aiven-operator has no tag, but its object identifies it.
    let inherited = ObservedService { plan: "startup-4".to_owned(), ..unmarked };
    assert_eq!(outcome(&resource(json!({})), &seen(inherited)).0, "done");
}

#[test]
fn adoption_is_asked_for_and_happens_once() {
    let unmarked = ObservedService { tags: [("team".to_owned(), "blue".to_owned())].into(), ..service() };
    let adopting = json!({"spec": {"adoptionPolicy": "Adopt"}});
    assert_eq!(outcome(&new_resource(adopting.clone()), &seen(unmarked.clone())).0, "add finalizer");
    let mut held = adopting.clone();
    held["metadata"]["finalizers"] = json!([names::FINALIZER]);
    assert!(matches!(decide(&new_resource(held.clone()), &seen(unmarked.clone())).step, Step::Record { .. }));
    let Step::PatchTags(tags) = decided(&new_resource(held.clone()), &seen(unmarked.clone())).step else {
        panic!()
    };
    assert_eq!(serde_json::to_value(tags).unwrap(), json!({names::OWNER_TAG: UID}));
    let stale = Observed { object_is_live: false, ..seen(unmarked.clone()) };
    assert_eq!(outcome(&new_resource(held), &stale).0, "observe object");
    // Another resource adopted it later: that is not undone.
    let taken =
        ObservedService { tags: [(names::OWNER_TAG.to_owned(), "other".to_owned())].into(), ..unmarked };
    assert_eq!(outcome(&resource(adopting), &seen(taken)), ("refuse", reason::NOT_OWNED, Ready::Stuck));
}

#[test]
fn restored_resource_adopts_its_service_although_annotated() {
    let marked =
        ObservedService { tags: [(names::OWNER_TAG.to_owned(), "former".to_owned())].into(), ..service() };
    let restored = |spec| resource(json!({"status": null, "spec": spec}));
    let (left, taken) = (restored(json!({})), restored(json!({"adoptionPolicy": "Adopt"})));
    let report = decide(&left, &seen(marked.clone())).report;
    assert_eq!(report.reason, reason::NOT_OWNED);
    assert!(report.message.contains("set spec.adoptionPolicy: Adopt"), "{}", report.message);
    assert!(matches!(decide(&taken, &seen(marked)).step, Step::Record { .. }));
}

#[test]
fn ownership_tag_reaches_inherited_service_with_the_next_edit() {
    let inherited = ObservedService { tags: [].into(), ..service() };
    assert_eq!(outcome(&resource(json!({})), &seen(inherited.clone())).0, "done");
    let edited = resource(json!({"metadata": {"generation": 4}}));
    assert_eq!(outcome(&edited, &seen(inherited)).0, "patch tags");
}

#[test]
fn redis_upgraded_to_valkey_reports_the_action() {
    let mut redis = resource(json!({}));
    redis.kind = valkeeper_api::Kind::Redis;
    let decision = decide(&redis, &seen(service()));
    assert_eq!(decision.report.reason, reason::WRONG_SERVICE_TYPE);
    for part in ["upgraded service cache", "spec.migrateFrom.redis: cache"] {
        assert!(decision.report.message.contains(part), "{part}: {}", decision.report.message);
    }
}

#[test]
fn redis_beside_valkey_of_same_name_reports_the_owner() {
    let mut redis = resource(json!({}));
    redis.kind = valkeeper_api::Kind::Redis;
    let tags = [(names::OWNER_TAG.to_owned(), "another".to_owned())].into();
    let observed = seen(ObservedService { tags, ..service() });
    let message = |observed: &Observed| decide(&redis, observed).report.message;
    assert!(message(&observed).contains("belongs to a resource with uid another"));
    let named = Observed { owner: Some("Valkey ns/cache".to_owned()), ..observed };
    assert!(message(&named).contains("Valkey cache has taken over service cache"), "{}", message(&named));
    assert!(!message(&named).contains("upgraded"), "{}", message(&named));
}
