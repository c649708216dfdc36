//! Between the abstract world and the real engine: abstract views become the engine's own types, its step becomes an
//! abstract one. Earlier decisions are cached, since few questions differ.

use crate::state::{Absent, Object, Operator, Reconciliation, Record, Remote, SecretSeen, Service, State};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use valkeeper_api::{Valkey, names};
use valkeeper_engine::{
    self as engine, Connection, ConnectionSecret, Defaults, Desired, Maintenance, Observed, ObservedService,
    Ready, ServicePatch, ServiceState,
};

/// The decision of the engine, as far as the abstract world represents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Look,
    LookAtObject,
    LookAtSecret,
    AddFinalizer { notes: bool },
    Record(Record),
    Create,
    Update,
    Mark,
    WriteSecret,
    Annotate,
    Delete,
    ReleaseFinalizer,
    Requeue { ready: bool, initialized: bool, record: Record },
}

/// The question: everything that the engine is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Question {
    who: usize,
    adopts: bool,
    reports: bool,
    reconciliation: Reconciliation,
    certain: bool,
    deletion_requested: bool,
    sent: Option<u8>,
}

/// The engine, with what it has answered before.
#[derive(Default)]
pub(crate) struct Engine(HashMap<Question, Step>);

impl Engine {
    /// The next step of the reconciliation that `operator` is in.
    pub(crate) fn decide(
        &mut self,
        who: usize,
        state: &State,
        operator: &Operator,
        reconciliation: Reconciliation,
    ) -> Step {
        let question = Question {
            who,
            adopts: state.adoption,
            reports: state.reports,
            reconciliation,
            certain: operator.deletion_requested || operator.absent == Absent::ForAWhile,
            deletion_requested: operator.deletion_requested,
            // An update counts as sent for the spec it was sent for.
            sent: operator.sent.filter(|plan| *plan == reconciliation.object.plan),
        };
        *self.0.entry(question).or_insert_with(|| question.ask())
    }
}

impl Question {
    fn ask(self) -> Step {
        let (desired, observed) = (self.desired(), self.observed());
        let decision = engine::decide(&desired, &observed);
        match decision.step {
            engine::Step::Observe(engine::Target::Service) => Step::Look,
            engine::Step::Observe(engine::Target::Object) => Step::LookAtObject,
            engine::Step::Observe(engine::Target::Secret) => Step::LookAtSecret,
            other @ (engine::Step::AddTokenFinalizer
            | engine::Step::ChangeType
            | engine::Step::StartMaintenance(_)
            | engine::Step::WriteConfigMap(_)
            | engine::Step::NoteSettled
            | engine::Step::ReleaseToken(_)
            | engine::Step::Observe(_)) => panic!("not in this model: {other:?}"),
            engine::Step::AddFinalizer(notes) => {
                Step::AddFinalizer { notes: notes.contains_key(names::DECLARED_FIELDS) }
            }
            engine::Step::Record { declared, .. } => Step::Record(Self::record(&desired, &declared)),
            engine::Step::Create(_) => Step::Create,
            engine::Step::Update(patch) => {
                assert_eq!(patch.changed_fields(), ["plan"], "the model knows no other change");
                Step::Update
            }
            engine::Step::PatchTags(_) => Step::Mark,
            engine::Step::WriteSecret(_) => Step::WriteSecret,
            engine::Step::Annotate(_) => Step::Annotate,
            engine::Step::Delete => Step::Delete,
            engine::Step::ReleaseFinalizer => Step::ReleaseFinalizer,
            engine::Step::Wait(_) | engine::Step::Refuse(_) | engine::Step::Done => Step::Requeue {
                ready: decision.report.ready == Ready::Yes,
                initialized: decision.report.initialized,
                record: Self::record(&desired, &engine::remembered(&desired, &observed)),
            },
        }
    }

    fn desired(&self) -> Desired {
        let Object { finalizer, deleting, orphan, plan, initialized, processed, record } =
            self.reconciliation.object;
        let mut annotations = BTreeMap::new();
        if let Some(processed) = processed {
            annotations.insert(names::GENERATION_PROCESSED, (processed + 1).to_string());
            annotations.insert(names::INSTANCE_RUNNING, "true".to_owned());
        }
        if orphan {
            annotations.insert(names::DELETION_POLICY, "Orphan".to_owned());
        }
        if record == Record::Noted {
            annotations.insert(names::DECLARED_FIELDS, "plan,powered".to_owned());
        }
        let condition = json!({"type": "Initialized", "status": "True", "reason": "CreatedOrUpdated", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let object = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
            "metadata": {
                "name": "cache", "namespace": "n", "uid": uid(self.who), "generation": plan + 1,
                "annotations": annotations,
                "finalizers": if finalizer { json!([names::FINALIZER]) } else { Value::Null },
                "deletionTimestamp": if deleting { json!("2026-01-01T00:00:00Z") } else { Value::Null },
            },
            "spec": {
                "project": "p", "plan": plan_name(plan),
                "adoptionPolicy": if self.adopts { "Adopt" } else { "Refuse" },
                "driftPolicy": if self.reports { "Report" } else { "Correct" },
            },
            "status": {
                "conditions": if initialized { json!([condition]) } else { Value::Null },
                "declaredValues": written(record),
            },
        });
        Desired::of(&serde_json::from_value::<Valkey>(object).unwrap(), Defaults::default())
    }

    /// The record that the status would hold.
    fn record(desired: &Desired, declared: &BTreeMap<String, String>) -> Record {
        let (Some(plan), Some(powered)) = (declared.get("plan"), declared.get("powered")) else {
            return Record::Nothing;
        };
        assert_eq!(declared.len(), 2, "the model knows no other field");
        let hashes = hashes();
        let plan = (0..2_u8).find(|number| hashes[usize::from(*number)] == *plan);
        Record::Written { plan, powered: desired.declared["powered"] == *powered }
    }

    fn observed(&self) -> Observed {
        Observed {
            remote: match self.reconciliation.remote {
                Remote::Unknown => engine::Remote::Unknown,
                Remote::Absent => engine::Remote::Absent,
                Remote::Present(service) => engine::Remote::Present(Box::new(observed(service))),
            },
            secret: match (self.reconciliation.secret, self.reconciliation.remote) {
                (SecretSeen::Unknown, _) => ConnectionSecret::Unknown,
                (SecretSeen::Absent, _) => ConnectionSecret::Absent,
                (SecretSeen::Exists, _) => ConnectionSecret::Exists,
                (SecretSeen::Holds(held), Remote::Present(service)) => {
                    ConnectionSecret::Ours { current: held == service.password, immutable: false }
                }
                (SecretSeen::Holds(_), _) => ConnectionSecret::Ours { current: false, immutable: false },
            },
            token_is_held: true,
            held_names: Some(BTreeSet::new()),
            object_is_live: self.reconciliation.live,
            sent: self
                .sent
                .map(|plan| ServicePatch { plan: Some(plan_name(plan)), ..ServicePatch::default() }),
            deletion_requested: self.deletion_requested,
            absence_is_certain: self.certain,
            requests_may_take_effect: self.reconciliation.late,
            ..Observed::default()
        }
    }
}

/// The hashes of both plans, and of power.
fn hashes() -> [String; 3] {
    let of = |plan: u8| {
        let object = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey", "metadata": {"name": "cache"},
            "spec": {"project": "p", "plan": plan_name(plan)},
        });
        let object = serde_json::from_value::<Valkey>(object).unwrap();
        Desired::of(&object, Defaults::default()).declared
    };
    [of(0)["plan"].clone(), of(1)["plan"].clone(), of(0)["powered"].clone()]
}

fn written(record: Record) -> Value {
    let Record::Written { plan, powered } = record else { return Value::Null };
    let [zero, one, power] = hashes();
    let plan = match plan {
        None => String::new(),
        Some(0) => zero,
        Some(_) => one,
    };
    json!({"plan": plan, "powered": if powered { power } else { String::new() }})
}

fn observed(service: Service) -> ObservedService {
    let password = format!("password-{}", service.password);
    let parameter = |name: &str| Some(if name == "password" { password.as_str() } else { "x" });
    ObservedService {
        service_type: "valkey".to_owned(),
        state: if service.running { ServiceState::Running } else { ServiceState::Rebuilding },
        plan: plan_name(service.plan),
        cloud: None,
        project_vpc_id: None,
        disk_space_mb: None,
        maintenance: Maintenance::default(),
        technical_emails: Vec::new(),
        termination_protection: false,
        tags: service.owner.map(|who| (names::OWNER_TAG.to_owned(), uid(who))).into_iter().collect(),
        user_config_is_unknown: false,
        credentials_are_withheld: false,
        user_config: serde_json::Map::new(),
        connection: Connection::from_parameters(parameter).filter(|_| service.running),
        backups: 0,
        backups_are_unknown: false,
        disk_is_managed: false,
        is_replica: false,
        facts: valkeeper_api::ServiceFacts::default(),
    }
}

fn plan_name(plan: u8) -> String {
    format!("plan-{plan}")
}

fn uid(who: usize) -> String {
    format!("uid-{who}")
}
