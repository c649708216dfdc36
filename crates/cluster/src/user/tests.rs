//! Decisions about users, as tables.

mod model;

use super::*;
use crate::names::reason;
use serde_json::{Value, json};
use valkeeper_api::{UserStatus, names as api_names, service_facts::WrittenSecret};

fn user(changes: &Value) -> ValkeyUser {
    let mut object = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyUser",
        "metadata": {
            "name": "reader", "namespace": "team", "uid": "u", "generation": 1,
            "finalizers": [api_names::USER_FINALIZER],
        },
        "spec": {"clusterName": "orders", "rules": ["~*", "+@read"]},
    });
    for (path, value) in changes.as_object().unwrap() {
        let mut at = &mut object;
        for name in path.split('/') {
            at = &mut at[name];
        }
        *at = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn entry(revision: &str, passwords: &[&str]) -> Entry {
    Entry {
        revision: revision.to_owned(),
        rules: vec!["~*".to_owned(), "+@read".to_owned()],
        passwords: passwords.iter().map(|&hash| hash.to_owned()).collect(),
    }
}

fn ours(current: bool) -> ConnectionSecret {
    ConnectionSecret::Ours { current, immutable: false }
}

/// A user that all servers know, and whose clients have password `a`.
fn settled() -> ObservedUser {
    ObservedUser {
        cluster: UserClusterSeen::Present(TimeDelta::seconds(60)),
        password: UserPassword::Present("a".to_owned()),
        given: Some("a".to_owned()),
        rules: RulesSeen::Accepted,
        servers: [("orders-0".to_owned(), ServerAnswer::Taken("1".to_owned()))].into(),
        secret: ours(true),
        ..ObservedUser::new("2026-01-01T00:00:00Z".parse().unwrap(), EntrySeen::Present(entry("1", &["a"])))
    }
}

/// A look that differs from a settled one, the step that follows, and the reason that is given.
type Row = (&'static str, fn(&mut ObservedUser), UserStep, &'static str);

fn assert_steps(object: &ValkeyUser, table: &[Row]) {
    for (name, change, step, reason) in table {
        let mut observed = settled();
        change(&mut observed);
        let (found, report) = decide(object, &observed);
        assert_eq!((&found, report.reason), (step, *reason), "{name}: {}", report.message);
    }
}

fn write(passwords: &[&str]) -> UserStep {
    UserStep::WriteEntry(entry("", passwords))
}

const SOON: UserStep = UserStep::Rest { soon: true };

fn answers(answer: ServerAnswer) -> BTreeMap<String, ServerAnswer> {
    [("orders-1".to_owned(), answer)].into()
}

#[test]
fn what_servers_are_given_follows_spec_and_passwords() {
    let table: [Row; 9] = [
        ("settled", |_| {}, UserStep::Rest { soon: false }, reason::USER_ACCEPTED),
        ("no cluster", |seen| seen.cluster = UserClusterSeen::Missing, SOON, reason::CLUSTER_MISSING),
        (
            "no password",
            |seen| seen.password = UserPassword::Missing("no".to_owned()),
            UserStep::GeneratePassword,
            reason::USER_PENDING,
        ),
        (
            "new",
            |seen| (seen.entry, seen.given) = (EntrySeen::Missing, None),
            write(&["a"]),
            reason::USER_PENDING,
        ),
        (
            "forgotten",
            |seen| (seen.entry, seen.given) = (EntrySeen::Missing, Some("b".to_owned())),
            write(&["a", "b"]),
            reason::USER_PENDING,
        ),
        (
            "nobody to ask",
            |seen| (seen.entry, seen.rules) = (EntrySeen::Missing, RulesSeen::Unknown),
            SOON,
            reason::USER_PENDING,
        ),
        (
            "of another",
            |seen| seen.entry = EntrySeen::Foreign("ValkeyUser other".to_owned()),
            SOON,
            reason::OBJECT_CONFLICT,
        ),
        (
            "another password",
            |seen| seen.password = UserPassword::Present("b".to_owned()),
            write(&["b", "a"]),
            reason::USER_PENDING,
        ),
        ("due", |seen| seen.password_is_due = true, UserStep::GeneratePassword, reason::USER_PENDING),
    ];
    assert_steps(&user(&json!({})), &table);
    let own = user(&json!({"spec/passwordSecretRef": {"name": "mine", "key": "word"}}));
    let missing: Row = (
        "no own password",
        |seen| seen.password = UserPassword::Missing("no".to_owned()),
        SOON,
        reason::PASSWORD_MISSING,
    );
    assert_steps(&own, &[missing]);
}

#[test]
fn clients_are_given_what_every_server_has() {
    let table: [Row; 8] = [
        ("silent", |seen| seen.servers = answers(ServerAnswer::Silent), SOON, reason::USER_PENDING),
        ("unknown", |seen| seen.servers_are_unknown = true, SOON, reason::USER_PENDING),
        (
            "behind",
            |seen| seen.servers = answers(ServerAnswer::Taken(String::new())),
            SOON,
            reason::USER_PENDING,
        ),
        (
            "a server refuses",
            |seen| seen.servers = answers(ServerAnswer::Refused("1".to_owned(), "ERR no".to_owned())),
            SOON,
            reason::RULES_REFUSED,
        ),
        (
            "a server refused what was before",
            |seen| seen.servers = answers(ServerAnswer::Refused("0".to_owned(), "ERR no".to_owned())),
            SOON,
            reason::USER_PENDING,
        ),
        (
            "no Secret",
            |seen| seen.secret = ConnectionSecret::Absent,
            UserStep::WriteSecret,
            reason::USER_PENDING,
        ),
        ("edited Secret", |seen| seen.secret = ours(false), UserStep::WriteSecret, reason::USER_PENDING),
        (
            "another host while a server is silent",
            |seen| (seen.servers, seen.secret) = (answers(ServerAnswer::Silent), ours(false)),
            UserStep::WriteSecret,
            reason::USER_PENDING,
        ),
    ];
    assert_steps(&user(&json!({})), &table);
}

#[test]
fn refused_rules_leave_those_before_in_force() {
    let other = user(&json!({"spec/rules": ["+nonsense"]}));
    let refused = ObservedUser { rules: RulesSeen::Refused("ERR no".to_owned()), ..settled() };
    let (step, report) = decide(&other, &refused);
    assert_eq!((step, report.reason), (UserStep::Rest { soon: true }, reason::RULES_REFUSED));
    assert!(report.message.contains("stay in force"), "{}", report.message);
    // A password may change all the same.
    let changed = ObservedUser { password: UserPassword::Present("b".to_owned()), ..refused };
    assert_eq!(decide(&other, &changed).0, UserStep::WriteEntry(entry("", &["b", "a"])));
}

#[test]
fn servers_end_a_deleted_user_before_its_entry_goes() {
    let deleted = user(&json!({"metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}));
    let ended = |servers: ServerAnswer| ObservedUser {
        entry: EntrySeen::Present(entry("2", &[])),
        servers: [("orders-0".to_owned(), servers)].into(),
        ..settled()
    };
    let foreign = EntrySeen::Foreign("ValkeyUser other".to_owned());
    let (behind, taken) = (ServerAnswer::Taken("1".to_owned()), ServerAnswer::Taken("2".to_owned()));
    let lost = ObservedUser { entry: EntrySeen::Missing, ..settled() };
    for (observed, step) in [
        (settled(), UserStep::WriteEntry(Entry::default())),
        (ended(behind), UserStep::Rest { soon: true }),
        (ended(ServerAnswer::Silent), UserStep::Rest { soon: true }),
        (ended(taken), UserStep::RemoveEntry),
        (lost.clone(), UserStep::ReleaseFinalizer),
        (ObservedUser { entry: foreign, ..settled() }, UserStep::ReleaseFinalizer),
    ] {
        assert_eq!(decide(&deleted, &observed).0, step, "{observed:?}");
    }
    // One that servers may have, and whose entry was lost, is ended all the same; and once.
    let mut known = deleted;
    let given = WrittenSecret { name: "reader".to_owned(), ..WrittenSecret::default() };
    known.status = Some(UserStatus { connection_secret: Some(given), ..UserStatus::default() });
    assert_eq!(decide(&known, &lost).0, UserStep::WriteEntry(Entry::default()));
    let without = ObservedUser { cluster: UserClusterSeen::Missing, ..lost.clone() };
    assert_eq!(decide(&known, &without).0, UserStep::ReleaseFinalizer);
    // Patience begins when servers could read that it has ended.
    let silent = ended(ServerAnswer::Silent);
    let (step, report) = decide(&known, &silent);
    known.status = Some(next_status(&known, &silent, &report));
    assert_eq!(step, UserStep::Rest { soon: true });
    let late = ObservedUser { now: silent.now + TimeDelta::minutes(5), ..silent };
    assert_eq!(decide(&known, &late).0, UserStep::RemoveEntry);
    assert_eq!(decide(&known, &lost).0, UserStep::ReleaseFinalizer);
    let paused = json!({
        "metadata/deletionTimestamp": "2026-01-01T00:00:00Z", "metadata/annotations": {api_names::PAUSED: "true"},
    });
    assert_eq!(decide(&user(&paused), &settled()).0, UserStep::Rest { soon: false });
}

#[test]
fn missing_password_holds_up_no_change_of_rules() {
    let own =
        user(&json!({"spec/passwordSecretRef": {"name": "mine", "key": "word"}, "spec/rules": ["+get"]}));
    let missing = ObservedUser { password: UserPassword::Missing("no".to_owned()), ..settled() };
    let expected = Entry { rules: vec!["+get".to_owned()], ..entry("", &["a"]) };
    assert_eq!(decide(&own, &missing).0, UserStep::WriteEntry(expected.clone()));
    let written = Entry { revision: "1".to_owned(), ..expected };
    let (step, report) = decide(&own, &ObservedUser { entry: EntrySeen::Present(written), ..missing });
    assert_eq!((step, report.reason), (UserStep::Rest { soon: true }, reason::PASSWORD_MISSING));
}
