//! The stages of a service, from nothing to nothing.

use super::*;
use chrono::{DateTime, Utc};
use valkeeper_api::status::{PowerOverride, PowerScheduleStatus};
use valkeeper_api::{ServiceFacts, service_facts::ServiceBackup};

#[test]
fn the_way_of_a_new_service() {
    let fresh = new_resource(json!({}));
    assert_eq!(outcome(&fresh, &Observed::default()).0, "observe service");
    assert_eq!(outcome(&fresh, &nothing()).0, "add finalizer");
    let held = new_resource(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
    assert_eq!(outcome(&held, &nothing()).0, "create");
    let cached = Observed { object_is_live: false, ..nothing() };
    assert_eq!(outcome(&held, &cached).0, "observe object", "a cached object may be gone already");

    let building = ObservedService { state: ServiceState::Rebuilding, connection: None, ..service() };
    assert_eq!(outcome(&held, &seen(building)), ("wait", reason::BUILDING, Ready::Progressing));
    let absent = Observed { secret: ConnectionSecret::Absent, ..seen(service()) };
    assert_eq!(outcome(&held, &absent).0, "write secret");
    assert_eq!(outcome(&held, &seen(service())).0, "annotate");
    assert_eq!(outcome(&resource(json!({})), &seen(service())), ("done", reason::RUNNING, Ready::Yes));
}

#[test]
fn vanished_service_is_not_silently_recreated_empty() {
    let certain = Observed { absence_is_certain: true, ..nothing() };
    assert_eq!(outcome(&resource(json!({})), &certain), ("refuse", reason::EXTERNAL_MISSING, Ready::Stuck));
}

#[test]
fn absence_that_is_not_certain_changes_nothing_and_waits() {
    for policy in ["Never", "Always"] {
        let known = resource(json!({"spec": {"recreatePolicy": policy}}));
        assert_eq!(outcome(&known, &nothing()), ("wait", reason::EXTERNAL_MISSING, Ready::Unchanged));
        let before = ServiceFacts { plan: Some("startup-4".to_owned()), ..ServiceFacts::default() };
        assert_eq!(facts::next(before.clone(), &nothing(), &known, None).plan, before.plan);
    }
}

#[test]
fn answer_without_backups_does_not_take_them_back() {
    let backup = |name: &str| ServiceBackup { name: name.to_owned(), ..ServiceBackup::default() };
    let known = |backups: &[&str]| ServiceFacts {
        last_backup_time: backups.first().map(|name| format!("time of {name}")),
        backups: backups.iter().map(|name| backup(name)).collect(),
        ..ServiceFacts::default()
    };
    let table = [(false, known(&["new"])), (true, known(&["old"]))];
    for (backups_are_unknown, expected) in table {
        let facts = if backups_are_unknown { known(&[]) } else { known(&["new"]) };
        let seen = seen(ObservedService { backups_are_unknown, facts, ..service() });
        let next = facts::next(known(&["old"]), &seen, &resource(json!({})), None);
        assert_eq!((&next.backups, &next.last_backup_time), (&expected.backups, &expected.last_backup_time));
    }
    let gone = facts::next(known(&["old"]), &seen(service()), &resource(json!({})), None);
    assert_eq!((gone.backups, gone.last_backup_time), (Vec::new(), None), "none are left");
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
fn update_is_sent_once_and_a_missing_effect_is_reported() {
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
fn powering_off_may_take_as_long_as_the_last_backup() {
    let desired = resource(json!({"spec": {"powered": false}}));
    let sent = Some(ServicePatch { powered: Some(false), ..ServicePatch::default() });
    let later = Observed { sent, ..seen(service()) };
    assert_eq!(outcome(&desired, &later), ("wait", reason::POWERING_OFF, Ready::Progressing));
}

#[test]
fn running_right_after_a_change_is_ignored() {
    let early = Observed { unsettled: true, ..seen(service()) };
    assert_eq!(outcome(&resource(json!({})), &early), ("wait", reason::UPDATING, Ready::Progressing));
}

#[test]
fn secret_is_written_only_when_owned_and_fully_read() {
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
    assert_eq!(outcome(&plain, &Observed::default()).0, "observe service");
    assert_eq!(outcome(&plain, &seen(service())).0, "delete");
    assert_eq!(outcome(&plain, &Observed { object_is_live: false, ..seen(service()) }).0, "observe object");
    assert_eq!(outcome(&plain, &Observed { deletion_requested: true, ..seen(service()) }).0, "wait");
    assert_eq!(outcome(&plain, &nothing()).0, "wait", "one answer may be wrong");
    let certain = Observed { absence_is_certain: true, ..nothing() };
    assert_eq!(outcome(&plain, &certain).0, "release finalizer");
    let releasing = deleting(json!({"metadata": {"annotations": {names::SERVICE_SETTLED: UID}}}));
    let unseen = |held: &[&str]| Observed { held_names: Some(all(held)), ..Observed::default() };
    assert_eq!(outcome(&releasing, &unseen(&[])).0, "release finalizer", "without another look");
    let copied = deleting(json!({"metadata": {"annotations": {names::SERVICE_SETTLED: "another"}}}));
    assert_eq!(outcome(&copied, &Observed::default()).0, "observe service");
    assert_eq!(outcome(&deleting(json!({"metadata": {"finalizers": []}})), &nothing()).0, "done");

    let protected = ObservedService { termination_protection: true, ..service() };
    let guarded = deleting(json!({"spec": {"terminationProtection": true}}));
    assert_eq!(outcome(&guarded, &seen(service())), ("refuse", reason::TERMINATION_PROTECTED, Ready::Stuck));
    assert_eq!(outcome(&plain, &seen(protected.clone())).1, reason::TERMINATION_PROTECTED);
    let lifted = deleting(json!({"spec": {"terminationProtection": false}}));
    assert_eq!(patch(&lifted, protected), json!({"termination_protection": false}));

    let policy =
        |value: &str| deleting(json!({"metadata": {"annotations": {names::DELETION_POLICY: value}}}));
    assert_eq!(outcome(&policy("Orphan"), &unseen(&[])).0, "release finalizer");
    assert_eq!(
        outcome(&policy("orphan"), &seen(service())),
        ("refuse", reason::UNKNOWN_DELETION_POLICY, Ready::Stuck)
    );
}

#[test]
fn tokens_are_noted_then_released_before_the_resource() {
    let deleted = |annotations: Value| {
        resource(
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": annotations}}),
        )
    };
    let gone =
        |held: Option<&[&str]>| Observed { absence_is_certain: true, held_names: held.map(all), ..nothing() };
    let named = |desired: &Desired, observed: &Observed| match decide(desired, observed).step {
        Step::ReleaseToken(name) => format!("release token {name}"),
        other => other.name().to_owned(),
    };
    let resource = deleted(json!({}));
    assert_eq!(named(&resource, &gone(None)), "observe token secrets");
    assert_eq!(named(&resource, &gone(Some(&["t"]))), "note settled");
    assert_eq!(named(&resource, &gone(Some(&[]))), "release finalizer");
    let settled = deleted(json!({names::SERVICE_SETTLED: UID}));
    assert_eq!(named(&settled, &gone(None)), "observe token secrets");
    assert_eq!(named(&settled, &gone(Some(&["old", "t"]))), "release token old");
    assert_eq!(named(&settled, &gone(Some(&["t"]))), "release token t");
    assert_eq!(named(&settled, &gone(Some(&[]))), "release finalizer");
}

#[test]
fn former_token_is_released_before_its_note() {
    let edited = Desired {
        token_secret: Some("new".to_owned()),
        ..resource(json!({"metadata": {"annotations": {names::TOKEN_SECRET: "old"}}}))
    };
    let held = |held: Option<&[&str]>| Observed { held_names: held.map(all), ..seen(service()) };
    assert_eq!(outcome(&edited, &held(None)).0, "observe token secrets");
    assert_eq!(outcome(&edited, &held(Some(&["old"]))).0, "release token");
    assert_eq!(outcome(&edited, &held(Some(&[]))).0, "annotate");
    assert_eq!(edited.token_secrets().collect::<Vec<_>>(), ["new", "old"]);
}

fn all(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn name_of_the_secret_is_checked_before_anything_is_created() {
    let held = new_resource(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
    let with = |secret| Observed { secret, ..nothing() };
    assert_eq!(outcome(&held, &with(ConnectionSecret::Unknown)).0, "observe secret");
    let taken = with(ConnectionSecret::Foreign { owner: "belongs to Deployment x".to_owned() });
    assert_eq!(outcome(&held, &taken), ("refuse", reason::SECRET_CONFLICT, Ready::Stuck));
    let advice = |spec: Value| {
        let spec = json!({"metadata": {"finalizers": [names::FINALIZER]}, "spec": spec});
        decide(&new_resource(spec), &taken).report.message
    };
    assert!(advice(json!({})).contains("Set spec.connInfoSecretTarget.name to another name"));
    let named = advice(json!({"connInfoSecretTarget": {"name": "s"}}));
    assert!(named.contains("Recreate this Valkey"), "{named}");
}

#[test]
fn first_secret_is_written_unread_and_an_existing_one_is_read() {
    let fresh = new_resource(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
    let with = |secret| Observed { secret, ..seen(service()) };
    assert_eq!(outcome(&fresh, &with(ConnectionSecret::Unknown)).0, "write secret");
    assert_eq!(outcome(&fresh, &with(ConnectionSecret::Exists)).0, "observe secret");
    assert_eq!(outcome(&resource(json!({})), &with(ConnectionSecret::Unknown)).0, "observe secret");
}

#[test]
fn power_request_that_is_over_is_removed_before_its_effect() {
    let until: DateTime<Utc> = "2026-01-06T06:00:00Z".parse().unwrap();
    let overridden = PowerOverride { powered: true, until };
    let status = PowerScheduleStatus { next_off: None, next_on: None, overridden: Some(overridden) };
    let over = |is_recorded| {
        let schedule = ScheduledPower {
            status: status.clone(),
            is_overridden: false,
            is_recorded,
            override_is_over: true,
        };
        let annotated = resource(json!({"metadata": {"annotations": {(names::POWER): "On"}}}));
        Desired { powered: false, schedule: Some(schedule), ..annotated }
    };
    match decide(&over(true), &seen(service())).step {
        Step::Annotate(notes) => assert_eq!(notes, [(names::POWER, None)].into()),
        other => panic!("{other:?}"),
    }
    let unrecorded = decide(&over(false), &seen(service())).step;
    assert!(!matches!(unrecorded, Step::Annotate(_)), "{unrecorded:?}");
}
