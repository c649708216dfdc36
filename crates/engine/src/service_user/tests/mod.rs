//! Decisions about a `ServiceUser`: the fixtures, and one file per subject.

use super::*;
use crate::{
    observed::{Connection, ConnectionSecret, ServiceState},
    policies::Defaults,
    report::{Ready, Report},
    step::RequeueClass,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use valkeeper_api::{
    ServiceUserStatus,
    names::{self, reason},
};

mod life;
mod upkeep;

fn desired(changes: &Value) -> DesiredServiceUser {
    let mut object = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "ServiceUser",
        "metadata": {"name": "shop", "uid": "u", "generation": 2, "finalizers": [names::FINALIZER]},
        "spec": {"project": "p", "serviceName": "cache", "authSecretRef": {"name": "t", "key": "k"}},
    });
    for part in ["metadata", "spec"] {
        for (key, value) in changes[part].as_object().into_iter().flatten() {
            object[part][key] = value.clone();
        }
    }
    object["status"] = changes["status"].clone();
    DesiredServiceUser::of(&serde_json::from_value(object).unwrap(), Defaults::default())
}

fn with_status(status: &Value) -> DesiredServiceUser {
    desired(&json!({"status": status}))
}

fn deleting(status: &Value) -> DesiredServiceUser {
    desired(&json!({"status": status, "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
}

/// One that is as declared, up to what these change.
fn settled(spec: &Value) -> DesiredServiceUser {
    let annotations = json!({
        names::GENERATION_PROCESSED: "2", names::INSTANCE_RUNNING: "true", names::TOKEN_SECRET: "t",
    });
    desired(&json!({"spec": spec, "status": {"created": true}, "metadata": {"annotations": annotations}}))
}

fn user() -> SeenServiceUser {
    SeenServiceUser { password: Some(SecretString::from("generated")), ..SeenServiceUser::default() }
}

/// A running service with this user, and no obstacle.
fn seen(user: UserOfService) -> ObservedServiceUser {
    let connection = matches!(&user, UserOfService::Present(user) if user.password.is_some()).then(|| {
        let parameter = |name: &str| Some(if name == "password" { "generated" } else { "x" });
        let connection = Connection::from_parameters(parameter).unwrap();
        Connection { authority: Some("certificate".to_owned()), ..connection }
    });
    let service = SeenService {
        service_type: "valkey".to_owned(),
        state: ServiceState::Running,
        connection,
        credentials_are_withheld: false,
        user,
    };
    ObservedServiceUser {
        service: Some(ServiceOfUser::Present(Box::new(service))),
        claims: Claims::None,
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        token_is_held: true,
        held_names: Some(BTreeSet::new()),
        object_is_live: true,
        ..ObservedServiceUser::default()
    }
}

fn present() -> ObservedServiceUser {
    seen(UserOfService::Present(user()))
}

fn absent() -> ObservedServiceUser {
    ObservedServiceUser { absence_is_certain: true, ..seen(UserOfService::Absent) }
}

fn change(mut observed: ObservedServiceUser, with: impl FnOnce(&mut SeenService)) -> ObservedServiceUser {
    if let Some(ServiceOfUser::Present(service)) = &mut observed.service {
        with(service);
    }
    observed
}

/// The claim of another resource that comes first.
fn theirs() -> Claim {
    Claim { resource: "ServiceUser n/a".to_owned(), comes_first: true }
}

/// The step as text: it holds Secrets, which cannot be compared.
fn step(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> String {
    let step = format!("{:?}", decide(desired, observed).0);
    step.split("(SecretContent").next().unwrap_or_default().to_owned()
}

fn report(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> (Ready, &'static str) {
    let report = decide(desired, observed).1;
    (report.ready, report.reason)
}
