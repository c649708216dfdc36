//! Between the world of token Secrets and the real engine: converts objects and observations to the engine's types,
//! and its steps to those of this world.

use super::{Answers, Move, Object, Reconciliation, Seen, Token, UID};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use valkeeper_api::{Valkey, names};
use valkeeper_engine::{
    self as engine, ConnectionSecret, Decision, Defaults, Desired, Observed, ObservedService, Remote,
    ServiceState, Step, Target,
};

/// The next step of a reconciliation.
pub(super) fn decide(answers: &mut Answers, reconciliation: Reconciliation, tokens: [Token; 2]) -> Move {
    *answers.entry((reconciliation, tokens)).or_insert_with(|| {
        abstracted(&engine::decide(&desired(reconciliation.object), &observed(reconciliation, tokens)))
    })
}

fn abstracted(decision: &Decision) -> Move {
    let index = |name: &str| name.trim_start_matches("token-").parse::<usize>().unwrap();
    let noted = |names: &String| [0, 1].map(|number| names.split(',').any(|one| index(one) == number));
    match &decision.step {
        Step::Observe(Target::Service) => Move::Look,
        Step::Observe(Target::Object) => Move::LookAtObject,
        Step::Observe(Target::TokenSecrets) => Move::LookAtTokens,
        Step::AddFinalizer(all) => Move::AddFinalizer(noted(&all[names::TOKEN_SECRET])),
        Step::AddTokenFinalizer => Move::Hold,
        Step::Record { .. } => Move::Record,
        Step::Create(_) => Move::Create,
        Step::Annotate(all) => Move::Annotate {
            noted: all.get(names::TOKEN_SECRET).and_then(Option::as_ref).map(noted),
            processed: all.contains_key(names::GENERATION_PROCESSED),
        },
        Step::NoteSettled => Move::NoteSettled,
        Step::ReleaseToken(name) => Move::ReleaseToken(index(name)),
        Step::Delete => Move::Delete,
        Step::ReleaseFinalizer => Move::ReleaseFinalizer,
        Step::Wait(_) | Step::Refuse(_) | Step::Done => {
            Move::Requeue { initialized: decision.report.initialized }
        }
        other => panic!("not in this model: {other:?}"),
    }
}

fn desired(object: Object) -> Desired {
    let Object {
        finalizer, deleting, initialized, processed, settled, recorded, names: named, noted, ..
    } = object;
    let mut annotations = json!({});
    if processed {
        annotations = json!({names::GENERATION_PROCESSED: "1", names::INSTANCE_RUNNING: "true"});
    }
    let noted: Vec<_> = (0..2).filter(|index| noted[*index]).map(name).collect();
    if !noted.is_empty() {
        annotations[names::TOKEN_SECRET] = json!(noted.join(","));
    }
    if settled {
        annotations[names::SERVICE_SETTLED] = json!(UID);
    }
    let condition = json!({"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let object = json!({
        "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
        "metadata": {
            "name": "cache", "namespace": "n", "uid": UID, "generation": 1, "annotations": annotations,
            "finalizers": if finalizer { json!([names::FINALIZER]) } else { Value::Null },
            "deletionTimestamp": if deleting { json!("2026-01-01T00:00:00Z") } else { Value::Null },
        },
        "spec": {"project": "p", "plan": "startup-4", "authSecretRef": {"name": name(named), "key": "token"}},
        "status": {"conditions": if initialized { json!([condition]) } else { Value::Null }},
    });
    let read = |object: &Value| {
        Desired::of(&serde_json::from_value::<Valkey>(object.clone()).unwrap(), Defaults::default())
    };
    let mut object = object;
    if recorded {
        object["status"]["declaredValues"] = json!(read(&object).declared);
    }
    let mut desired = read(&object);
    desired.token_secret = Some(name(named));
    desired
}

fn name(index: usize) -> String {
    format!("token-{index}")
}

fn observed(reconciliation: Reconciliation, tokens: [Token; 2]) -> Observed {
    let remote = match reconciliation.service {
        Seen::Unknown => Remote::Unknown,
        Seen::Absent => Remote::Absent,
        Seen::Present => Remote::Present(Box::new(service())),
    };
    let held = |held: [bool; 2]| (0..2).filter(|index| held[*index]).map(name).collect::<BTreeSet<_>>();
    Observed {
        remote,
        secret: ConnectionSecret::Ours { current: true, immutable: false },
        token_is_held: reconciliation.held_in_vain || tokens[reconciliation.object.names].held,
        held_names: reconciliation.held.map(held),
        object_is_live: reconciliation.live,
        absence_is_certain: true,
        ..Observed::default()
    }
}

fn service() -> ObservedService {
    ObservedService {
        service_type: "valkey".to_owned(),
        state: ServiceState::Running,
        plan: "startup-4".to_owned(),
        cloud: None,
        project_vpc_id: None,
        disk_space_mb: None,
        maintenance: engine::Maintenance::default(),
        technical_emails: Vec::new(),
        termination_protection: false,
        tags: [(names::OWNER_TAG.to_owned(), UID.to_owned())].into(),
        user_config_is_unknown: false,
        credentials_are_withheld: false,
        user_config: serde_json::Map::new(),
        connection: engine::Connection::from_parameters(|_| Some("x")),
        backups: 1,
        backups_are_unknown: false,
        disk_is_managed: false,
        is_replica: false,
        facts: valkeeper_api::ServiceFacts::default(),
    }
}
