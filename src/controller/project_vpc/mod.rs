//! One reconciliation of a `ProjectVPC`: observe, decide and perform one step, until there is nothing left to do. The
//! identity of the VPC is stored only in the status.

mod perform;
mod publish;

use super::{
    attempt::Attempt,
    context::Context,
    edits,
    error::ReconcileError,
    managed_service::outcome,
    reconcile::Reconciled,
    schedule::{
        clock::Ending,
        scheduler::{Next, Wake},
    },
    secret_tracker::Dependence,
    tokens,
    work_item::WorkItem,
};
use crate::telemetry::repeats::log_failure;
use futures::FutureExt as _;
use kube::ResourceExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::{Custom as _, ProjectVpc};
use valkeeper_engine::{
    RequeueClass,
    vpc::{self, DesiredVpc, ObservedVpc, VpcStep},
};

/// More steps than any reconciliation needs.
const MAX_STEPS: usize = 16;

/// A reconciliation in progress.
struct Reconciliation {
    attempt: Attempt<ProjectVpc>,
    observed: ObservedVpc,
    /// The request was noted in this reconciliation, and was not sent yet.
    note_is_fresh: bool,
}

impl Reconciled for ProjectVpc {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, _: Wake<Self>) -> Next {
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let mut reconciliation = Reconciliation::new(context.clone(), item);
        let run_to_end = reconciliation.run().boxed();
        let ending = match outcome::of(&context, Self::NAME, &time, run_to_end, |_| None).await {
            Ok(requeue) => reconciliation.attempt.ending(requeue),
            Err(error) => Ending::Failed(reconciliation.fail(&error).await),
        };
        let answered = reconciliation.observed.vpcs.is_some();
        reconciliation.attempt.end(ending, answered)
    }

    fn depends_on(&self, context: &Context) -> Dependence {
        Dependence { token: tokens::secret(&context.settings, self), ..Dependence::default() }
    }
}

impl Reconciliation {
    fn new(context: Arc<Context>, item: WorkItem<ProjectVpc>) -> Self {
        let attempt = Attempt::new(context, item);
        Self { attempt, observed: ObservedVpc::default(), note_is_fresh: false }
    }

    /// Runs until there is nothing left to do, and publishes the resulting conditions.
    async fn run(&mut self) -> Result<RequeueClass, ReconcileError> {
        let outcome = self.steps().await;
        self.attempt.learn(outcome)
    }

    async fn steps(&mut self) -> Result<RequeueClass, ReconcileError> {
        if self.attempt.memory.doubts(&self.attempt.object) {
            self.read_object().await?;
            self.attempt.memory.conflicted = false;
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
            if self.attempt.released {
                return Ok(RequeueClass::AwaitingSpecChange);
            }
        }
        Err(ReconcileError::Defect(format!("no end after {MAX_STEPS} steps")))
    }

    fn desired(&self) -> DesiredVpc {
        let defaults = self.attempt.context.settings.policy_defaults();
        let mut desired = DesiredVpc::of(&self.attempt.object, defaults);
        desired.token_secret = self.attempt.token_secret();
        desired
    }

    fn recall(&mut self) {
        let (attempt, now) = (&mut self.attempt, Instant::now());
        attempt.decided_edit = edits::edit(&attempt.object);
        self.observed.token_is_held = attempt.token_is_held();
        self.observed.deletion_requested = attempt.deletion_is_requested(now);
        self.observed.absence_is_certain =
            self.note_is_fresh || self.observed.deletion_requested || attempt.absence_is_certain(now);
    }

    async fn read_object(&mut self) -> Result<(), ReconcileError> {
        self.attempt.read_object().await?;
        self.observed.object_is_live = true;
        Ok(())
    }

    async fn fail(&mut self, error: &ReconcileError) -> Duration {
        let failed = self.attempt.failed(error);
        if !failed.is_stale {
            let report = self.attempt.failure(error, self.desired().id.is_some(), "VPC");
            if let Err(error) = self.publish(self.status(), &report).await {
                log_failure!(failed.times, %error, "cannot write status");
            }
        }
        failed.delay
    }
}
