//! One reconciliation of a `ServiceUser`: observe, decide and perform one step, until there is nothing left to do. That a
//! user is this resource's own is stored only in the status, and in the annotation that aiven-operator has for it.

mod observe;
mod perform;
mod publish;
mod secret;
mod sent;

use super::{
    attempt::Attempt,
    connection_secret::SecretSeen,
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
use crate::{
    provider::{Reference, Service},
    telemetry::repeats::log_failure,
};
use futures::FutureExt as _;
use kube::ResourceExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::{
    Custom as _, ServiceUser, ServiceUserStatus, Violation,
    service_facts::WrittenSecret,
    service_user::{AccessControlRecord, violations},
};
use valkeeper_engine::{
    RequeueClass,
    service_user::{
        self, DesiredServiceUser, ObservedServiceUser, SeenServiceUser, ServiceOfUser, ServiceUserStep,
        UserOfService,
    },
};

/// More steps than any reconciliation needs.
const MAX_STEPS: usize = 24;

/// A reconciliation in progress.
struct Reconciliation {
    attempt: Attempt<ServiceUser>,
    observed: ObservedServiceUser,
    /// The generation whose spec was judged, and the rules that it breaks. Judging costs more than deciding.
    violations: (Option<i64>, Vec<Violation>),
    /// The service, as it was read last.
    service: Option<Box<Service>>,
    /// The certificate of the project's authority.
    authority: Option<String>,
    /// The connection Secret, as it was read or written last.
    secret: SecretSeen,
    /// What of it is ours, if that is all it should hold.
    secret_record: Option<WrittenSecret>,
    /// The access control that the user was created with.
    access_record: Option<AccessControlRecord>,
    /// The request was noted in this reconciliation, and was not sent yet.
    note_is_fresh: bool,
}

impl Reconciled for ServiceUser {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = item.object.namespace(), resource = item.object.name_any()))]
    async fn work(context: Arc<Context>, item: WorkItem<Self>, _: Wake<Self>) -> Next {
        let (_running, time) = (context.metrics.reconciliation_begins(), item.permit.time());
        let mut reconciliation = Reconciliation::new(context.clone(), item);
        let run_to_end = reconciliation.run().boxed();
        let ending = match outcome::of(&context, Self::NAME, &time, run_to_end, |_| None).await {
            Ok(requeue) => reconciliation.attempt.ending(requeue),
            Err(error) => Ending::Failed(reconciliation.fail(&error).await),
        };
        let answered = reconciliation.observed.service.is_some();
        reconciliation.attempt.end(ending, answered)
    }

    fn depends_on(&self, context: &Context) -> Dependence {
        let namespace = self.namespace().unwrap_or_default();
        let desired = DesiredServiceUser::of(self, context.settings.policy_defaults());
        let key = |name: String| (namespace.clone(), name);
        Dependence {
            connection: desired.secret.map(|target| key(target.name)),
            password: desired.password.map(|(name, _)| key(name)),
            token: tokens::secret(&context.settings, self),
        }
    }
}

impl Reconciliation {
    fn new(context: Arc<Context>, item: WorkItem<ServiceUser>) -> Self {
        let attempt = Attempt::new(context, item);
        let observed = ObservedServiceUser::default();
        Self {
            attempt,
            observed,
            violations: (None, Vec::new()),
            service: None,
            authority: None,
            secret: SecretSeen::default(),
            secret_record: None,
            access_record: None,
            note_is_fresh: false,
        }
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
            let (step, report) = service_user::decide(&self.desired(), &self.observed);
            if let ServiceUserStep::Requeue(requeue) = step {
                self.publish(&report).await?;
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

    fn desired(&self) -> DesiredServiceUser {
        let defaults = self.attempt.context.settings.policy_defaults();
        let mut desired = DesiredServiceUser::of(&self.attempt.object, defaults);
        let target = desired.secret.as_ref().map(|target| target.name.as_str());
        let misplaced = tokens::misplaced_connection(&self.attempt.context.settings, target);
        desired.violations = self.violations.1.iter().cloned().chain(misplaced).collect();
        desired.token_secret = self.attempt.token_secret();
        if let Some(service) = &self.service {
            desired.is_of(&service.service_type);
        }
        desired
    }

    fn reference(&self) -> Reference {
        let spec = &self.attempt.object.spec;
        Reference { project: spec.project.clone(), service: spec.service_name.clone() }
    }

    fn recall(&mut self) {
        let generation = self.attempt.object.metadata.generation;
        if self.violations.0.is_none() || self.violations.0 != generation {
            self.violations = (generation, violations(&self.attempt.object));
        }
        let (attempt, now) = (&mut self.attempt, Instant::now());
        attempt.decided_edit = edits::edit(&attempt.object);
        self.observed.token_is_held = attempt.token_is_held();
        self.observed.deletion_requested = attempt.deletion_is_requested(now);
        self.observed.absence_is_certain =
            self.note_is_fresh || self.observed.deletion_requested || attempt.absence_is_certain(now);
        self.recall_what_was_sent(now);
    }

    async fn read_object(&mut self) -> Result<(), ReconcileError> {
        self.attempt.read_object().await?;
        self.observed.object_is_live = true;
        Ok(())
    }

    /// The user, if it was seen.
    fn seen(&self) -> Option<&SeenServiceUser> {
        match &self.observed.service {
            Some(ServiceOfUser::Present(service)) => match &service.user {
                UserOfService::Present(user) => Some(user),
                UserOfService::Absent | UserOfService::Unlisted => None,
            },
            _ => None,
        }
    }

    fn status(&self) -> ServiceUserStatus {
        self.attempt.object.status.clone().unwrap_or_default()
    }

    async fn fail(&mut self, error: &ReconcileError) -> Duration {
        let failed = self.attempt.failed(error);
        if !failed.is_stale {
            let report = self.attempt.failure(error, self.desired().created, "user");
            if let Err(error) = self.publish(&report).await {
                log_failure!(failed.times, %error, "cannot write status");
            }
        }
        failed.delay
    }
}
