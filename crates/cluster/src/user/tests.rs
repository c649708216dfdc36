//! Decisions about users, as tables, and as a model of servers and a Secret that are changed step by step.

use super::*;
use crate::names::reason;
use proptest::prelude::*;
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

/// Servers, Secrets and clients of one user.
#[derive(Debug)]
struct Model {
    object: ValkeyUser,
    observed: ObservedUser,
    /// What each server accepts, and what of.
    servers: [Entry; 2],
    written: u32,
    /// Passwords that clients may still have: until when.
    held: Vec<(String, DateTime<Utc>)>,
}

impl Model {
    fn new() -> Self {
        let observed = ObservedUser {
            cluster: UserClusterSeen::Present(TimeDelta::seconds(60)),
            password: UserPassword::Missing("none".to_owned()),
            rules: RulesSeen::Accepted,
            ..ObservedUser::new("2026-01-01T00:00:00Z".parse().unwrap(), EntrySeen::Missing)
        };
        let servers = [entry("", &[]), entry("", &[])];
        Self { object: user(&json!({})), observed, servers, written: 0, held: Vec::new() }
    }

    fn entry(&self) -> Option<&Entry> {
        match &self.observed.entry {
            EntrySeen::Present(entry) => Some(entry),
            _ => None,
        }
    }

    fn look(&mut self) {
        let seen = |entry: &Entry| ServerAnswer::Taken(entry.revision.clone());
        let names = ["orders-0", "orders-1"].into_iter();
        self.observed.servers =
            names.zip(&self.servers).map(|(name, entry)| (name.to_owned(), seen(entry))).collect();
        let newest = self.entry().and_then(|entry| entry.passwords.first()).cloned();
        let wanted = match &self.observed.password {
            UserPassword::Present(wanted) => Some(wanted.clone()),
            _ => None,
        };
        let known = [wanted, self.observed.given.clone()]
            .into_iter()
            .flatten()
            .find(|one| Some(one) == newest.as_ref());
        self.observed.secret = match (&self.observed.given, known) {
            (_, None) => ConnectionSecret::Unknown,
            (None, Some(_)) => ConnectionSecret::Absent,
            (given, known) => ours(*given == known),
        };
    }

    /// One look and one step; whether it rests.
    fn step(&mut self) -> bool {
        self.look();
        let (step, report) = decide(&self.object, &self.observed);
        self.object.status = Some(next_status(&self.object, &self.observed, &report));
        match step {
            UserStep::GeneratePassword => {
                self.written += 1;
                self.observed.password = UserPassword::Present(format!("g{}", self.written));
                self.observed.password_is_due = false;
            }
            UserStep::WriteEntry(entry) => {
                self.written += 1;
                self.observed.entry =
                    EntrySeen::Present(Entry { revision: self.written.to_string(), ..entry });
            }
            UserStep::WriteSecret => {
                let newest = self.entry().and_then(|entry| entry.passwords.first()).cloned();
                let before = std::mem::replace(&mut self.observed.given, newest);
                self.hold(before);
            }
            UserStep::Rest { .. } => return true,
            other => panic!("{other:?}"),
        }
        false
    }

    /// Clients have a password of the Secret for the grace after it had it.
    fn hold(&mut self, before: Option<String>) {
        let until = self.observed.now + TimeDelta::seconds(60);
        self.held.extend(before.filter(|before| before != "edited").map(|before| (before, until)));
    }

    fn lose(&mut self, given: Option<String>) {
        let before = std::mem::replace(&mut self.observed.given, given);
        self.hold(before);
    }

    /// A client with what the Secret has, or had within the grace, is let in by both servers.
    fn check(&self) {
        let held =
            self.held.iter().filter(|(_, until)| self.observed.now < *until).map(|(password, _)| password);
        for password in self.observed.given.iter().filter(|given| *given != "edited").chain(held) {
            for server in &self.servers {
                assert!(server.passwords.contains(password), "{password}: {self:#?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn clients_are_let_in_by_every_server_whatever_happens(events in prop::collection::vec(0..9u8, 1..60)) {
        let mut model = Model::new();
        for event in events {
            match event {
                0 | 1 => drop(model.step()),
                2 | 3 => {
                    // A server takes what there is.
                    if let Some(entry) = model.entry().cloned() { model.servers[usize::from(event - 2)] = entry; }
                }
                4 => model.observed.password_is_due = true,
                5 => model.observed.now += TimeDelta::seconds(25),
                // People delete the Secret, or write something else into it.
                6 => model.lose(None),
                7 => model.lose(Some("edited".to_owned())),
                _ => {
                    model.written += 1;
                    model.observed.password = UserPassword::Present(format!("w{}", model.written));
                }
            }
            model.check();
        }
        // In the end it settles with what is asked for.
        for _ in 0..40 {
            while !model.step() {}
            if let Some(entry) = model.entry().cloned() { model.servers = [entry.clone(), entry]; }
            model.observed.now += TimeDelta::seconds(25);
            model.check();
        }
        let wanted = model.observed.password.clone();
        prop_assert_eq!(model.entry().map(|entry| entry.passwords.len()), Some(1));
        prop_assert_eq!(wanted, UserPassword::Present(model.observed.given.clone().unwrap()));
        prop_assert!(model.object.status.unwrap().rotation.is_none());
    }
}
