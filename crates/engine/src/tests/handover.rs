//! A `Valkey` takes over the `Redis` of its name: what each of the two does, by what is there.

use super::*;
use proptest::prelude::*;
use valkeeper_api::Redis;

const REDIS: &str = "0f8e6a52-0000-4000-8000-000000000002";

/// A `Valkey` that takes over, with its declarations recorded.
fn successor(changes: Value) -> Desired {
    let mut fresh = json!({"spec": {"migrateFrom": {"redis": "cache"}}, "status": {"conditions": []},
        "metadata": {"annotations": null}});
    merge(&mut fresh, changes);
    let mut desired = resource(fresh);
    let pending = declared_by(&desired).into_keys().map(|path| (path, String::new())).collect();
    remember(&mut desired, pending);
    desired
}

fn service_of(service_type: &str, owner: Option<&str>) -> ObservedService {
    let tags = owner.map(|owner| (names::OWNER_TAG.to_owned(), owner.to_owned()));
    ObservedService { service_type: service_type.to_owned(), tags: tags.into_iter().collect(), ..service() }
}

fn predecessor() -> Predecessor {
    Predecessor::Present {
        uid: REDIS.to_owned(),
        project: "p".to_owned(),
        manages: true,
        secret: Some(("cache".to_owned(), "REDIS_".to_owned())),
    }
}

fn known(service: ObservedService) -> Observed {
    Observed { predecessor: predecessor(), ..seen(service) }
}

fn step(desired: &Desired, observed: &Observed) -> &'static str {
    decide(desired, observed).step.name()
}

#[test]
fn service_changes_its_type_before_it_changes_hands() {
    let desired = successor(json!({}));
    let table = [
        ("redis, not looked yet", seen(service_of("redis", Some(REDIS))), "observe predecessor"),
        ("redis of the Redis", known(service_of("redis", Some(REDIS))), "change type"),
        ("redis without a mark", known(service_of("redis", None)), "change type"),
        ("valkey of the Redis", known(service_of("valkey", Some(REDIS))), "patch tags"),
        ("valkey of its own", known(service_of("valkey", Some(UID))), "record"),
    ];
    for (name, observed, expected) in table {
        let found = step(&desired, &observed);
        assert!(
            found == expected || (expected == "record" && found != "change type" && found != "patch tags"),
            "{name}: {found}"
        );
    }
    let tags = match decide(&desired, &known(service_of("valkey", Some(REDIS)))).step {
        Step::PatchTags(tags) => tags,
        other => panic!("{other:?}"),
    };
    assert_eq!(tags[names::OWNER_TAG].as_deref(), Some(UID));
}

#[test]
fn nothing_happens_before_finalizer_live_object_and_record() {
    let observed = known(service_of("redis", Some(REDIS)));
    let unprotected = Desired { has_finalizer: false, ..successor(json!({})) };
    assert_eq!(step(&unprotected, &observed), "add finalizer");
    let stale = Observed { object_is_live: false, ..observed.clone() };
    assert_eq!(step(&successor(json!({})), &stale), "observe object");
    let unrecorded = Desired { record: None, ..successor(json!({})) };
    assert_eq!(step(&unrecorded, &observed), "record");
    let listed = Observed { listed: true, ..observed };
    assert_eq!(step(&successor(json!({})), &listed), "observe service", "a list changes nothing");
}

#[test]
fn obstacles_are_named_before_any_write() {
    let service = || service_of("redis", Some(REDIS));
    let other = |secret: Option<(&str, &str)>, project: &str| Predecessor::Present {
        uid: REDIS.to_owned(),
        project: project.to_owned(),
        manages: true,
        secret: secret.map(|(name, prefix)| (name.to_owned(), prefix.to_owned())),
    };
    let with = |predecessor| Observed { predecessor, ..seen(service()) };
    let owned =
        |owner: Option<&str>| Observed { owner: owner.map(str::to_owned), ..with(Predecessor::Absent) };
    let off = ObservedService { state: ServiceState::PoweredOff, ..service() };
    let unmanaged =
        Predecessor::Present { uid: REDIS.to_owned(), project: "p".to_owned(), manages: false, secret: None };
    let unmanaged = Observed { predecessor: unmanaged, ..seen(service_of("redis", None)) };
    let table = [
        (known(service_of("redis", Some("another"))), "does not belong to Redis cache"),
        (with(other(None, "elsewhere")), "spec.project"),
        (with(other(Some(("conn", "REDIS_")), "p")), "spec.connInfoSecretTarget.name: conn"),
        (with(other(Some(("cache", "OLD_")), "p")), "spec.connInfoSecretTarget.prefix: \"OLD_\""),
        (owned(Some("Valkey ns/other")), "belongs to Valkey ns/other"),
        // It may be one that no watch shows, or has not shown yet.
        (owned(None), "spec.adoptionPolicy: Adopt"),
        (unmanaged, "not managed by Redis cache"),
        (known(off), "powered off"),
    ];
    for (observed, text) in table {
        let decision = decide(&successor(json!({})), &observed);
        assert!(matches!(decision.step, Step::Refuse(_)), "{text}: {:?}", decision.step);
        assert_eq!(
            (decision.report.reason, decision.report.ready),
            (reason::MIGRATION_BLOCKED, Ready::Stuck)
        );
        assert!(decision.report.message.contains(text), "{}", decision.report.message);
    }
    let consenting = successor(json!({"spec": {"adoptionPolicy": "Adopt"}}));
    assert_eq!(step(&consenting, &owned(None)), "change type", "the user says that no other resource has it");
    let owned_by_other = owned(Some("Valkey ns/other"));
    assert_eq!(outcome(&consenting, &owned_by_other).1, reason::MIGRATION_BLOCKED);
    let untagged = Observed { predecessor: Predecessor::Absent, ..seen(service_of("redis", None)) };
    assert_eq!(step(&successor(json!({})), &untagged), "change type", "it was never marked");
    let untagged = Desired {
        policies: Policies { marks_ownership: false, ..successor(json!({})).policies },
        ..successor(json!({}))
    };
    assert_eq!(outcome(&untagged, &known(service())).1, reason::MIGRATION_BLOCKED);
}

#[test]
fn change_of_the_type_waits_for_a_backup_and_for_changes() {
    let without = ObservedService { backups: 0, ..service_of("redis", Some(REDIS)) };
    assert_eq!(outcome(&successor(json!({})), &known(without.clone())).1, reason::WAITING_FOR_BACKUP);
    let accepted = successor(json!({"spec": {"powerOffPolicy": "AcceptDataLoss"}}));
    assert_eq!(step(&accepted, &known(without.clone())), "change type");
    let mut volatile = without;
    volatile.user_config.insert("redis_persistence".to_owned(), json!("off"));
    assert_eq!(step(&successor(json!({})), &known(volatile)), "change type", "there is nothing to back up");
    let building = ObservedService { state: ServiceState::Rebuilding, ..service_of("redis", Some(REDIS)) };
    assert_eq!(step(&successor(json!({})), &known(building)), "wait");
    let unsettled = Observed { unsettled: true, ..known(service_of("redis", Some(REDIS))) };
    assert_eq!(step(&successor(json!({})), &unsettled), "wait");
}

#[test]
fn takeover_never_creates_a_service() {
    let fresh = Desired { initialized: false, initialized_in_status: false, ..successor(json!({})) };
    assert_eq!(outcome(&fresh, &nothing()), ("refuse", reason::MIGRATION_BLOCKED, Ready::Stuck));
}

#[test]
fn valkey_deleted_before_it_owns_the_service_deletes_nothing() {
    for service in
        [service_of("redis", Some(REDIS)), service_of("valkey", Some(REDIS)), service_of("redis", None)]
    {
        let deleting = Desired { deleting: true, initialized: false, ..successor(json!({})) };
        let found = step(&deleting, &known(service));
        assert_ne!(found, "delete", "{found}");
    }
}

fn redis(changes: Value) -> Desired {
    let mut object = json!({"apiVersion": "aiven.io/v1alpha1", "kind": "Redis",
        "metadata": {"name": "cache", "namespace": "ns", "uid": REDIS, "finalizers": [names::FINALIZER]},
        "spec": {"project": "p", "plan": "startup-4"},
        "status": {"conditions": [{"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    merge(&mut object, changes);
    Desired::of(&serde_json::from_value::<Redis>(object).unwrap(), Defaults::default())
}

fn taken_over() -> Observed {
    Observed { owner: Some("Valkey ns/cache".to_owned()), ..seen(service_of("valkey", Some(UID))) }
}

#[test]
fn redis_that_was_taken_over_does_nothing_and_says_so() {
    assert_eq!(outcome(&redis(json!({})), &taken_over()), ("done", reason::MIGRATED, Ready::Yes));
    let edited = redis(json!({"spec": {"plan": "business-4", "powered": false}}));
    assert_eq!(outcome(&edited, &taken_over()).0, "done");
    // The service of its successor is gone: it does not ask for another one.
    let condition = json!([{"type": "Ready", "status": "True", "reason": reason::MIGRATED, "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let before = redis(json!({"spec": {"recreatePolicy": "Always"}, "status": {"conditions": condition}}));
    let absent = Observed { absence_is_certain: true, ..nothing() };
    assert_eq!(outcome(&before, &absent), ("done", reason::MIGRATED, Ready::Yes));
}

#[test]
fn deleted_redis_waits_for_its_successor_and_deletes_nothing() {
    let deleting = Desired { deleting: true, ..redis(json!({})) };
    let own = |successor| Observed { successor, ..seen(service_of("redis", Some(REDIS))) };
    let upgraded = Observed { successor: Successor::Present, ..seen(service_of("valkey", Some(REDIS))) };
    let handed = |secret| Observed { secret, successor: Successor::Present, ..taken_over() };
    let ours = ConnectionSecret::Ours { current: true, immutable: false };
    let foreign = ConnectionSecret::Foreign { owner: "belongs to Valkey cache".to_owned() };
    let table = [
        ("not looked yet", own(Successor::Unknown), "observe successor"),
        ("nobody takes over", own(Successor::Absent), "delete"),
        ("a Valkey takes over", own(Successor::Present), "wait"),
        ("a Valkey of another project", own(Successor::Elsewhere("q".to_owned())), "wait"),
        ("the type has changed", upgraded, "wait"),
        ("the service belongs to another", taken_over(), "observe successor"),
        ("the service has changed hands", handed(ConnectionSecret::Unknown), "observe secret"),
        ("its Secret has not", handed(ours), "wait"),
        ("both have", handed(foreign), "release finalizer"),
    ];
    for (name, observed, expected) in table {
        assert_eq!(step(&deleting, &observed), expected, "{name}");
    }
}

#[test]
fn orphaned_redis_waits_until_its_secret_has_changed_hands() {
    let orphan = json!({"metadata": {"annotations": {(names::DELETION_POLICY): "Orphan"}}});
    let deleting = Desired { deleting: true, ..redis(orphan) };
    let ours = ConnectionSecret::Ours { current: true, immutable: false };
    let foreign = ConnectionSecret::Foreign { owner: "belongs to Valkey cache".to_owned() };
    let with = |successor, secret| Observed { secret, successor, ..seen(service_of("redis", Some(REDIS))) };
    let table = [
        ("not looked yet", with(Successor::Unknown, ConnectionSecret::Unknown), "observe successor"),
        ("no successor", with(Successor::Absent, ConnectionSecret::Unknown), "release finalizer"),
        ("a Valkey takes over", with(Successor::Present, ConnectionSecret::Unknown), "observe secret"),
        ("it has no Secret yet", with(Successor::Present, ours), "wait"),
        ("it has the Secret", with(Successor::Present, foreign), "release finalizer"),
    ];
    for (name, observed, expected) in table {
        assert_eq!(step(&deleting, &observed), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn type_changes_only_with_proof(
        is_redis: bool, owner in 0_usize..4, state in 0_usize..3, backups in 0_usize..2, live: bool, listed: bool,
        finalizer: bool, deleting: bool, unsettled: bool, present in 0_usize..3,
    ) {
        let owner = [None, Some(REDIS), Some(UID), Some("another")][owner];
        let state = [ServiceState::Running, ServiceState::Rebuilding, ServiceState::PoweredOff][state].clone();
        let service_type = if is_redis { "redis" } else { "valkey" };
        let service = ObservedService { state: state.clone(), backups, ..service_of(service_type, owner) };
        let seen_before = [Predecessor::Unknown, Predecessor::Absent, predecessor()][present].clone();
        let observed = Observed { listed, unsettled, object_is_live: live, predecessor: seen_before.clone(), ..seen(service) };
        let desired = Desired { deleting, has_finalizer: finalizer, ..successor(json!({})) };
        let proven = match seen_before {
            Predecessor::Unknown => false,
            // The resource is gone, and the service is not marked as another one's.
            Predecessor::Absent => matches!(owner, None | Some(UID)),
            Predecessor::Present { .. } => matches!(owner, None | Some(REDIS | UID)),
        };
        match decide(&desired, &observed).step {
            Step::ChangeType => prop_assert!(
                is_redis && proven && live && finalizer && !deleting && !listed && !unsettled && backups > 0
                    && state == ServiceState::Running
            ),
            Step::PatchTags(tags) if tags.contains_key(names::OWNER_TAG) => {
                prop_assert!(!is_redis && live && finalizer && !deleting && !listed && (proven || owner == Some(UID)));
            }
            Step::Create(_) => prop_assert!(false, "a takeover creates nothing"),
            Step::Delete => prop_assert!(!is_redis && owner == Some(UID) && deleting),
            _ => {}
        }
    }
}
