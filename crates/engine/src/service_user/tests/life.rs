//! How a user begins and ends, and what holds whatever was observed.

use super::*;

#[test]
fn user_is_created_only_after_that_was_noted() {
    let (new, requested) = (with_status(&json!({})), with_status(&json!({"creationRequested": true})));
    assert_eq!(step(&new, &absent()), "Note(Requested)");
    assert_eq!(step(&requested, &absent()), "Create");
    let uncertain = ObservedServiceUser { absence_is_certain: false, ..absent() };
    assert_eq!(step(&requested, &uncertain), "Requeue(Building)", "the last request may take effect");
    let cached = ObservedServiceUser { object_is_live: false, ..absent() };
    assert_eq!(step(&requested, &cached), "Observe(Object)");
    let unread = ObservedServiceUser { claims: Claims::Unknown, ..absent() };
    assert_eq!(step(&requested, &unread), "Observe(Claims)");
    let other = ObservedServiceUser { claims: Claims::Other(theirs()), ..absent() };
    assert_eq!(report(&requested, &other), (Ready::Stuck, reason::NOT_OWNED));
}

#[test]
fn existing_user_is_managed_only_with_a_record_or_consent() {
    let new = with_status(&json!({}));
    assert_eq!(report(&new, &present()), (Ready::Stuck, reason::NOT_OWNED));
    let requested = with_status(&json!({"creationRequested": true}));
    assert_eq!(step(&requested, &present()), "Note(Created)");
    let other = || ObservedServiceUser { claims: Claims::Other(theirs()), ..present() };
    assert_eq!(report(&requested, &other()), (Ready::Stuck, reason::NOT_OWNED));
    let annotated = json!({"metadata": {"annotations": {names::ADOPTION_POLICY: "Adopt"}}});
    assert_eq!(step(&desired(&annotated), &present()), "Note(Created)");
    assert_eq!(report(&desired(&annotated), &other()), (Ready::Stuck, reason::NOT_OWNED));
    let of_aiven_operator = json!({"metadata": {"annotations": {names::INSTANCE_RUNNING: "true"}}});
    assert_eq!(step(&desired(&of_aiven_operator), &present()), "Note(Created)");
    let observes = json!({"metadata": {"annotations": {names::ADOPTION_POLICY: "Observe"}}, "spec": {"username": "default"}});
    assert_eq!(report(&desired(&observes), &present()), (Ready::Stuck, reason::NOT_OWNED));
    // One whose creation was refused has another owner.
    let refused = ObservedServiceUser { creation_was_refused: true, ..present() };
    assert_eq!(step(&requested, &refused), "Note(Refused)");
    let refused = |observed| ObservedServiceUser { creation_was_refused: true, ..observed };
    assert_eq!(step(&requested, &refused(absent())), "Note(Refused)");
    assert_eq!(step(&deleting(&json!({"creationRequested": true})), &refused(present())), "ReleaseFinalizer");
}

#[test]
fn user_that_every_service_has_is_neither_created_nor_deleted() {
    let of = |metadata: Value| desired(&json!({"spec": {"username": "default"}, "metadata": metadata}));
    assert_eq!(step(&of(json!({})), &present()), "Note(Created)");
    assert_eq!(step(&of(json!({})), &absent()), "Requeue(Building)");
    let deleted = of(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
    assert_eq!(step(&deleted, &present()), "ReleaseFinalizer");
}

#[test]
fn nothing_is_written_for_a_service_of_another_type() {
    let new = desired(&json!({"metadata": {"finalizers": null}}));
    assert_eq!(step(&new, &present()), "AddFinalizer");
    let kafka = change(present(), |service| service.service_type = "kafka".to_owned());
    assert_eq!(step(&new, &kafka), "Requeue(AwaitingExternal)");
    assert_eq!(report(&new, &kafka), (Ready::Stuck, reason::WRONG_SERVICE_TYPE));
}

#[test]
fn user_waits_for_its_service() {
    let new = with_status(&json!({}));
    let missing = ObservedServiceUser { service: Some(ServiceOfUser::Absent), ..present() };
    assert_eq!(report(&new, &missing), (Ready::Progressing, reason::SERVICE_NOT_READY));
    let off = || change(present(), |service| service.state = ServiceState::PoweredOff);
    assert_eq!(report(&new, &off()), (Ready::Progressing, reason::SERVICE_NOT_READY));
    assert_eq!(report(&settled(&json!({})), &off()), (Ready::Unchanged, reason::SERVICE_NOT_READY));
    let deleted = deleting(&json!({"created": true}));
    assert_eq!(report(&deleted, &off()), (Ready::Progressing, reason::SERVICE_NOT_READY));
    // One answer that shows less than before proves nothing.
    let unlisted = || change(present(), |service| service.user = UserOfService::Unlisted);
    assert_eq!(report(&settled(&json!({})), &unlisted()), (Ready::Unchanged, reason::EXTERNAL_MISSING));
    assert_eq!(report(&new, &unlisted()), (Ready::Progressing, reason::SERVICE_NOT_READY));
    let missing = || ObservedServiceUser { service: Some(ServiceOfUser::Absent), ..present() };
    assert_eq!(report(&settled(&json!({})), &missing()), (Ready::Unchanged, reason::EXTERNAL_MISSING));
    let certain = ObservedServiceUser { absence_is_certain: true, ..missing() };
    assert_eq!(report(&settled(&json!({})), &certain), (Ready::Progressing, reason::SERVICE_NOT_READY));
}

#[test]
fn missing_user_is_recreated_only_when_absence_is_certain() {
    let known = settled(&json!({}));
    let uncertain = ObservedServiceUser { absence_is_certain: false, ..absent() };
    assert_eq!(report(&known, &uncertain), (Ready::Unchanged, reason::EXTERNAL_MISSING));
    assert_eq!(step(&known, &absent()), "Note(Requested)");
    let again = with_status(&json!({"created": true, "creationRequested": true}));
    assert_eq!(step(&again, &absent()), "Create");
    assert_eq!(step(&again, &uncertain), "Requeue(Building)");
    assert_eq!(step(&again, &present()), "Note(Created)");
}

#[test]
fn only_the_user_of_the_resource_is_deleted() {
    let known = deleting(&json!({"created": true}));
    assert_eq!(step(&known, &present()), "Delete");
    let accepted = ObservedServiceUser { deletion_requested: true, ..present() };
    assert_eq!(step(&known, &accepted), "Requeue(Building)", "the read lags");
    let shared = ObservedServiceUser { claims: Claims::Other(theirs()), ..present() };
    assert_eq!(step(&known, &shared), "ReleaseFinalizer");
    assert_eq!(step(&deleting(&json!({})), &present()), "ReleaseFinalizer");
    let orphan = json!({
        "status": {"created": true},
        "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "annotations": {names::DELETION_POLICY: "Orphan"}},
    });
    assert_eq!(step(&desired(&orphan), &present()), "ReleaseFinalizer");
    let gone = ObservedServiceUser { service: Some(ServiceOfUser::Absent), ..present() };
    assert_eq!(step(&known, &gone), "Requeue(Building)");
    let gone = ObservedServiceUser { absence_is_certain: true, ..gone };
    assert_eq!(step(&known, &gone), "ReleaseFinalizer");
    // What a service shows before it is complete proves no absence, and its data comes back.
    let rebuilding = change(absent(), |service| service.state = ServiceState::Rebuilding);
    assert_eq!(report(&known, &rebuilding), (Ready::Progressing, reason::SERVICE_NOT_READY));
    let kafka = change(present(), |service| service.service_type = "kafka".to_owned());
    assert_eq!(report(&known, &kafka), (Ready::Stuck, reason::WRONG_SERVICE_TYPE));
}

/// Everything that can be observed of a user, as far as it decides about it.
fn observations() -> Vec<ObservedServiceUser> {
    let services: [fn() -> Option<ServiceOfUser>; 6] = [
        || None,
        || Some(ServiceOfUser::Absent),
        || present().service,
        || absent().service,
        || change(present(), |service| service.user = UserOfService::Unlisted).service,
        || change(present(), |service| service.state = ServiceState::PoweredOff).service,
    ];
    let flags = 0..1_u32 << 7;
    let observed = |service: fn() -> Option<ServiceOfUser>, flags: u32| {
        let flag = |bit: u32| flags & (1 << bit) != 0;
        ObservedServiceUser {
            service: service(),
            claims: match (flag(0), flag(1)) {
                (false, _) => Claims::Unknown,
                (true, false) => Claims::None,
                (true, true) => Claims::Other(theirs()),
            },
            absence_is_certain: flag(2),
            token_is_held: flag(3),
            held_names: flag(3).then(BTreeSet::new),
            deletion_requested: flag(4),
            object_is_live: flag(5),
            password: if flag(6) {
                PasswordSeen::Present(SecretString::from("declared"))
            } else {
                PasswordSeen::Unknown
            },
            ..ObservedServiceUser::default()
        }
    };
    services
        .into_iter()
        .flat_map(|service| flags.clone().map(move |flags| observed(service, flags)))
        .collect()
}

#[test]
fn nothing_irreversible_happens_without_proof() {
    let source = json!({"connInfoSecretSource": {"name": "pw", "passwordKey": "p"}, "accessControl": {"valkeyAclKeys": ["a"]}});
    for bits in 0..8 {
        let status = json!({"created": bits & 1 != 0, "creationRequested": bits & 2 != 0});
        let metadata =
            if bits & 4 != 0 { json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}) } else { json!({}) };
        let desired = desired(&json!({"spec": source, "status": status, "metadata": metadata}));
        for observed in observations() {
            let (step, case) = (decide(&desired, &observed).0, format!("{status} {observed:?}"));
            let is_present = matches!(&observed.service, Some(ServiceOfUser::Present(service)) if matches!(service.user, UserOfService::Present(_)));
            match step {
                ServiceUserStep::Create => {
                    assert!(!desired.deleting && desired.requested && !is_present, "{case}");
                    assert!(observed.absence_is_certain && observed.token_is_held, "{case}");
                    assert!(observed.object_is_live && observed.claims == Claims::None, "{case}");
                }
                ServiceUserStep::SetPassword
                | ServiceUserStep::SetAccessControl
                | ServiceUserStep::WriteSecret(_) => {
                    assert!(!desired.deleting && desired.created && is_present, "{case}");
                }
                ServiceUserStep::Delete => {
                    let owned = desired.created || desired.requested;
                    assert!(desired.deleting && observed.object_is_live && owned, "{case}");
                    assert_eq!(observed.claims, Claims::None, "{case}");
                }
                ServiceUserStep::ReleaseFinalizer => {
                    assert!(desired.deleting && observed.object_is_live, "{case}");
                    let owned = desired.created || desired.requested;
                    let is_shared = matches!(observed.claims, Claims::Other(_));
                    assert!(!owned || is_shared || (observed.absence_is_certain && !is_present), "{case}");
                }
                ServiceUserStep::Note(Note::Created) => {
                    assert!((desired.requested || desired.created) && is_present, "{case}");
                }
                _ => {}
            }
        }
    }
}
