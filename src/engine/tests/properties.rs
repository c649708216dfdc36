//! What holds whatever was seen.

use super::*;
use proptest::prelude::*;

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

proptest! {
    #[test]
    fn whatever_was_seen_nothing_irreversible_happens_without_proof(
        service in any_service(), absent: bool, live: bool, finalizer: bool, deleting: bool,
        initialized: bool, powered: bool, listed: bool, plan in "[a-b]",
    ) {
        let mut changes = json!({"spec": {"powered": powered, "plan": plan}});
        if deleting { changes["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"); }
        if !finalizer { changes["metadata"]["finalizers"] = Value::Null; }
        if !initialized { changes["status"] = Value::Null; changes["metadata"]["annotations"] = Value::Null; }
        let desired = resource(changes);
        let remote = if absent { Remote::Absent } else { Remote::Present(Box::new(service.clone())) };
        let observed = Observed { remote, listed, object_is_live: live, token_is_held: true, ..Observed::default() };
        let ours = service.tags.get(names::OWNER_TAG).map_or(initialized, |owner| owner == UID);
        let decision = decide(&desired, &observed);
        if listed {
            // A list is never enough for a request to the provider, nor to let go of a service.
            let live = decide(&desired, &Observed { listed: false, ..observed });
            match live.step {
                Step::Create(_) | Step::Delete | Step::Update(_) | Step::ReplaceTags(_) | Step::ReleaseFinalizer
                | Step::AddFinalizer | Step::Refuse(_) => prop_assert_eq!(decision.step.name(), "look"),
                other => prop_assert!(decision.step.name() == other.name() || decision.step.name() == "look"),
            }
        }
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
