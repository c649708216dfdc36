//! Decisions by table: the fixtures, and one file per concern.

use super::{decide, *};
use crate::api::{
    Valkey,
    names::{self, condition, reason},
};
use serde_json::{Value, json};

mod difference;
mod life;
mod orphans;
mod ownership;
mod policies;
mod properties;
mod reports;

const UID: &str = "0f8e6a52-0000-4000-8000-000000000001";

/// A resource that has been through everything: finalizer, status, annotations.
fn resource(changes: Value) -> Desired {
    let mut object = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
        "metadata": {
            "name": "cache", "namespace": "ns", "uid": UID, "generation": 3,
            "finalizers": [names::FINALIZER],
            "annotations": {names::GENERATION_PROCESSED: "3", names::INSTANCE_RUNNING: "true"},
        },
        "spec": {"project": "p", "plan": "startup-4"},
        "status": {
            "conditions": [{"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "declaredFields": ["plan"],
        },
    });
    merge(&mut object, changes);
    Desired::of(&serde_json::from_value::<Valkey>(object).unwrap(), Defaults::default())
}

/// The same before the first pass.
fn new_resource(changes: Value) -> Desired {
    let mut fresh = json!({"metadata": {"finalizers": null, "annotations": null}, "status": null});
    merge(&mut fresh, changes);
    resource(fresh)
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (key, value) in changes {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, changes) => *target = changes,
    }
}

fn service() -> ObservedService {
    ObservedService {
        service_type: "valkey".to_owned(),
        state: ServiceState::Running,
        plan: "startup-4".to_owned(),
        cloud: Some("google-europe-west1".to_owned()),
        project_vpc_id: None,
        disk_space_mb: Some(16384),
        maintenance: Maintenance { day: Some("sunday".to_owned()), time: Some("11:00:00".to_owned()) },
        technical_emails: Vec::new(),
        termination_protection: false,
        tags: [(names::OWNER_TAG.to_owned(), UID.to_owned())].into(),
        user_config: json!({
            "ip_filter": ["0.0.0.0/0", "::/0"], "valkey_timeout": 300, "valkey_ssl": true,
            "valkey_maxmemory_policy": "noeviction",
        })
        .as_object()
        .unwrap()
        .clone(),
        connection: Connection::from_parameters(|_| Some("x")),
        backups: 1,
        disk_is_managed: false,
        is_replica: false,
        facts: crate::api::ServiceFacts::default(),
    }
}

fn seen(service: ObservedService) -> Observed {
    Observed {
        remote: Remote::Present(Box::new(service)),
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        object_is_live: true,
        token_is_held: true,
        ..Observed::default()
    }
}

fn nothing() -> Observed {
    Observed {
        remote: Remote::Absent,
        object_is_live: true,
        token_is_held: true,
        source: Source::Ready,
        ..Observed::default()
    }
}

fn patch(desired: &Desired, service: ObservedService) -> Value {
    match decide(desired, &seen(service)).step {
        Step::Update(patch) => serde_json::to_value(*patch).unwrap(),
        other => panic!("expected an update, got {other:?}"),
    }
}

fn outcome(desired: &Desired, observed: &Observed) -> (&'static str, &'static str, Ready) {
    let decision = decide(desired, observed);
    (decision.step.name(), decision.report.reason, decision.report.ready)
}
