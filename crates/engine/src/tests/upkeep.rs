//! The connection Secret is kept true whatever else is wrong: every stuck concern, and every two of them at
//! once, with every way in which a Secret can be out of date.

use super::*;
use secrecy::ExposeSecret as _;

/// Something that is wrong with the resource or its service.
struct Trouble {
    name: &'static str,
    /// What the spec or the metadata of the resource has to do with it.
    object: Value,
    /// What was seen of it.
    seen: fn(&mut Observed, &mut ObservedService),
    /// A rule that is broken, by its field.
    violates: Option<&'static str>,
}

fn trouble(name: &'static str, object: Value, seen: fn(&mut Observed, &mut ObservedService)) -> Trouble {
    Trouble { name, object, seen, violates: None }
}

fn refused(observed: &mut Observed, request: Request, reason: &'static str) {
    let failure = Failure { reason, message: format!("{reason} of {request:?}"), passing: false };
    observed.refused.push(Refusal { request, failure, holds: true });
}

fn update(change: ServicePatch) -> Request {
    Request::Update(Box::new(change))
}

fn plan(plan: &str) -> ServicePatch {
    ServicePatch { plan: Some(plan.to_owned()), ..ServicePatch::default() }
}

fn powered_off() -> ServicePatch {
    ServicePatch { powered: Some(false), ..ServicePatch::default() }
}

fn in_states() -> Vec<Trouble> {
    vec![
        trouble("nothing", json!({}), |_, _| {}),
        trouble("rebuilding", json!({}), |_, service| service.state = ServiceState::Rebuilding),
        trouble("rebalancing", json!({}), |_, service| service.state = ServiceState::Rebalancing),
        trouble("unknown state", json!({}), |_, service| service.state = ServiceState::parse("NEW")),
        trouble("powered off by others", json!({"spec": {"driftPolicy": "Report"}}), |_, service| {
            service.state = ServiceState::PoweredOff;
        }),
        trouble("not settled", json!({}), |observed, _| observed.unsettled = true),
    ]
}

fn of_settings() -> Vec<Trouble> {
    vec![
        trouble("rejected settings", json!({"spec": {"plan": "nope"}}), |observed, _| {
            refused(observed, update(plan("nope")), reason::PROVIDER_REJECTED);
        }),
        trouble("not applied", json!({"spec": {"plan": "nope"}}), |observed, _| {
            observed.sent = Some(plan("nope"));
        }),
        trouble("disk of an autoscaler", json!({"spec": {"disk_space": "80GiB"}}), |_, service| {
            service.disk_is_managed = true;
        }),
        trouble("rejected tags", json!({"spec": {"tags": {"a": "b"}}}), |observed, _| {
            let tags = [("a".to_owned(), Some("b".to_owned()))];
            refused(observed, Request::Tags(tags.into()), reason::PROVIDER_REJECTED);
        }),
        Trouble { violates: Some("plan"), ..trouble("invalid settings", json!({}), |_, _| {}) },
        Trouble { violates: Some("tags"), ..trouble("invalid tags", json!({}), |_, _| {}) },
        Trouble { violates: Some("powerOffPolicy"), ..trouble("invalid policy", json!({}), |_, _| {}) },
    ]
}

fn of_power() -> Vec<Trouble> {
    let off = || json!({"spec": {"powered": false}});
    vec![
        trouble("protected power-off", off(), |_, service| service.termination_protection = true),
        trouble("waiting for a backup", off(), |_, service| service.backups = 0),
        trouble("never a backup", off(), |_, service| {
            (service.backups, service.is_replica) = (0, true);
        }),
        trouble("rejected power-off", off(), |observed, _| {
            refused(observed, update(powered_off()), reason::PROVIDER_REJECTED);
        }),
    ]
}

fn of_others() -> Vec<Trouble> {
    let reference = || json!({"spec": {"projectVPCRef": {"name": "net"}}});
    let migration = || json!({"host": "h", "port": 1});
    let from_secret = json!({"spec": {"userConfig": {"migration": migration()},
        "migrationSecretSource": {"name": "old", "key": "password"}}});
    vec![
        trouble("VPC not ready", reference(), |observed, _| {
            observed.vpc = VpcReference::NotReady("it is not".to_owned());
        }),
        trouble("VPC refused", reference(), |observed, _| {
            observed.vpc = VpcReference::Refused("it may not".to_owned());
        }),
        trouble("VPC unreadable", reference(), |observed, _| {
            refused(observed, Request::Observe(Target::Vpc), reason::CLUSTER_REJECTED);
        }),
        trouble("no migration password", from_secret.clone(), |observed, _| {
            let request = Request::Observe(Target::MigrationPassword);
            refused(observed, request, reason::MIGRATION_SECRET_MISSING);
        }),
        trouble("migration failed", from_secret, |observed, service| {
            observed.migration_password_is_known = true;
            observed.migration = Some(MigrationState::Failed("no route".to_owned()));
            service.user_config.insert("migration".to_owned(), json!({"host": "h", "port": 1}));
        }),
        trouble("token not held", json!({}), |observed, _| {
            observed.token_is_held = false;
            refused(observed, Request::Token, reason::CLUSTER_REJECTED);
        }),
    ]
}

fn all() -> Vec<Trouble> {
    [in_states(), of_settings(), of_power(), of_others()].into_iter().flatten().collect()
}

/// A resource in this trouble and what is seen of it, with `password` at the provider.
fn scene(troubles: &[&Trouble], secret: &ConnectionSecret, password: &str) -> (Desired, Observed) {
    let mut object = json!({});
    let mut observed = Observed { secret: secret.clone(), ..seen(service()) };
    let parameter = |name: &str| Some(if name == "password" { password } else { "x" });
    let mut service = ObservedService { connection: Connection::from_parameters(parameter), ..service() };
    for trouble in troubles {
        merge(&mut object, trouble.object.clone());
        (trouble.seen)(&mut observed, &mut service);
    }
    observed.remote = Remote::Present(Box::new(service));
    let mut desired = resource(object);
    desired.violations = troubles.iter().filter_map(|trouble| trouble.violates).map(violation).collect();
    (desired, observed)
}

#[test]
fn secret_is_written_whatever_else_is_wrong() {
    let table = [
        ("deleted", ConnectionSecret::Absent, "x"),
        ("edited", ConnectionSecret::Ours { current: false, immutable: false }, "x"),
        ("password reset", ConnectionSecret::Ours { current: false, immutable: false }, "new"),
    ];
    let troubles = all();
    for (index, one) in troubles.iter().enumerate() {
        for other in &troubles[index..] {
            for (how, secret, password) in &table {
                let (desired, observed) = scene(&[one, other], secret, password);
                let step = decide(&desired, &observed).step;
                let Step::WriteSecret(content) = step else {
                    panic!("{how} while {} and {}: {step:?}", one.name, other.name)
                };
                assert_eq!(content.data["VALKEY_PASSWORD"].expose_secret(), *password);
            }
        }
    }
}

#[test]
fn secret_is_read_before_anything_else_is_done() {
    for trouble in all() {
        let (desired, observed) = scene(&[&trouble], &ConnectionSecret::Unknown, "x");
        assert_eq!(outcome(&desired, &observed).0, "observe secret", "{}", trouble.name);
    }
}

#[test]
fn secret_upkeep_hides_no_trouble() {
    let current = ConnectionSecret::Ours { current: true, immutable: false };
    let ready = |name: &str| ["nothing", "rebalancing", "migration failed"].contains(&name);
    for trouble in all() {
        let (desired, observed) = scene(&[&trouble], &current, "x");
        let decision = decide(&desired, &observed);
        assert!(decision.step.ends_reconciliation(), "{}: {:?}", trouble.name, decision.step);
        let is_ready = decision.report.ready == Ready::Yes;
        assert_eq!(is_ready, ready(trouble.name), "{}: {}", trouble.name, decision.report.message);
    }
}

#[test]
fn first_secret_waits_until_the_service_serves() {
    let fresh = new_resource(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
    let building = ObservedService { state: ServiceState::Rebuilding, ..service() };
    let absent = Observed { secret: ConnectionSecret::Absent, ..seen(building) };
    assert_eq!(outcome(&fresh, &absent), ("wait", reason::BUILDING, Ready::Progressing));
    let serving = Observed { secret: ConnectionSecret::Absent, ..seen(service()) };
    assert_eq!(outcome(&fresh, &serving).0, "write secret");
}

#[test]
fn secret_without_its_own_part_of_the_spec_is_left_alone() {
    for field in ["connInfoSecretTarget", "authSecretRef", "project"] {
        let mut desired = resource(json!({}));
        desired.violations = vec![violation(field)];
        let deleted = Observed { secret: ConnectionSecret::Absent, ..seen(service()) };
        assert_eq!(outcome(&desired, &deleted), ("refuse", reason::INVALID_SPEC, Ready::Stuck), "{field}");
    }
}

#[test]
fn stuck_secret_does_not_stop_settings_tags_and_power() {
    let stuck = [
        ConnectionSecret::Foreign { owner: "belongs to Deployment x".to_owned() },
        ConnectionSecret::Ours { current: false, immutable: true },
    ];
    for secret in stuck {
        let with = |spec: Value| {
            let observed = Observed { secret: secret.clone(), ..seen(service()) };
            decide(&resource(json!({"spec": spec})), &observed).step.name()
        };
        assert_eq!(with(json!({"plan": "business-4"})), "update");
        assert_eq!(with(json!({"powered": false})), "update");
        assert_eq!(with(json!({"tags": {"a": "b"}})), "patch tags");
    }
}

#[test]
fn refused_settings_stop_neither_tags_nor_power_nor_protection() {
    let spec = json!({"plan": "nope", "powered": false, "tags": {"a": "b"}, "terminationProtection": false});
    let desired = resource(json!({"spec": spec}));
    let both = ServicePatch { termination_protection: Some(false), ..plan("nope") };
    let mut observed = seen(ObservedService { termination_protection: true, ..service() });
    refused(&mut observed, update(both), reason::PROVIDER_REJECTED);
    let Step::Update(next) = decide(&desired, &observed).step else { panic!("protection is lifted") };
    assert_eq!(next.changed_fields(), ["terminationProtection"]);

    let mut observed = seen(service());
    refused(&mut observed, update(plan("nope")), reason::PROVIDER_REJECTED);
    assert_eq!(outcome(&desired, &observed).0, "patch tags");
    let Remote::Present(service) = &mut observed.remote else { panic!() };
    service.tags.insert("a".to_owned(), "b".to_owned());
    let Step::Update(next) = decide(&desired, &observed).step else { panic!("power is switched") };
    assert_eq!(next.changed_fields(), ["powered"]);
}

#[test]
fn refused_request_is_retried_when_due_or_changed() {
    let desired = resource(json!({"spec": {"plan": "nope"}}));
    let mut observed = seen(service());
    refused(&mut observed, update(plan("nope")), reason::PROVIDER_REJECTED);
    let held = decide(&desired, &observed);
    assert_eq!((held.step.name(), held.report.reason), ("refuse", reason::PROVIDER_REJECTED));
    let other = resource(json!({"spec": {"plan": "business-4"}}));
    assert_eq!(outcome(&other, &observed).0, "update");
    observed.refused[0].holds = false;
    assert_eq!(outcome(&desired, &observed).0, "update");
}
