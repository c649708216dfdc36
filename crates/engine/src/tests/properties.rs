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
        initialized: bool, powered: bool, listed: bool, plan in "startup-4|b",
    ) {
        let mut changes = json!({"spec": {"powered": powered, "plan": plan}});
        if deleting { changes["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"); }
        if !finalizer { changes["metadata"]["finalizers"] = Value::Null; }
        if !initialized { changes["status"] = Value::Null; changes["metadata"]["annotations"] = Value::Null; }
        let desired = resource(changes);
        let remote = if absent { Remote::Absent } else { Remote::Present(Box::new(service.clone())) };
        let observed = Observed { remote, listed, object_is_live: live, token_is_held: true,
            held_names: Some(BTreeSet::new()), ..Observed::default() };
        let ours = service.tags.get(names::OWNER_TAG).map_or(initialized, |owner| owner == UID);
        let decision = decide(&desired, &observed);
        if listed {
            // A list is never enough for a request to the provider, nor to release a service.
            let live = decide(&desired, &Observed { listed: false, ..observed.clone() });
            match live.step {
                Step::Create(_) | Step::Delete | Step::Update(_) | Step::PatchTags(_) | Step::ReleaseFinalizer
                | Step::AddFinalizer(_) | Step::Refuse(_) => prop_assert_eq!(decision.step.name(), "observe service"),
                other => prop_assert!(decision.step.name() == other.name() || decision.step.name() == "observe service"),
            }
        }
        match decision.step {
            Step::Create(_) => prop_assert!(absent && live && finalizer && !deleting && !initialized),
            Step::Delete => prop_assert!(!absent && live && deleting && ours && service.service_type == "valkey"
                && !service.termination_protection),
            Step::Update(_) | Step::PatchTags(_) => prop_assert!(!absent && ours && finalizer && service.service_type == "valkey"),
            Step::WriteSecret(_) => prop_assert!(service.connection.is_some() && ours && !deleting),
            Step::ReleaseFinalizer => prop_assert!(deleting && (absent || !ours || service.service_type != "valkey")),
            _ => {}
        }
        let is_bookkeeping = match &decision.step {
            Step::Done | Step::Annotate(_) => true,
            // What is in force is recorded before the annotation states that it is.
            Step::Record { .. } => {
                let recorded = Desired { record_is_in_status: true, ..desired.clone() };
                matches!(decide(&recorded, &observed).step, Step::Annotate(_))
            }
            _ => false,
        };
        prop_assert!(decision.report.ready != Ready::Yes || is_bookkeeping);
    }
}

/// Settings of the provider, and of users: some the same, some not, some with members.
fn any_settings() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let access = || {
        prop::option::of((any::<bool>(), any::<bool>()))
            .prop_map(|access| access.map(|(one, other)| json!({"valkey": one, "prometheus": other})))
    };
    let networks = || {
        prop::option::of(prop::sample::subsequence(vec!["0.0.0.0/0", "::/0", "10.0.0.0/8"], 0..=3)).prop_map(
            |list| {
                list.map(|list| {
                    Value::from(list.iter().map(|entry| json!({"network": entry})).collect::<Vec<_>>())
                })
            },
        )
    };
    let number = |least: i64, most: i64| prop::option::of((least..=most).prop_map(Value::from));
    let flag = || prop::option::of(any::<bool>().prop_map(Value::from));
    (access(), access(), networks(), number(0, 3), number(0, 3), flag(), flag()).prop_map(
        |(public, private, ip_filter, timeout, hour, ssl, ipv6)| {
            [
                ("public_access", public),
                ("private_access", private),
                ("ip_filter", ip_filter),
                ("valkey_timeout", timeout),
                ("backup_hour", hour),
                ("valkey_ssl", ssl),
                ("enable_ipv6", ipv6),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
        },
    )
}

/// What the provider makes of an update.
fn updated(service: &ObservedService, patch: &Value) -> ObservedService {
    let mut service = service.clone();
    for (key, value) in patch["user_config"].as_object().into_iter().flatten() {
        service.user_config.insert(key.clone(), value.clone());
    }
    if let Some(plan) = patch["plan"].as_str() {
        service.plan = plan.to_owned();
    }
    if let Some(protected) = patch["termination_protection"].as_bool() {
        service.termination_protection = protected;
    }
    service
}

proptest! {
    #[test]
    fn only_what_is_or_was_declared_is_sent_and_sent_once(
        declared in any_settings(), before in any_settings(), at_the_provider in any_settings(), plan in "[a-b]",
        protected in prop::option::of(any::<bool>()), was_protected: bool,
    ) {
        let mut previously: Vec<_> = before.keys().map(|key| format!("userConfig.{key}")).collect();
        previously.push("plan".to_owned());
        if was_protected { previously.push("terminationProtection".to_owned()); }
        let desired = resource(json!({
            "spec": {"plan": plan, "userConfig": declared, "terminationProtection": protected},
            "status": {"declaredValues": null, "declaredFields": previously},
        }));
        let service = ObservedService { user_config: at_the_provider, ..service() };
        let Step::Update(patch) = decided(&desired, &seen(service.clone())).step else { return Ok(()) };
        let body = serde_json::to_value(&patch).unwrap();
        for key in body["user_config"].as_object().into_iter().flatten().map(|(key, _)| key) {
            prop_assert!(declared.contains_key(key) || before.contains_key(key), "{} in {}", key, body);
        }
        let known = ["plan", "user_config", "termination_protection"];
        prop_assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{}", body);
        prop_assert!(body.get("termination_protection").is_none() || protected.is_some() || was_protected);
        // A write that took effect is never repeated, whether or not the status records it already.
        let after = updated(&service, &body);
        let again = decided(&desired, &seen(after)).step;
        prop_assert!(!matches!(again, Step::Update(_)), "{:?} after {}", again, body);
    }

    #[test]
    fn power_off_follows_only_the_current_spec_and_keeps_data(
        service in any_service(), live: bool, accepts: bool, sent: bool,
    ) {
        let policy = if accepts { "AcceptDataLoss" } else { "RequireBackup" };
        let desired = resource(json!({"spec": {"powered": false, "powerOffPolicy": policy}}));
        let sent = sent.then(|| ServicePatch { powered: Some(false), ..ServicePatch::default() });
        let ours = service.tags.get(names::OWNER_TAG).is_none_or(|owner| owner == UID);
        let observed = Observed { object_is_live: live, sent: sent.clone(), ..seen(service.clone()) };
        if let Step::Update(patch) = decide(&desired, &observed).step {
            prop_assert!(patch.powered == Some(false) && live && ours && sent.is_none(), "{:?}", patch);
            prop_assert!((service.backups > 0 || accepts) && !service.termination_protection);
            prop_assert_eq!(service.state.power(), Power::Serving);
        }
    }

    #[test]
    fn ready_requires_an_observation_of_everything_in_place(
        service in any_service(), unsettled: bool, powered: bool, disabled: bool, secret in 0_usize..5,
    ) {
        let desired = resource(json!({"spec": {"powered": powered, "connInfoSecretTargetDisabled": disabled}}));
        let secrets = [
            ConnectionSecret::Unknown, ConnectionSecret::Absent,
            ConnectionSecret::Foreign { owner: "belongs to nobody".to_owned() },
            ConnectionSecret::Ours { current: false, immutable: true },
            ConnectionSecret::Ours { current: true, immutable: false },
        ];
        let observed = Observed { secret: secrets[secret].clone(), unsettled, ..seen(service.clone()) };
        let decision = decide(&desired, &observed);
        if decision.report.ready == Ready::Yes {
            match service.state.power() {
                Power::Serving => prop_assert!(powered && !unsettled && (disabled || secret == 4)),
                Power::Off => prop_assert!(!powered),
                Power::Changing => prop_assert!(false, "ready while {:?}", service.state),
            }
        }
        let foreign = matches!(observed.secret, ConnectionSecret::Foreign { .. });
        prop_assert!(!(foreign || disabled) || !matches!(decision.step, Step::WriteSecret(_)));
    }

    #[test]
    fn empty_or_placeholder_values_are_never_written_to_a_secret(
        values in prop::collection::vec(prop_oneof![Just(None), Just(Some("")), Just(Some("<redacted>")), Just(Some("real"))], 5),
    ) {
        let names = ["host", "port", "user", "password", "ssl"];
        let value = |name: &str| values[names.iter().position(|known| *known == name)?];
        let service = ObservedService { connection: Connection::from_parameters(value), ..service() };
        let observed = Observed { secret: ConnectionSecret::Absent, ..seen(service) };
        let desired = resource(json!({"spec": {"connInfoSecretTarget":
            {"name": "", "extraKeys": ["URI", "REPLICA_HOST", "REPLICA_PORT"], "serviceBinding": true}}}));
        let whole = values.iter().all(|value| *value == Some("real"));
        match decide(&desired, &observed).step {
            Step::WriteSecret(content) => {
                prop_assert!(whole);
                for (key, value) in content.data.iter().chain(&content.bare) {
                    let value = secrecy::ExposeSecret::expose_secret(value);
                    prop_assert!(!value.is_empty() && !value.contains("<redacted>"), "{}", key);
                }
            }
            _ => prop_assert!(!whole),
        }
    }

    #[test]
    fn paused_or_invalid_spec_sends_nothing_that_depends_on_it(
        service in any_service(), absent: bool, paused: bool, deleting: bool, orphaned: bool,
    ) {
        let mut changes = json!({"spec": {"plan": "b"}});
        if paused { changes["metadata"]["annotations"][names::PAUSED] = json!("true"); }
        if deleting { changes["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"); }
        if orphaned { changes["metadata"]["annotations"][names::DELETION_POLICY] = json!(names::DELETION_POLICY_ORPHAN); }
        let mut desired = resource(changes);
        desired.violations = vec![violation("plan")];
        let observed = if absent { nothing() } else { seen(service) };
        let step = decide(&desired, &observed).step;
        let at_the_provider = matches!(step, Step::Create(_) | Step::Update(_) | Step::PatchTags(_) | Step::Delete);
        if paused {
            prop_assert!(matches!(step, Step::Refuse(_)), "{:?}", step);
        } else if !deleting {
            // Of what depends on the plan nothing is sent; that the service runs does not depend on it.
            let only_power = matches!(&step, Step::Update(patch) if patch.changed_fields() == ["powered"]);
            prop_assert!(!at_the_provider || only_power, "{:?}", step);
            prop_assert!(!matches!(step, Step::Done | Step::Annotate(_)), "{:?}", step);
        } else if orphaned {
            prop_assert!(matches!(step, Step::ReleaseFinalizer), "{:?}", step);
        } else {
            prop_assert!(!at_the_provider || matches!(step, Step::Delete), "{:?}", step);
        }
    }
}
