//! Decisions about users, as tables.

mod model;

use super::*;
use crate::names::reason;
use serde_json::{Value, json};
use valkeeper_api::names as api_names;

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

#[test]
fn each_look_leads_to_one_step() {
    let write = |passwords: &[&str]| UserStep::WriteEntry(entry("", passwords));
    let (soon, later) = (UserStep::Rest { soon: true }, UserStep::Rest { soon: false });
    let (none, missing) = (EntrySeen::Missing, UserPassword::Missing("no".to_owned()));
    let silent = [("orders-1".to_owned(), ServerAnswer::Silent)].into();
    let behind = [("orders-1".to_owned(), ServerAnswer::Taken(String::new()))].into();
    let refuses =
        [("orders-1".to_owned(), ServerAnswer::Refused("1".to_owned(), "ERR no".to_owned()))].into();
    let refused_before =
        [("orders-1".to_owned(), ServerAnswer::Refused("0".to_owned(), "ERR no".to_owned()))].into();
    let refused = RulesSeen::Refused("ERR no".to_owned());
    let foreign = EntrySeen::Foreign("ValkeyUser other".to_owned());
    let own = json!({"spec/passwordSecretRef": {"name": "mine", "key": "word"}});
    let plain = json!({});
    let s = settled;
    let table = [
        ("settled", &plain, s(), later.clone(), reason::USER_ACCEPTED),
        (
            "no cluster",
            &plain,
            ObservedUser { cluster: UserClusterSeen::Missing, ..s() },
            soon.clone(),
            reason::CLUSTER_MISSING,
        ),
        (
            "no password",
            &plain,
            ObservedUser { password: missing.clone(), ..s() },
            UserStep::GeneratePassword,
            reason::USER_PENDING,
        ),
        (
            "no own password",
            &own,
            ObservedUser { password: missing, ..s() },
            soon.clone(),
            reason::PASSWORD_MISSING,
        ),
        (
            "new",
            &plain,
            ObservedUser { entry: none.clone(), given: None, ..s() },
            write(&["a"]),
            reason::USER_PENDING,
        ),
        (
            "forgotten",
            &plain,
            ObservedUser { entry: none.clone(), given: Some("b".to_owned()), ..s() },
            write(&["a", "b"]),
            reason::USER_PENDING,
        ),
        (
            "nobody to ask",
            &plain,
            ObservedUser { entry: none.clone(), rules: RulesSeen::Unknown, ..s() },
            soon.clone(),
            reason::USER_PENDING,
        ),
        (
            "refused",
            &plain,
            ObservedUser { entry: none, rules: refused, ..s() },
            soon.clone(),
            reason::RULES_REFUSED,
        ),
        ("of another", &plain, ObservedUser { entry: foreign, ..s() }, soon.clone(), reason::OBJECT_CONFLICT),
        ("silent", &plain, ObservedUser { servers: silent, ..s() }, soon.clone(), reason::USER_PENDING),
        ("behind", &plain, ObservedUser { servers: behind, ..s() }, soon.clone(), reason::USER_PENDING),
        (
            "a server refuses",
            &plain,
            ObservedUser { servers: refuses, ..s() },
            soon.clone(),
            reason::RULES_REFUSED,
        ),
        (
            "a server refused before",
            &plain,
            ObservedUser { servers: refused_before, ..s() },
            soon.clone(),
            reason::USER_PENDING,
        ),
        (
            "no Secret",
            &plain,
            ObservedUser { secret: ConnectionSecret::Absent, ..s() },
            UserStep::WriteSecret,
            reason::USER_PENDING,
        ),
        (
            "edited Secret",
            &plain,
            ObservedUser { secret: ours(false), ..s() },
            UserStep::WriteSecret,
            reason::USER_PENDING,
        ),
        (
            "another password",
            &plain,
            ObservedUser { password: UserPassword::Present("b".to_owned()), ..s() },
            write(&["b", "a"]),
            reason::USER_PENDING,
        ),
        (
            "due",
            &plain,
            ObservedUser { password_is_due: true, ..s() },
            UserStep::GeneratePassword,
            reason::USER_PENDING,
        ),
    ];
    for (name, changes, observed, step, reason) in table {
        let (found, report) = decide(&user(changes), &observed);
        assert_eq!((found, report.reason), (step, reason), "{name}: {}", report.message);
    }
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
    let late = ended(ServerAnswer::Silent);
    let late = ObservedUser { now: late.now + TimeDelta::minutes(5), ..late };
    for (observed, step) in [
        (settled(), UserStep::WriteEntry(Entry::default())),
        (ended(behind), UserStep::Rest { soon: true }),
        (ended(ServerAnswer::Silent), UserStep::Rest { soon: true }),
        (late, UserStep::RemoveEntry),
        (ended(taken), UserStep::RemoveEntry),
        (ObservedUser { entry: EntrySeen::Missing, ..settled() }, UserStep::ReleaseFinalizer),
        (ObservedUser { entry: foreign, ..settled() }, UserStep::ReleaseFinalizer),
    ] {
        assert_eq!(decide(&deleted, &observed).0, step, "{observed:?}");
    }
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
