//! Decisions by table: the fixtures, and one file per concern.

use super::{decide, *};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use valkeeper_api::{
    Valkey,
    field_path::FieldPath,
    names::{self, condition, reason},
    validate::Violation,
};

mod difference;
mod handover;
mod life;
mod maintenance;
mod migrations;
mod orphans;
mod ownership;
mod policies;
mod properties;
mod removals;
mod reports;
mod sequences;
mod upkeep;

/// Stands for a status with a complete record.
const EVERYTHING: &str = "everything";
const UID: &str = "0f8e6a52-0000-4000-8000-000000000001";

/// A resource that has completed every phase: finalizer, annotations, and a status that records every value as in
/// force, unless `changes` override it.
fn resource(changes: Value) -> Desired {
    let mut desired = stored(changes);
    if desired.record.as_ref().is_some_and(|record| record.contains_key(EVERYTHING)) {
        let now = declared_by(&desired);
        remember(&mut desired, now);
    }
    desired
}

/// The same, whose spec was `before` when it was last brought about.
fn edited(before: Value, after: Value) -> Desired {
    let mut desired = resource(after);
    let former = declared_by(&resource(before));
    desired.generation += 1;
    remember(&mut desired, former);
    desired
}

fn declared_by(desired: &Desired) -> declared::Hashes {
    desired.declared.clone()
}

fn remember(desired: &mut Desired, declared: declared::Hashes) {
    let entry = |(path, hash): (String, String)| (path, declared::Remembered::of(hash));
    desired.record = Some(declared.into_iter().map(entry).collect());
    desired.record_is_in_status = true;
}

fn stored(changes: Value) -> Desired {
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
            "declaredValues": {EVERYTHING: ""},
        },
    });
    merge(&mut object, changes);
    Desired::of(&serde_json::from_value::<Valkey>(object).unwrap(), Defaults::default())
}

/// The same before the first reconciliation.
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
        user_config_is_unknown: false,
        credentials_are_withheld: false,
        user_config: json!({
            "ip_filter": ["0.0.0.0/0", "::/0"], "valkey_timeout": 300, "valkey_ssl": true,
            "valkey_maxmemory_policy": "noeviction",
        })
        .as_object()
        .unwrap()
        .clone(),
        connection: Connection::from_parameters(|_| Some("x")),
        backups: 1,
        backups_are_unknown: false,
        disk_is_managed: false,
        is_replica: false,
        facts: valkeeper_api::ServiceFacts::default(),
    }
}

fn seen(service: ObservedService) -> Observed {
    Observed {
        remote: Remote::Present(Box::new(service)),
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        object_is_live: true,
        token_is_held: true,
        held_names: Some(BTreeSet::new()),
        ..Observed::default()
    }
}

fn nothing() -> Observed {
    Observed {
        remote: Remote::Absent,
        secret: ConnectionSecret::Absent,
        object_is_live: true,
        token_is_held: true,
        source: Source::Ready,
        held_names: Some(BTreeSet::new()),
        ..Observed::default()
    }
}

/// A rule that this field of the spec breaks.
fn violation(field: &str) -> Violation {
    Violation { field: FieldPath::of(&["spec", field]), value: String::new(), rule: "is wrong".to_owned() }
}

/// The decision when everything is written down that has to be before.
fn decided(desired: &Desired, observed: &Observed) -> Decision {
    let decision = decide(desired, observed);
    let Step::Record { declared, migration } = decision.step else { return decision };
    let mut desired = desired.clone();
    remember(&mut desired, declared);
    desired.migration = migration;
    decide(&desired, observed)
}

fn patch(desired: &Desired, service: ObservedService) -> Value {
    match decided(desired, &seen(service)).step {
        Step::Update(patch) => serde_json::to_value(*patch).unwrap(),
        other => panic!("expected an update, got {other:?}"),
    }
}

fn outcome(desired: &Desired, observed: &Observed) -> (&'static str, &'static str, Ready) {
    let decision = decided(desired, observed);
    (decision.step.name(), decision.report.reason, decision.report.ready)
}
