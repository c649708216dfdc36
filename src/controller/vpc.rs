//! One turn of a `ProjectVPC`: the same loop as for services, over its own, much smaller set of steps.

use super::{
    context::Context,
    credentials::{self, Sourced},
    error::PassError,
    measure,
    memory::{self, Memory},
    outcome,
    reconcile::{Reconciled, Turn},
    rest,
    secret_news::Dependence,
    turns::{Next, Wake},
};
use crate::{
    api::{Custom as _, ProjectVpc, ProjectVpcStatus},
    cluster::{ClusterError, bounded, events::Severity, metadata, status, token_secret},
    engine::{
        Pace, Ready, Report, conditions,
        vpc::{self, SeenVpc, Sight, VpcStep, Wish},
    },
    failure::Class,
    provider::Vpc,
    telemetry::repeats::tell_failure,
};
use chrono::Utc;
use kube::{Api, ResourceExt as _};
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// More steps than any pass needs.
const MOST_STEPS: usize = 12;

/// A pass over one `ProjectVPC`.
struct Pass {
    context: Arc<Context>,
    api: Api<ProjectVpc>,
    object: ProjectVpc,
    sight: Sight,
    memory: Memory,
    token: Option<Sourced>,
    /// What the status says of the identity of the VPC.
    id: Option<String>,
    requested: bool,
    /// The reason of the last event of this pass.
    said: Option<&'static str>,
    released: bool,
}

impl Reconciled for ProjectVpc {
    #[tracing::instrument(name = "resource", level = "info", skip_all, fields(kind = Self::NAME, namespace = turn.object.namespace(), resource = turn.object.name_any()))]
    async fn work(context: Arc<Context>, turn: Turn<Self>, _: Wake<Self>) -> Next {
        let Turn { object, memory, permit: _permit, .. } = turn;
        let uid = object.uid().unwrap_or_default();
        let work = context.health.work(context.settings.pass_deadline);
        let (_running, _work) = (context.metrics.pass_begins(), work);
        let mut pass = Pass::new(context.clone(), object, memory);
        let delay = match outcome::of(&context, Self::NAME, pass.run()).await {
            Ok(pace) => rest::pause(&context.settings, &mut pass.memory.building_since, pace),
            Err(error) => pass.fail(&error).await,
        };
        measure::vpc(&context, &pass.object, pass.sight.vpcs.is_some());
        if pass.released {
            context.forget(&uid, &pass.object.name_any());
            return Next::WhenAsked;
        }
        pass.memory.edit = Some(memory::edit(&pass.object));
        pass.memory.not_before = Some(Instant::now() + delay);
        context.memories.keep(&uid, pass.memory);
        Next::After(delay)
    }

    fn depends_on(&self, context: &Context) -> Dependence {
        let own = self.spec.auth_secret_ref.as_ref();
        let namespace = self.namespace().unwrap_or_default();
        Dependence { connection: None, token: credentials::secret(&context.settings, &namespace, own) }
    }
}

impl Pass {
    fn new(context: Arc<Context>, object: ProjectVpc, memory: Memory) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let status = object.status.clone().unwrap_or_default();
        Self {
            api: Api::namespaced(context.client.clone(), &namespace),
            context,
            object,
            memory,
            sight: Sight::default(),
            token: None,
            id: status.id,
            requested: status.creation_requested,
            said: None,
            released: false,
        }
    }

    /// Goes on until there is nothing to do now, and publishes what is true then.
    async fn run(&mut self) -> Result<Pace, PassError> {
        for _ in 0..MOST_STEPS {
            let (step, report) = vpc::decide(&self.wish(), &self.sight);
            if let VpcStep::Rest(pace) = step {
                self.publish(&report).await?;
                self.memory.failures = 0;
                outcome::went_well(&self.context, &self.uid());
                return Ok(pace);
            }
            tracing::debug!(?step, reason = report.reason, "step");
            self.perform(&step, &report).await?;
            if self.released {
                return Ok(Pace::Quiet);
            }
        }
        Err(PassError::Defect(format!("no rest after {MOST_STEPS} steps")))
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    fn wish(&self) -> Wish {
        Wish::of(&self.object, self.context.settings.policy_defaults())
    }

    async fn perform(&mut self, step: &VpcStep, report: &Report) -> Result<(), PassError> {
        let project = self.object.spec.project.clone();
        match step {
            VpcStep::Look if self.sight.vpcs.is_none() => {
                let token = self.token().await?;
                let vpcs = self.context.provider.vpcs(&token, &project).await;
                self.sight.vpcs = Some(self.learn(vpcs)?.into_iter().map(seen).collect());
            }
            VpcStep::Look => self.refresh().await?,
            VpcStep::AddFinalizer => {
                let notes = std::collections::BTreeMap::new();
                let object = metadata::add_finalizer(&self.api, &self.object, &notes).await?;
                self.adopt(object);
                self.sight.object_is_live = true;
            }
            VpcStep::NoteRequest => {
                if let Some((namespace, secret)) = self.token_secret()
                    && !token_secret::hold(&self.context.client, &namespace, &secret).await?
                {
                    return Err(PassError::token_is_going(&namespace, &secret));
                }
                self.requested = true;
                self.publish(report).await?;
            }
            VpcStep::Create => {
                let token = self.token().await?;
                let spec = &self.object.spec;
                let created =
                    self.context.provider.create_vpc(&token, &project, &spec.cloud_name, &spec.network_cidr);
                let created = created.await;
                let vpc = self.learn(created)?;
                self.tell(Severity::Normal, report, "Create");
                self.sight.vpcs.get_or_insert_default().push(seen(vpc));
            }
            VpcStep::NoteId(id) => {
                self.id = Some(id.clone());
                self.requested = false;
                self.publish(report).await?;
            }
            VpcStep::Delete(id) => self.delete(&project, id, report).await?,
            VpcStep::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
                if let Some((namespace, secret)) = self.token_secret() {
                    token_secret::let_go(&self.context.client, &namespace, &secret).await?;
                }
            }
            VpcStep::Rest(_) => {}
        }
        Ok(())
    }

    async fn delete(&mut self, project: &str, id: &str, report: &Report) -> Result<(), PassError> {
        let token = self.token().await?;
        let deleted = self.context.provider.delete_vpc(&token, project, id).await;
        match self.learn(deleted) {
            Ok(()) => {
                self.tell(Severity::Normal, report, "Delete");
                // Accepted is not done: only a list without it releases the finalizer.
                self.sight.vpcs = None;
            }
            // The provider answers so while services are in it, or have left it a moment ago.
            Err(PassError::Provider(error)) if error.class() == Class::Conflict => {
                self.sight.in_use = Some(error.answer().to_owned());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the object itself, which for irreversible steps must not come from a cache.
    async fn refresh(&mut self) -> Result<(), PassError> {
        let name = self.object.name_any();
        let doing = || format!("reading {} {name}", ProjectVpc::NAME);
        let object = bounded(doing, self.api.get(&name)).await?;
        if object.uid() != self.object.uid() {
            return Err(ClusterError::replaced(ProjectVpc::NAME, &name).into());
        }
        self.adopt(object);
        self.sight.object_is_live = true;
        Ok(())
    }

    fn adopt(&mut self, mut object: ProjectVpc) {
        super::cached::prune(&mut object);
        self.memory.wrote(&object);
        self.object = object;
    }

    /// The Secret that is needed until the VPC is deleted.
    fn token_secret(&self) -> Option<(String, String)> {
        let reference = self.object.spec.auth_secret_ref.as_ref()?;
        Some((self.object.namespace().unwrap_or_default(), reference.name.clone()))
    }

    async fn token(&mut self) -> Result<crate::provider::Token, PassError> {
        if let Some(sourced) = &self.token {
            return Ok(sourced.token.clone());
        }
        let namespace = self.object.namespace().unwrap_or_default();
        let own = self.object.spec.auth_secret_ref.as_ref();
        let sourced = credentials::token(&self.context, &namespace, own).await?;
        Ok(self.token.insert(sourced).token.clone())
    }

    fn learn<T>(&self, outcome: Result<T, crate::provider::ProviderError>) -> Result<T, PassError> {
        let outcome = outcome.map_err(PassError::from);
        let Some(Sourced { token, source }) = &self.token else { return outcome };
        let pauses = &self.context.token_pauses;
        outcome.inspect(|_| pauses.accepted(token)).map_err(|error| pauses.learn(token, source, error))
    }

    async fn publish(&mut self, report: &Report) -> Result<(), PassError> {
        let before = self.object.status.clone().unwrap_or_default();
        self.tell_transition(report);
        let generation = self.object.metadata.generation.unwrap_or_default();
        let next = ProjectVpcStatus {
            id: self.id.clone(),
            state: report.state_after(before.state.clone()),
            creation_requested: self.requested,
            observed_generation: Some(generation),
            conditions: conditions::next(&before.conditions, report, generation, Utc::now()),
        };
        let object = status::write(&self.api, &self.object, &next).await?;
        if let Some(object) = object {
            self.adopt(object);
        }
        Ok(())
    }

    fn tell_transition(&mut self, report: &Report) {
        if report.ready == Ready::Unchanged {
            if self.memory.told.replace(report.reason) != Some(report.reason) {
                let severity = if report.paused { Severity::Normal } else { Severity::Warning };
                self.tell(severity, report, "Reconcile");
            }
            return;
        }
        self.memory.told = None;
        if conditions::reason_of_ready(self.object.conditions()) != Some(report.reason) {
            let severity = if report.ready == Ready::Stuck { Severity::Warning } else { Severity::Normal };
            self.tell(severity, report, "Reconcile");
        }
    }

    fn tell(&mut self, severity: Severity, report: &Report, action: &str) {
        if self.said.replace(report.reason) == Some(report.reason) {
            return;
        }
        tracing::info!(reason = report.reason, note = report.message, "{action}");
        self.context.recorder.tell(&self.object, severity, report.reason, action, &report.message);
    }

    async fn fail(&mut self, error: &PassError) -> Duration {
        let class = error.class();
        self.memory.failures += 1;
        let delay = self.context.settings.retry.delay(class, self.memory.failures, rand::random());
        let times = outcome::failed(&self.context, &self.uid(), error, delay);
        if matches!(class, Class::Invalid | Class::Denied | Class::Conflict) {
            // The provider said no: there is nothing to be found later.
            self.requested = self.requested && !matches!(error, PassError::Provider(_));
        }
        let source = self.token.as_ref().map_or("use", |sourced| &sourced.source);
        let failure = error.failure(source);
        let ready = if failure.passing { Ready::Unchanged } else { Ready::Stuck };
        let report = Report::new(ready, failure.reason, failure.message);
        if let Err(error) = self.publish(&report).await {
            tell_failure!(times, %error, "status not written");
        }
        delay
    }
}

fn seen(vpc: Vpc) -> SeenVpc {
    SeenVpc { id: vpc.project_vpc_id, cloud: vpc.cloud_name, cidr: vpc.network_cidr, state: vpc.state }
}
