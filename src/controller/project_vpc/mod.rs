//! One reconciliation of a `ProjectVPC`: observe, decide, perform one step, again, until there is nothing to do
//! now. What it knows of the identity of the VPC is in the status, and nowhere else.

mod perform;
mod publish;

use super::{
    announcements::Announcements,
    context::Context,
    edits,
    error::PassError,
    memory::Memory,
    pass::{measure, outcome, rest},
    reconcile::{self, Reconciled},
    schedule::{
        clock::Ending,
        queue::{Lane, Permit},
        turns::{Next, Wake},
    },
    secret_news::Dependence,
    token_use::TokenUse,
    tokens,
    turn::Turn,
    watch::cached,
};
use crate::{
    cluster::metadata,
    provider::{Client, Token},
    telemetry::repeats::tell_failure,
};
use futures::FutureExt as _;
use kube::{Api, ResourceExt as _};
use std::sync::Arc;
use tokio::time::{Duration, Instant};
use valkeeper_api::{Custom as _, ProjectVpc};
use valkeeper_engine::{
    Pace,
    failure::Class,
    vpc::{self, DesiredVpc, ObservedVpc, VpcStep},
};

/// More steps than any reconciliation needs.
const MAX_STEPS: usize = 16;
/// How long to wait for a deletion that Aiven accepted before requesting it again.
const DELETION_PATIENCE: Duration = Duration::from_mins(1);

/// A reconciliation under way.
struct Pass {
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
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = turn.object.namespace(), resource = turn.object.name_any()))]
    async fn work(context: Arc<Context>, turn: Turn<Self>, _: Wake<Self>) -> Next {
        let uid = turn.object.uid().unwrap_or_default();
        let (_running, time) = (context.metrics.pass_begins(), turn.permit.time());
        let mut pass = Pass::new(context.clone(), turn);
        let pass_runs = pass.run().boxed();
        let ending = match outcome::of(&context, Self::NAME, &time, pass_runs, |_| None).await {
            Ok(pace) => pass.ending(pace),
            Err(error) => Ending::Failed(pass.fail(&error).await),
        };
        pass.memory.clock = Some(rest::planned(&context.settings, ending, Instant::now())(None));
        measure::vpc(&context, &pass.object, pass.observed.vpcs.is_some());
        if pass.released {
            // Should the object be there still, because the answer was not the truth, it gets another turn.
            context.forget(&uid, &pass.object.name_any());
            return Next::After(context.settings.external_wait_interval);
        }
        pass.memory.edit = Some(pass.decided_edit);
        reconcile::keep(&context, &pass.object.name_any(), &uid, pass.memory)
    }

    fn depends_on(&self, context: &Context) -> Dependence {
        Dependence { connection: None, token: tokens::secret(&context.settings, self) }
    }
}

impl Pass {
    fn new(context: Arc<Context>, turn: Turn<ProjectVpc>) -> Self {
        let Turn { object, memory, permit, .. } = turn;
        Self {
            api: Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default()),
            observed: ObservedVpc::default(),
            memory,
            provider: context.provider.urgent(permit.lane() == Lane::Edit),
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

    /// Goes on until there is nothing to do now, and publishes what is true then.
    async fn run(&mut self) -> Result<Pace, PassError> {
        let outcome = self.steps().await;
        let pace = self.token_use.learn(&self.context, outcome)?;
        self.memory.failures = 0;
        outcome::went_well(&self.context, &self.uid());
        Ok(pace)
    }

    async fn steps(&mut self) -> Result<Pace, PassError> {
        if self.memory.doubts(&self.object) {
            self.read_object().await?;
            self.memory.conflicted = false;
        }
        for _ in 0..MAX_STEPS {
            self.recall();
            let (step, report) = vpc::decide(&self.desired(), &self.observed);
            if let VpcStep::Rest(pace) = step {
                self.publish(self.status(), &report).await?;
                return Ok(pace);
            }
            tracing::debug!(?step, reason = report.reason, "step");
            self.perform(&step, &report).await?;
            if self.released {
                return Ok(Pace::Quiet);
            }
        }
        Err(PassError::Defect(format!("no rest after {MAX_STEPS} steps")))
    }

    fn ending(&mut self, pace: Pace) -> Ending {
        match pace {
            Pace::Building => {
                Ending::Waiting(self.memory.building_since.get_or_insert_with(Instant::now).elapsed())
            }
            Pace::Attentive | Pace::Quiet => {
                self.memory.building_since = None;
                if pace == Pace::Quiet { Ending::Quiet } else { Ending::External }
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

    async fn read_object(&mut self) -> Result<(), PassError> {
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

    async fn token(&mut self) -> Result<Token, PassError> {
        self.token_use.read(&self.context, &self.object).await
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    async fn fail(&mut self, error: &PassError) -> Duration {
        let class = error.class();
        self.memory.failures += 1;
        let stale = class == Class::Conflict && matches!(error, PassError::Cluster(_));
        self.memory.conflicted |= stale;
        if class == Class::Denied {
            self.context.token_reads.forget();
        }
        let delay = self.context.settings.retry.delay(class, self.memory.failures, rand::random());
        let times = outcome::failed(&self.context, &self.uid(), error, delay);
        // A conflict means that the object has changed: nothing to tell, only to read it again.
        if !stale || self.memory.failures > 3 {
            let report = self.failure(error);
            if let Err(error) = self.publish(self.status(), &report).await {
                tell_failure!(times, %error, "status not written");
            }
        }
        delay
    }
}
