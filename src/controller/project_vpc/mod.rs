//! One reconciliation of a `ProjectVPC`: observe, decide and perform one step, until there is nothing left to do. The
//! identity of the VPC is stored only in the status.

mod perform;
mod publish;

use super::{
    announcements::Announcements,
    context::Context,
    edits,
    error::ReconcileError,
    managed_service::{measure, outcome, requeue},
    memory::Memory,
    reconcile::{self, Reconciled},
    schedule::{
        clock::Ending,
        queue::{Permit, Priority},
        scheduler::{Next, Wake},
    },
    secret_tracker::Dependence,
    token_use::TokenUse,
    tokens,
    watch::cached,
    work_item::WorkItem,
};
use crate::{
    cluster::metadata,
    provider::{Client, Token},
    telemetry::repeats::log_failure,
};
use futures::FutureExt as _;
use kube::{Api, ResourceExt as _};
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::{Custom as _, ProjectVpc};
use valkeeper_engine::{
    RequeueClass,
    failure::Class,
    vpc::{self, DesiredVpc, ObservedVpc, VpcStep},
};

/// More steps than any reconciliation needs.
const MAX_STEPS: usize = 16;
/// How long to wait for a deletion that Aiven accepted before requesting it again.
const DELETION_PATIENCE: Duration = Duration::from_mins(1);

/// A reconciliation in progress.
struct Reconciliation {
    context: Arc<Context>,
    api: Api<ProjectVpc>,
    object: ProjectVpc,
    observed: ObservedVpc,
    memory: Memory,
    provider: Client,
    permit: Permit,
    token_use: TokenUse,
    /// The request was noted in this reconciliation, and was not sent yet.
    note_is_fresh: bool,
    announcements: Announcements,
    /// The edit that the last decision was made for. A later one, which the answer to a write may bring along, was not
    /// seen.
    decided_edit: u64,
    released: bool,
}

impl Reconciled for ProjectVpc {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, _: Wake<Self>) -> Next {
        let uid = item.object.uid().unwrap_or_default();
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let mut reconciliation = Reconciliation::new(context.clone(), item);
        let run_to_end = reconciliation.run().boxed();
        let ending = match outcome::of(&context, Self::NAME, &time, run_to_end, |_| None).await {
            Ok(requeue) => reconciliation.ending(requeue),
            Err(error) => Ending::Failed(reconciliation.fail(&error).await),
        };
        reconciliation.memory.clock = Some(requeue::planned(&context.settings, ending, Instant::now())(None));
        measure::vpc(&context, &reconciliation.object, reconciliation.observed.vpcs.is_some());
        if reconciliation.released {
            // Should the object be there still, because the answer was not the truth, it is reconciled again.
            context.forget(&uid, &reconciliation.object.name_any());
            return Next::After(context.settings.external_wait_interval);
        }
        reconciliation.memory.edit = Some(reconciliation.decided_edit);
        reconcile::keep(&context, &reconciliation.object.name_any(), &uid, reconciliation.memory)
    }

    fn depends_on(&self, context: &Context) -> Dependence {
        Dependence { connection: None, token: tokens::secret(&context.settings, self) }
    }
}

impl Reconciliation {
    fn new(context: Arc<Context>, item: WorkItem<ProjectVpc>) -> Self {
        let WorkItem { object, memory, permit, .. } = item;
        Self {
            api: Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default()),
            observed: ObservedVpc::default(),
            memory,
            provider: context.provider.urgent(permit.priority() == Priority::Edit),
            context,
            permit,
            token_use: TokenUse::default(),
            note_is_fresh: false,
            announcements: Announcements::default(),
            decided_edit: edits::edit(&object),
            object,
            released: false,
        }
    }

    /// Runs until there is nothing left to do, and publishes the resulting conditions.
    async fn run(&mut self) -> Result<RequeueClass, ReconcileError> {
        let outcome = self.steps().await;
        let requeue = self.token_use.learn(&self.context, outcome)?;
        self.memory.failures = 0;
        outcome::went_well(&self.context, &self.uid());
        Ok(requeue)
    }

    async fn steps(&mut self) -> Result<RequeueClass, ReconcileError> {
        if self.memory.doubts(&self.object) {
            self.read_object().await?;
            self.memory.conflicted = false;
        }
        for _ in 0..MAX_STEPS {
            self.recall();
            let (step, report) = vpc::decide(&self.desired(), &self.observed);
            if let VpcStep::Requeue(requeue) = step {
                self.publish(self.status(), &report).await?;
                return Ok(requeue);
            }
            tracing::debug!(?step, reason = report.reason, "step");
            self.perform(&step, &report).await?;
            if self.released {
                return Ok(RequeueClass::AwaitingSpecChange);
            }
        }
        Err(ReconcileError::Defect(format!("no end after {MAX_STEPS} steps")))
    }

    fn ending(&mut self, requeue: RequeueClass) -> Ending {
        match requeue {
            RequeueClass::Building => {
                Ending::Waiting(self.memory.building_since.get_or_insert_with(Instant::now).elapsed())
            }
            RequeueClass::AwaitingExternal | RequeueClass::AwaitingSpecChange => {
                self.memory.building_since = None;
                if requeue == RequeueClass::AwaitingSpecChange {
                    Ending::AwaitingSpecChange
                } else {
                    Ending::AwaitingExternal
                }
            }
        }
    }

    fn desired(&self) -> DesiredVpc {
        let mut desired = DesiredVpc::of(&self.object, self.context.settings.policy_defaults());
        desired.token_secret = self.token_use.secret(&self.context, &self.object).map(|(_, name)| name);
        desired
    }

    fn recall(&mut self) {
        let now = Instant::now();
        self.decided_edit = edits::edit(&self.object);
        self.observed.token_is_held = self.token_use.is_held(&self.context, &self.object);
        self.observed.deletion_requested =
            self.memory.deletion_requested.is_some_and(|at| now < at + DELETION_PATIENCE);
        let missing_for = self.memory.missing.evidence(now, false).reported_for;
        let late_effect = self.context.settings.late_effect();
        self.observed.absence_is_certain = self.note_is_fresh
            || self.observed.deletion_requested
            || missing_for.is_some_and(|time| time >= late_effect);
    }

    async fn read_object(&mut self) -> Result<(), ReconcileError> {
        let object = metadata::read_live(&self.api, &self.object).await?;
        self.adopt(object);
        self.observed.object_is_live = true;
        Ok(())
    }

    /// The object is now `object`, as the API server answered.
    fn adopt(&mut self, mut object: ProjectVpc) {
        cached::prune(&mut object);
        self.memory.wrote(&object);
        self.object = object;
    }

    async fn token(&mut self) -> Result<Token, ReconcileError> {
        self.token_use.read(&self.context, &self.object).await
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    async fn fail(&mut self, error: &ReconcileError) -> Duration {
        let class = error.class();
        self.memory.failures += 1;
        let stale = class == Class::Conflict && matches!(error, ReconcileError::Cluster(_));
        self.memory.conflicted |= stale;
        if class == Class::Denied {
            self.context.token_reads.forget();
        }
        let delay = self.context.settings.retry.delay(class, self.memory.failures, rand::random());
        let times = outcome::failed(&self.context, &self.uid(), error, delay);
        // A conflict means that the object has changed: the next read resolves it.
        if !stale || self.memory.failures > 3 {
            let report = self.failure(error);
            if let Err(error) = self.publish(self.status(), &report).await {
                log_failure!(times, %error, "cannot write status");
            }
        }
        delay
    }
}
