//! Predicts a reconciliation without performing it, with the same reads and decisions. Nothing is written: each step is
//! taken as done, and callers pass clients behind a closed fence.

use super::Reconciliation;
use crate::{
    controller::{
        connection_secret::SecretSeen,
        context::Context,
        memory::Memory,
        schedule::{queue::Priority, scheduler::Wake},
        work_item::WorkItem,
    },
    provider::Token,
};
use kube::runtime::reflector::ObjectRef;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc;
use valkeeper_api::{Kind, ManagedService, ServiceFacts, status::DriftedField};
use valkeeper_engine::{
    self as engine, Decision, Ready, Remote, Report, Step, Target, existing_secret,
    preview::{Effect, creation, differences},
};

/// More steps than any resource needs.
const MAX_STEPS: usize = 32;

/// The next action for a resource, and the report that would follow.
pub struct Preview {
    /// The requests, in order.
    pub actions: Vec<Action>,
    /// The fields that they change.
    pub changes: Vec<Changed>,
    /// Differences that nothing is done about.
    pub left: Vec<DriftedField>,
    /// The final report: whether the resource is ready, or becomes ready without user action.
    pub outcome: Report,
    /// The service as it is, if there is one.
    pub service: Option<Seen>,
    /// What the price depends on, before and after.
    pub ordered: [Option<Ordered>; 2],
    /// The token that was used, if there is one.
    pub token: Option<Token>,
    /// Where it came from, or should have come from, in words.
    pub token_source: String,
}

/// What the price of a service depends on.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// Its plan.
    pub plan: String,
    /// Its cloud and region.
    pub cloud: Option<String>,
    /// Its disk space in MiB, unless it is that of the plan.
    pub disk_space_mb: Option<u64>,
}

/// What is shown of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Aiven's word for its state.
    pub state: String,
    /// Its plan.
    pub plan: String,
    /// Its cloud and region.
    pub cloud: Option<String>,
    /// The token may not read how to connect.
    pub credentials_are_withheld: bool,
    /// Facts about the service in the status.
    pub facts: ServiceFacts,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// Such as `update`.
    pub step: &'static str,
    /// Who gets it: `aiven` or `kubernetes`.
    pub target: &'static str,
    /// The names of what it holds.
    pub fields: Vec<String>,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its path in the spec.
    pub field: String,
    /// What Aiven has, as JSON; hidden where it may be a secret.
    pub from: String,
    /// What it becomes.
    pub to: String,
    /// What that does to the service.
    pub effect: &'static str,
}

/// What would be done for `object`, whose spec may never have been applied.
pub async fn of<K: ManagedService>(context: Arc<Context>, object: K) -> Preview {
    let Ok(permit) = context.queue.permit(Priority::Edit).await else {
        return failed(Report::new(Ready::Unchanged, "", "the queue is closed"));
    };
    let (sender, _) = mpsc::unbounded_channel();
    let wake = Wake { sender, reference: Arc::new(ObjectRef::new("")) };
    let item = WorkItem { object, memory: Memory::default(), listed: None, permit };
    Box::pin(Reconciliation::new(context, item, wake).preview()).await
}

fn failed(outcome: Report) -> Preview {
    Preview {
        actions: Vec::new(),
        changes: Vec::new(),
        left: Vec::new(),
        outcome,
        service: None,
        ordered: [None, None],
        token: None,
        token_source: String::new(),
    }
}

impl<K: ManagedService> Reconciliation<K> {
    async fn preview(mut self) -> Preview {
        let mut preview = failed(Report::new(Ready::Unchanged, "", ""));
        let mut before = None;
        for _ in 0..MAX_STEPS {
            self.recall();
            let Decision { step, report } = engine::decide(&self.desired, &self.observed);
            preview.outcome = report;
            if let (None, Remote::Present(service)) = (&before, &self.observed.remote) {
                before = Some(differences(&self.desired, &self.observed));
                preview.service = Some(seen(service));
                preview.ordered[0] = Some(ordered(service));
            }
            if let Step::Observe(target) = &step {
                if let Err(failure) = self.observe_target(*target).await {
                    preview.outcome = failure;
                    break;
                }
                continue;
            }
            if step.ends_reconciliation() {
                break;
            }
            preview.actions.push(self.action(&step));
            if let Step::Create(request) = &step {
                preview.changes =
                    creation(request).into_iter().map(|field| changed(K::KIND, field, true)).collect();
                let (plan, cloud) = (request.plan.clone(), request.cloud.clone());
                preview.ordered[1] = Some(Ordered { plan, cloud, disk_space_mb: request.disk_space_mb });
            }
            if matches!(step, Step::Create(_) | Step::Delete | Step::ReleaseFinalizer) {
                break;
            }
            if let Err(error) = self.pretend(&step) {
                preview.outcome = self.failure(&error);
                break;
            }
        }
        self.conclude(&mut preview, before.unwrap_or_default());
        preview
    }

    fn action(&self, step: &Step) -> Action {
        let fields = match step {
            Step::Create(request) => creation(request).into_iter().map(|one| one.field).collect(),
            Step::Update(patch) => patch.changed_fields(),
            Step::PatchTags(tags) => tags.keys().map(|key| format!("tags.{key}")).collect(),
            Step::WriteSecret(content) => match &self.secret_seen {
                SecretSeen::Present(secret) => existing_secret::changed_keys(secret, content).concat(),
                SecretSeen::Unknown | SecretSeen::Absent | SecretSeen::Exists => {
                    content.data.keys().cloned().collect()
                }
            },
            Step::WriteConfigMap(content) => content.data.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let target = match step {
            Step::Create(_)
            | Step::Update(_)
            | Step::ChangeType
            | Step::StartMaintenance(_)
            | Step::PatchTags(_)
            | Step::Delete => "aiven",
            _ => "kubernetes",
        };
        Action { step: step.name(), target, fields }
    }

    /// Which of the differences `before` are gone, and which are left.
    fn conclude(&self, preview: &mut Preview, before: Vec<DriftedField>) {
        preview.token = self.token_use.token().cloned();
        preview.token_source = self.token_source();
        if let Remote::Present(service) = &self.observed.remote {
            let mut after = ordered(service);
            let stays = preview.ordered[0].as_ref().is_some_and(|before| before.plan == after.plan);
            // Without a size of its own, a service has that of its new plan.
            after.disk_space_mb =
                after.disk_space_mb.filter(|_| stays || self.desired.disk_space_mb.is_some());
            preview.ordered[1] = Some(after);
        }
        let left = differences(&self.desired, &self.observed);
        let is_left = |field: &DriftedField| left.iter().any(|one| one.field == field.field);
        for field in before {
            if is_left(&field) {
                preview.left.push(field);
            } else {
                preview.changes.push(changed(K::KIND, field, false));
            }
        }
    }

    /// Reads what the decision requested. The resource itself stays as it was passed.
    async fn observe_target(&mut self, target: Target) -> Result<(), Report> {
        if target == Target::Object {
            self.observed.object_is_live = true;
            return Ok(());
        }
        let read = self.observe(target).await;
        self.token_use.learn(&self.context, read).map_err(|error| self.failure(&error))
    }
}

fn seen(service: &engine::ObservedService) -> Seen {
    Seen {
        state: service.state.as_str().to_owned(),
        plan: service.plan.clone(),
        cloud: service.cloud.clone(),
        credentials_are_withheld: service.credentials_are_withheld,
        facts: service.facts.clone(),
    }
}

fn ordered(service: &engine::ObservedService) -> Ordered {
    let (plan, cloud) = (service.plan.clone(), service.cloud.clone());
    Ordered { plan, cloud, disk_space_mb: service.disk_space_mb }
}

fn changed(kind: Kind, field: DriftedField, creates: bool) -> Changed {
    let effect = if creates { "create" } else { Effect::of(kind, &field.field).as_str() };
    Changed { field: field.field, from: field.found, to: field.declared, effect }
}
