//! What is kept of a user: its password, its access control, its Secret, and the record of it.

use super::*;
use crate::service_user::access::{self, Comparison, compare, found};
use valkeeper_api::service_user::AccessControlRecord;

#[test]
fn password_is_set_once_and_published_as_it_is_shown() {
    let declared = settled(&json!({"connInfoSecretSource": {"name": "pw", "passwordKey": "p"}}));
    let password = |seen| ObservedServiceUser { password: seen, ..present() };
    let wanted = || PasswordSeen::Present(SecretString::from("declared"));
    assert_eq!(step(&declared, &present()), "Observe(Password)");
    assert_eq!(step(&declared, &password(wanted())), "SetPassword");
    let settling = ObservedServiceUser { password_is_pending: true, ..password(wanted()) };
    assert_eq!(step(&declared, &settling), "Requeue(Building)");
    let same = password(PasswordSeen::Present(SecretString::from("generated")));
    assert_eq!(report(&declared, &same), (Ready::Yes, reason::RUNNING));
    // What is wrong with the declared one does not keep the Secret from what is in force.
    let unusable = || PasswordSeen::Unusable("no such Secret".to_owned());
    assert_eq!(report(&declared, &password(unusable())), (Ready::Stuck, reason::PASSWORD_MISSING));
    let outdated = ConnectionSecret::Ours { current: false, immutable: false };
    let refused = ObservedServiceUser { password_refused: Some("no".to_owned()), ..password(wanted()) };
    let ignored = || ObservedServiceUser { password_is_ignored: true, ..password(wanted()) };
    assert_eq!(report(&declared, &ignored()), (Ready::Stuck, reason::NOT_APPLIED));
    for observed in [password(unusable()), refused, ignored()] {
        let observed = ObservedServiceUser { secret: outdated.clone(), ..observed };
        assert_eq!(step(&declared, &observed), "WriteSecret");
    }
}

#[test]
fn user_is_changed_by_its_first_resource_while_it_is_served() {
    let declared =
        settled(&json!({"connInfoSecretSource": {"name": "pw", "passwordKey": "p"}, "accessControl": {}}));
    let wanted = || ObservedServiceUser {
        password: PasswordSeen::Present(SecretString::from("declared")),
        ..present()
    };
    assert_eq!(
        step(&declared, &ObservedServiceUser { claims: Claims::Unknown, ..wanted() }),
        "Observe(Claims)"
    );
    let theirs = ObservedServiceUser { claims: Claims::Other(theirs()), ..wanted() };
    assert_eq!(report(&declared, &theirs), (Ready::Stuck, reason::NOT_OWNED));
    let second = Claim { resource: "ServiceUser n/a".to_owned(), comes_first: false };
    assert_eq!(
        step(&declared, &ObservedServiceUser { claims: Claims::Other(second), ..wanted() }),
        "SetPassword"
    );
    let rebuilding = change(wanted(), |service| service.state = ServiceState::Rebuilding);
    assert_eq!(step(&declared, &rebuilding), "Requeue(Building)");
    let invisible = ObservedServiceUser { is_invisible: true, ..wanted() };
    assert_eq!(step(&declared, &invisible), "Requeue(Building)");
    let withheld = change(wanted(), |service| service.credentials_are_withheld = true);
    assert_eq!(report(&declared, &withheld), (Ready::Stuck, reason::CREDENTIALS_UNAVAILABLE));
}

#[test]
fn secret_stays_while_the_password_is_hidden() {
    let hidden = SeenServiceUser { password: None, ..user() };
    let unknown = || seen(UserOfService::Present(hidden.clone()));
    let unread = ObservedServiceUser { secret: ConnectionSecret::Unknown, ..unknown() };
    assert_eq!(report(&settled(&json!({})), &unread), (Ready::Progressing, reason::CREDENTIALS_UNAVAILABLE));
    let withheld = change(unknown(), |service| service.credentials_are_withheld = true);
    assert_eq!(report(&settled(&json!({})), &withheld), (Ready::Stuck, reason::CREDENTIALS_UNAVAILABLE));
    let disabled = settled(&json!({"connInfoSecretTargetDisabled": true}));
    assert_eq!(report(&disabled, &unknown()), (Ready::Yes, reason::RUNNING));
}

#[test]
fn access_control_is_sent_once_and_compared_with_its_answer() {
    let rules = json!({"accessControl": {"valkeyAclCategories": ["+@Read"], "valkeyAclKeys": ["b", "a"]}});
    let wanted = settled(&rules).access.unwrap();
    let shown = |keys: &[&str]| Access {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        categories: vec!["+@read".to_owned()],
        ..Access::default()
    };
    let before = Access::default();
    let compared = |shown: &Access, sent: Option<&AccessControlRecord>| compare(&wanted, shown, sent, false);
    assert_eq!(compared(&before, None), Comparison::Edited);
    assert_eq!(compared(&shown(&["a", "b"]), None), Comparison::Same, "patterns have no order");
    // What Aiven makes of it counts as declared, until it shows something else.
    let normal = shown(&["a", "b", "c"]);
    let sent = record(&wanted, &before, Some(&normal));
    assert_eq!(compared(&shown(&["c", "b", "a"]), Some(&sent)), Comparison::Same);
    assert_eq!(compared(&normal, Some(&sent)), Comparison::Same);
    assert_eq!(compared(&before, Some(&sent)), Comparison::Drifted);
    assert_eq!(compare(&wanted, &before, Some(&sent), true), Comparison::Pending, "the read lags");
    assert_eq!(compare(&before, &normal, Some(&sent), false), Comparison::Edited);
    // An answer that shows no effect is either true or early.
    for answered in [Some(&before), None] {
        let early = record(&wanted, &before, answered);
        assert_eq!(compare(&wanted, &before, Some(&early), true), Comparison::Pending);
        assert_eq!(compared(&before, Some(&early)), Comparison::NotApplied);
        let learned = compare(&wanted, &normal, Some(&early), true);
        let Comparison::Normalized(learned) = learned else { panic!("{learned:?}") };
        assert_eq!(compared(&normal, Some(&learned)), Comparison::Same);
        assert_eq!(compared(&shown(&["d"]), Some(&learned)), Comparison::Drifted);
        // Long after, it was changed elsewhere.
        assert_eq!(compared(&normal, Some(&early)), Comparison::Drifted);
    }
    // What was found as it is declared was never sent.
    let found = found(&wanted, &shown(&["a", "b"]), None).unwrap();
    assert_eq!(compared(&shown(&["a", "b"]), Some(&found)), Comparison::Same);
    assert_eq!(compared(&shown(&["d"]), Some(&found)), Comparison::Drifted);
    assert_eq!(access::found(&wanted, &shown(&["a", "b"]), Some(&found)), None);
    assert_eq!(access::found(&wanted, &normal, None), None);
    let mut refused = present();
    assert_eq!(step(&settled(&rules), &refused), "SetAccessControl");
    refused.access_refused = Some("no such category".to_owned());
    assert_eq!(report(&settled(&rules), &refused), (Ready::Stuck, reason::PROVIDER_REJECTED));
    let without = settled(&json!({}));
    assert_eq!(report(&without, &present()), (Ready::Yes, reason::RUNNING), "rights are left alone");
}

#[test]
fn no_report_changes_what_is_recorded_of_the_user() {
    let before = noted(ServiceUserStatus::default(), &Note::Requested);
    let created = noted(before.clone(), &Note::Created);
    assert_eq!((created.created, created.creation_requested), (true, false));
    assert!(noted(created.clone(), &Note::Refused).created, "a refused request proves no absence");
    let failure = Report::new(Ready::Stuck, reason::PROVIDER_REJECTED, "no");
    for before in [before, created] {
        let after =
            reported(before.clone(), &failure, &with_status(&json!({})), None, chrono::DateTime::UNIX_EPOCH);
        assert_eq!((after.created, after.creation_requested), (before.created, before.creation_requested));
    }
    assert_eq!(decide(&with_status(&json!({})), &ObservedServiceUser::default()).1.reason, reason::CREATING);
    assert!(matches!(
        decide(&settled(&json!({})), &present()).0,
        ServiceUserStep::Requeue(RequeueClass::AwaitingSpecChange)
    ));
}
