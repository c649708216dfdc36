//! Decisions by table: every stage of a service's life, and what must never be decided.

use super::{decide, *};
use crate::api::{
    Valkey,
    names::{self, condition, reason},
};
use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

const UID: &str = "0f8e6a52-0000-4000-8000-000000000001";

/// A resource that has been through everything: finalizer, status, annotations.
fn resource(changes: Value) -> Desired {
    let mut object = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
        "metadata": {
            "name": "cache", "namespace": "ns", "uid": UID, "generation": 3,
            "finalizers": [names::FINALIZER],
            "annotations": {names::GENERATION_PROCESSED: "3", names::INSTANCE_RUNNING: "true"},
        },
        "spec": {"project": "p", "plan": "startup-4"},
        "status": {
            "conditions": [{"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "declaredFields": ["plan"],
        },
    });
    merge(&mut object, changes);
    Desired::of(&serde_json::from_value::<Valkey>(object).unwrap(), Defaults::default())
}

/// The same before the first pass.
fn new_resource(changes: Value) -> Desired {
    let mut fresh = json!({"metadata": {"finalizers": null, "annotations": null}, "status": null});
    merge(&mut fresh, changes);
    resource(fresh)
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, changes) => *target = changes,
    }
}

fn service() -> ObservedService {
    ObservedService {
        service_type: "valkey".to_owned(),
        state: ServiceState::Running,
        plan: "startup-4".to_owned(),
        cloud: Some("google-europe-west1".to_owned()),
        project_vpc_id: None,
        disk_space_mb: Some(16384),
        maintenance: Maintenance { day: Some("sunday".to_owned()), time: Some("11:00:00".to_owned()) },
        technical_emails: Vec::new(),
        termination_protection: false,
        tags: [(names::OWNER_TAG.to_owned(), UID.to_owned())].into(),
        user_config: json!({
            "ip_filter": ["0.0.0.0/0", "::/0"], "valkey_timeout": 300, "valkey_ssl": true,
            "valkey_maxmemory_policy": "noeviction",
        })
        .as_object()
        .unwrap()
        .clone(),
        connection: Connection::from_parameters(|_| Some("x")),
        backups: 1,
        disk_is_managed: false,
        is_replica: false,
    }
}

fn seen(service: ObservedService) -> Observed {
    Observed {
        remote: Remote::Present(Box::new(service)),
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        object_is_live: true,
        token_is_held: true,
        ..Observed::default()
    }
}

fn nothing() -> Observed {
    Observed {
        remote: Remote::Absent,
        object_is_live: true,
        token_is_held: true,
        source: Source::Ready,
        ..Observed::default()
    }
}

fn patch(desired: &Desired, service: ObservedService) -> Value {
    match decide(desired, &seen(service)).step {
        Step::Update(patch) => serde_json::to_value(*patch).unwrap(),
        other => panic!("expected an update, got {other:?}"),
    }
}

fn outcome(desired: &Desired, observed: &Observed) -> (&'static str, &'static str, Ready) {
    let decision = decide(desired, observed);
    (decision.step.name(), decision.report.reason, decision.report.ready)
}

#[test]
fn the_way_of_a_new_service() {
    let fresh = new_resource(json!({}));
    assert_eq!(outcome(&fresh, &Observed::default()).0, "look");
    assert_eq!(outcome(&fresh, &nothing()).0, "add finalizer");
    let held = new_resource(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
    assert_eq!(outcome(&held, &nothing()).0, "create");
    let cached = Observed { object_is_live: false, ..nothing() };
    assert_eq!(outcome(&held, &cached).0, "look", "a cached object may be gone already");

    let building = ObservedService { state: ServiceState::Rebuilding, connection: None, ..service() };
    assert_eq!(outcome(&held, &seen(building)), ("wait", reason::BUILDING, Ready::Progressing));
    let absent = Observed { secret: ConnectionSecret::Absent, ..seen(service()) };
    assert_eq!(outcome(&held, &absent).0, "write secret");
    assert_eq!(outcome(&held, &seen(service())).0, "annotate");
    assert_eq!(outcome(&resource(json!({})), &seen(service())), ("done", reason::RUNNING, Ready::Yes));
}

#[test]
fn a_create_request_holds_what_the_spec_declares_and_the_owner() {
    let desired = new_resource(json!({
        "metadata": {"finalizers": [names::FINALIZER]},
        "spec": {"disk_space": "20", "tags": {"env": "test"}, "maintenanceWindowDow": "monday",
            "userConfig": {"service_to_fork_from": "source", "valkey_timeout": 10},
            "serviceIntegrations": [{"integrationType": "read_replica", "sourceServiceName": "other"}]},
    }));
    let Step::Create(request) = decide(&desired, &nothing()).step else { panic!() };
    assert_eq!(
        serde_json::to_value(*request).unwrap(),
        json!({
            "service_name": "cache", "service_type": "valkey", "plan": "startup-4", "project_vpc_id": null,
            "disk_space_mb": 20480, "maintenance": {"dow": "monday"},
            "tags": {"env": "test", names::OWNER_TAG: UID},
            "service_integrations": [{"integration_type": "read_replica", "source_service": "other"}],
            "user_config": {"service_to_fork_from": "source", "valkey_timeout": 10},
        })
    );
}

#[test]
fn only_differences_are_sent() {
    let table = [
        (json!({"plan": "business-4"}), json!({"plan": "business-4"})),
        (json!({"cloudName": "aws-eu-west-1"}), json!({"cloud": "aws-eu-west-1"})),
        (json!({"disk_space": "80GiB"}), json!({"disk_space_mb": 81920})),
        (
            json!({"maintenanceWindowDow": "friday", "maintenanceWindowTime": "11:00:00"}),
            json!({"maintenance": {"dow": "friday"}}),
        ),
        (json!({"terminationProtection": true}), json!({"termination_protection": true})),
        (
            json!({"technicalEmails": [{"email": "a@example.com"}]}),
            json!({"tech_emails": [{"email": "a@example.com"}]}),
        ),
        (json!({"projectVpcId": "vpc"}), json!({"project_vpc_id": "vpc"})),
        (
            json!({"userConfig": {"valkey_timeout": 1, "valkey_ssl": true}}),
            json!({"user_config": {"valkey_timeout": 1}}),
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(patch(&resource(json!({"spec": spec})), service()), expected, "{spec}");
    }
}

#[test]
fn a_spec_that_is_already_true_sends_nothing() {
    let same = [
        json!({"cloudName": "google-europe-west1", "disk_space": "16"}),
        json!({"maintenanceWindowDow": "sunday"}),
        json!({"userConfig": {"ip_filter": [{"network": "::/0"}, {"network": "0.0.0.0/0"}]}}),
        json!({"userConfig": {"service_to_fork_from": "source"}}),
    ];
    for spec in same {
        let desired = resource(json!({"spec": spec}));
        assert_eq!(outcome(&desired, &seen(service())).0, "done", "{spec}");
    }
}

#[test]
fn a_field_that_the_user_removed_is_reset_and_one_never_declared_is_left_alone() {
    let mut current = service();
    current.user_config.insert("valkey_timeout".to_owned(), json!(10));
    current.user_config.insert("backup_hour".to_owned(), json!(3));
    current.project_vpc_id = Some("vpc".to_owned());
    current.termination_protection = true;
    current.technical_emails = vec!["a@example.com".to_owned()];
    assert_eq!(outcome(&resource(json!({})), &seen(current.clone())).0, "done");

    let previously = json!([
        "plan",
        "userConfig.valkey_timeout",
        "userConfig.backup_hour",
        "projectVpcId",
        "terminationProtection",
        "technicalEmails"
    ]);
    let desired = resource(json!({"status": {"declaredFields": previously}}));
    assert_eq!(
        patch(&desired, current),
        json!({"user_config": {"valkey_timeout": 300, "backup_hour": null}, "project_vpc_id": null,
            "termination_protection": false, "tech_emails": []})
    );
}

#[test]
fn a_member_that_the_user_removed_goes_with_its_whole_value() {
    let mut current = service();
    current.user_config.insert("public_access".to_owned(), json!({"valkey": true, "prometheus": true}));
    let desired = resource(json!({
        "spec": {"userConfig": {"public_access": {"valkey": true}}},
        "status": {"declaredFields": ["plan", "userConfig.public_access", "userConfig.public_access.prometheus"]},
    }));
    assert_eq!(patch(&desired, current), json!({"user_config": {"public_access": {"valkey": true}}}));
}

#[test]
fn tags_are_exact_but_marks_of_ownership_stay() {
    let mut current = service();
    current.tags.insert("old".to_owned(), "1".to_owned());
    let tags = |desired: &Desired| match decide(desired, &seen(current.clone())).step {
        Step::ReplaceTags(tags) => Some(serde_json::to_value(tags).unwrap()),
        _ => None,
    };
    assert_eq!(tags(&resource(json!({}))), None, "undeclared tags are other people's");
    let declared = resource(json!({"spec": {"tags": {"env": "test"}}}));
    assert_eq!(tags(&declared), Some(json!({"env": "test", names::OWNER_TAG: UID})));
    let removed = resource(json!({"status": {"declaredFields": ["plan", "tags"]}}));
    assert_eq!(tags(&removed), Some(json!({names::OWNER_TAG: UID})));
}

#[test]
fn a_service_of_somebody_else_is_never_touched() {
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
    // What the replaced operator created has no mark, but its object says so.
    let inherited = ObservedService { plan: "startup-4".to_owned(), ..unmarked };
    assert_eq!(outcome(&resource(json!({})), &seen(inherited)).0, "done");
}

#[test]
fn a_service_that_vanished_is_not_silently_replaced_by_an_empty_one() {
    assert_eq!(outcome(&resource(json!({})), &nothing()), ("refuse", reason::EXTERNAL_MISSING, Ready::Stuck));
}

#[test]
fn power_follows_the_spec_when_that_is_safe() {
    let off = resource(json!({"spec": {"powered": false}}));
    assert_eq!(patch(&off, service()), json!({"powered": false}));
    let without_backup = ObservedService { backups: 0, ..service() };
    assert_eq!(
        outcome(&off, &seen(without_backup)),
        ("wait", reason::WAITING_FOR_BACKUP, Ready::Progressing)
    );
    let protected = ObservedService { termination_protection: true, ..service() };
    assert_eq!(outcome(&off, &seen(protected)).1, reason::TERMINATION_PROTECTED);
    let building = ObservedService { state: ServiceState::Rebuilding, ..service() };
    assert_eq!(outcome(&off, &seen(building)).0, "wait");

    let asleep = ObservedService { state: ServiceState::PoweredOff, connection: None, ..service() };
    assert_eq!(outcome(&off, &seen(asleep.clone())), ("annotate", reason::POWERED_OFF, Ready::Yes));
    assert_eq!(patch(&resource(json!({})), asleep), json!({"powered": true}));
}

#[test]
fn an_update_is_sent_once_and_one_without_effect_is_told() {
    let desired = resource(json!({"spec": {"plan": "business-4"}}));
    let sent = Some(ServicePatch { plan: Some("business-4".to_owned()), ..ServicePatch::default() });
    let later = Observed { sent, ..seen(service()) };
    assert_eq!(outcome(&desired, &seen(service())).0, "update");
    assert_eq!(outcome(&desired, &Observed { unsettled: true, ..later.clone() }).0, "wait");
    assert_eq!(outcome(&desired, &later), ("refuse", reason::NOT_APPLIED, Ready::Stuck));
    let other = resource(json!({"spec": {"plan": "business-8"}}));
    assert_eq!(outcome(&other, &later).0, "update", "another wish is another update");
}

#[test]
fn running_right_after_a_change_is_not_believed() {
    let early = Observed { unsettled: true, ..seen(service()) };
    assert_eq!(outcome(&resource(json!({})), &early), ("wait", reason::UPDATING, Ready::Progressing));
}

#[test]
fn a_secret_is_written_only_when_it_is_ours_and_known_in_full() {
    let desired = resource(json!({}));
    let with = |secret| Observed { secret, ..seen(service()) };
    let foreign = with(ConnectionSecret::Foreign { owner: "belongs to Deployment x".to_owned() });
    assert_eq!(outcome(&desired, &foreign), ("refuse", reason::SECRET_CONFLICT, Ready::Stuck));
    let frozen = with(ConnectionSecret::Ours { current: false, immutable: true });
    assert_eq!(outcome(&desired, &frozen).1, reason::SECRET_IMMUTABLE);
    assert_eq!(
        outcome(&desired, &with(ConnectionSecret::Ours { current: false, immutable: false })).0,
        "write secret"
    );
    for hidden in ["", "<redacted>"] {
        let connection =
            Connection::from_parameters(|name| Some(if name == "password" { hidden } else { "x" }));
        assert!(connection.is_none());
        let observed = seen(ObservedService { connection, ..service() });
        assert_eq!(outcome(&desired, &observed).1, reason::CREDENTIALS_UNAVAILABLE);
    }
    let disabled = resource(json!({"spec": {"connInfoSecretTargetDisabled": true}}));
    assert_eq!(outcome(&disabled, &with(ConnectionSecret::Unknown)).0, "done");
}

#[test]
fn deletion_waits_until_nothing_is_left() {
    let deleting = |changes: Value| {
        let mut all = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        merge(&mut all, changes);
        resource(all)
    };
    let plain = deleting(json!({}));
    assert_eq!(outcome(&plain, &Observed::default()).0, "look");
    assert_eq!(outcome(&plain, &seen(service())).0, "delete");
    assert_eq!(outcome(&plain, &Observed { object_is_live: false, ..seen(service()) }).0, "look");
    assert_eq!(outcome(&plain, &Observed { deletion_requested: true, ..seen(service()) }).0, "wait");
    assert_eq!(outcome(&plain, &nothing()).0, "wait", "one answer may be wrong");
    let certain = Observed { absence_is_certain: true, ..nothing() };
    assert_eq!(outcome(&plain, &certain).0, "release finalizer");
    assert_eq!(outcome(&deleting(json!({"metadata": {"finalizers": []}})), &nothing()).0, "done");
    let releasing = deleting(json!({"metadata": {"annotations": {names::SERVICE_SETTLED: UID}}}));
    assert_eq!(outcome(&releasing, &Observed::default()).0, "release finalizer", "without another look");
    let copied = deleting(json!({"metadata": {"annotations": {names::SERVICE_SETTLED: "another"}}}));
    assert_eq!(outcome(&copied, &Observed::default()).0, "look");

    let protected = ObservedService { termination_protection: true, ..service() };
    let guarded = deleting(json!({"spec": {"terminationProtection": true}}));
    assert_eq!(outcome(&guarded, &seen(service())), ("refuse", reason::TERMINATION_PROTECTED, Ready::Stuck));
    assert_eq!(outcome(&plain, &seen(protected.clone())).1, reason::TERMINATION_PROTECTED);
    let lifted = deleting(json!({"spec": {"terminationProtection": false}}));
    assert_eq!(patch(&lifted, protected), json!({"termination_protection": false}));

    let policy =
        |value: &str| deleting(json!({"metadata": {"annotations": {names::DELETION_POLICY: value}}}));
    assert_eq!(outcome(&policy("Orphan"), &Observed::default()).0, "release finalizer");
    assert_eq!(
        outcome(&policy("orphan"), &seen(service())),
        ("refuse", reason::UNKNOWN_DELETION_POLICY, Ready::Stuck)
    );
}

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
    let desired = resource(json!({}));
    let report = decide(&desired, &seen(service())).report;
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let before = conditions::next(&[], &report, 3, now);
    let failure = Failure { reason: reason::PROVIDER_UNAVAILABLE, message: "down".to_owned(), passing: true };
    let told = |before: &[_], desired: &Desired, observed: &Observed| {
        let next = conditions::next(before, &Report::failed(&failure, desired, observed), 3, now);
        let ready = next.iter().find(|entry| entry.type_ == condition::READY).unwrap();
        (next.clone(), ready.status.clone())
    };
    assert_eq!(told(&before, &desired, &Observed::default()).0, before);
    assert_eq!(told(&before, &desired, &seen(service())).1, "True");
    assert_eq!(told(&[], &desired, &Observed::default()).1, "False");
    // What the pass has learnt before it failed counts.
    let rebuilding = ObservedService { state: ServiceState::Rebuilding, ..service() };
    let stale = ConnectionSecret::Ours { current: false, immutable: false };
    for observed in [
        nothing(),
        seen(rebuilding),
        Observed { unsettled: true, ..seen(service()) },
        Observed { secret: stale, ..seen(service()) },
    ] {
        assert_eq!(told(&before, &desired, &observed).1, "False", "{observed:?}");
    }
    let deleting = resource(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert_eq!(told(&before, &deleting, &Observed::default()).1, "False");
}

fn any_service() -> impl Strategy<Value = ObservedService> {
    let state = prop_oneof![
        Just(ServiceState::Running),
        Just(ServiceState::Rebuilding),
        Just(ServiceState::Rebalancing),
        Just(ServiceState::PoweredOff),
        Just(ServiceState::Other("NEW".to_owned())),
    ];
    let owner = prop_oneof![Just(None), Just(Some(UID)), Just(Some("another"))];
    (state, owner, any::<bool>(), any::<bool>(), 0_usize..2, any::<bool>()).prop_map(
        |(state, owner, typed, protected, backups, connected)| ObservedService {
            state,
            service_type: if typed { "valkey" } else { "pg" }.to_owned(),
            tags: owner.map(|uid| (names::OWNER_TAG.to_owned(), uid.to_owned())).into_iter().collect(),
            termination_protection: protected,
            backups,
            connection: Connection::from_parameters(|_| connected.then_some("x")),
            ..service()
        },
    )
}

#[test]
fn a_copy_waits_for_a_source_that_can_be_copied() {
    let spec = json!({"spec": {"userConfig": {"service_to_fork_from": "origin"}}});
    let with = |source| Observed { source, ..nothing() };
    let fork = new_resource(spec);
    assert_eq!(outcome(&fork, &with(Source::Unknown)).0, "look");
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
fn adoption_is_asked_for_and_happens_once() {
    let unmarked = ObservedService { tags: [("team".to_owned(), "blue".to_owned())].into(), ..service() };
    let adopting = json!({"spec": {"adoptionPolicy": "Adopt"}});
    assert_eq!(outcome(&new_resource(adopting.clone()), &seen(unmarked.clone())).0, "add finalizer");
    let mut held = adopting.clone();
    held["metadata"]["finalizers"] = json!([names::FINALIZER]);
    let Step::ReplaceTags(tags) = decide(&new_resource(held.clone()), &seen(unmarked.clone())).step else {
        panic!()
    };
    assert_eq!(serde_json::to_value(tags).unwrap(), json!({"team": "blue", names::OWNER_TAG: UID}));
    let stale = Observed { object_is_live: false, ..seen(unmarked.clone()) };
    assert_eq!(outcome(&new_resource(held), &stale).0, "look");
    // Somebody else adopted it later: that is not undone.
    let taken =
        ObservedService { tags: [(names::OWNER_TAG.to_owned(), "other".to_owned())].into(), ..unmarked };
    assert_eq!(outcome(&resource(adopting), &seen(taken)), ("refuse", reason::NOT_OWNED, Ready::Stuck));
}

#[test]
fn a_mark_reaches_an_inherited_service_with_the_next_edit_and_not_before() {
    let inherited = ObservedService { tags: [].into(), ..service() };
    assert_eq!(outcome(&resource(json!({})), &seen(inherited.clone())).0, "done");
    let edited = resource(json!({"metadata": {"generation": 4}}));
    assert_eq!(outcome(&edited, &seen(inherited)).0, "replace tags");
}

#[test]
fn a_redis_that_became_valkey_says_what_to_do() {
    let mut redis = resource(json!({}));
    redis.kind = crate::api::Kind::Redis;
    let decision = decide(&redis, &seen(service()));
    assert_eq!(decision.report.reason, reason::WRONG_SERVICE_TYPE);
    for part in ["turned service cache", "deletion-policy: Orphan", "adoptionPolicy: Adopt", "REDIS_"] {
        assert!(decision.report.message.contains(part), "{part}: {}", decision.report.message);
    }
}

#[test]
fn drift_is_told_field_by_field_and_corrected_unless_the_user_wants_it_reported_only() {
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
    let edited = resource(json!({"metadata": {"generation": 4}, "spec": {"driftPolicy": "Report"}}));
    assert_eq!(outcome(&edited, &seen(changed)).1, reason::UPDATING);
    let asleep = ObservedService { state: ServiceState::PoweredOff, ..service() };
    assert_eq!(outcome(&resource(json!({})), &seen(asleep)).1, reason::DRIFT);
}

#[test]
fn policies_change_what_is_done_and_nothing_else() {
    let always = resource(json!({"spec": {"recreatePolicy": "Always"}}));
    assert_eq!(outcome(&always, &nothing()).0, "create");
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

#[test]
fn a_migration_is_followed_to_its_end() {
    let migrating =
        resource(json!({"spec": {"userConfig": {"migration": {"host": "h", "port": 1, "password": "p"}}}}));
    let mut current = service();
    current.user_config.insert(
        "migration".to_owned(),
        json!({"host": "h", "port": 1, "password": "<redacted>", "ssl": true}),
    );
    let at = |state| Observed { migration: Some(state), ..seen(current.clone()) };
    let running = decide(&migrating, &at(MigrationState::Running("syncing".to_owned())));
    assert_eq!(running.step.name(), "wait");
    assert!(running.report.password_exposed);
    let done = decide(&migrating, &at(MigrationState::Done));
    assert_eq!(done.step.name(), "done");
    assert!(matches!(done.report.migration, MigrationNote::Now { complete: true, .. }));
    let failed = decide(&migrating, &at(MigrationState::Failed("no route".to_owned())));
    assert!(matches!(
        failed.report.migration,
        MigrationNote::Now { complete: false, reason: reason::MIGRATION_FAILED, .. }
    ));
}

proptest! {
    #[test]
    fn whatever_was_seen_nothing_irreversible_happens_without_proof(
        service in any_service(), absent: bool, live: bool, finalizer: bool, deleting: bool,
        initialized: bool, powered: bool, plan in "[a-b]",
    ) {
        let mut changes = json!({"spec": {"powered": powered, "plan": plan}});
        if deleting { changes["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"); }
        if !finalizer { changes["metadata"]["finalizers"] = Value::Null; }
        if !initialized { changes["status"] = Value::Null; changes["metadata"]["annotations"] = Value::Null; }
        let desired = resource(changes);
        let remote = if absent { Remote::Absent } else { Remote::Present(Box::new(service.clone())) };
        let observed = Observed { remote, object_is_live: live, token_is_held: true, ..Observed::default() };
        let ours = service.tags.get(names::OWNER_TAG).map_or(initialized, |owner| owner == UID);
        let decision = decide(&desired, &observed);
        match decision.step {
            Step::Create(_) => prop_assert!(absent && live && finalizer && !deleting && !initialized),
            Step::Delete => prop_assert!(!absent && live && deleting && ours && service.service_type == "valkey"
                && !service.termination_protection),
            Step::Update(_) | Step::ReplaceTags(_) => prop_assert!(!absent && ours && finalizer && service.service_type == "valkey"),
            Step::WriteSecret(_) => prop_assert!(service.connection.is_some() && ours && !deleting),
            Step::ReleaseFinalizer => prop_assert!(deleting && (absent || !ours || service.service_type != "valkey")),
            _ => {}
        }
        prop_assert!(decision.report.ready != Ready::Yes || matches!(decision.step, Step::Done | Step::Annotate(_)));
    }
}
