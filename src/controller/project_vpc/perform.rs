//! Performs one step of a `ProjectVPC`. Each step is at most one external change; its answer becomes the next
//! observation.

use super::Reconciliation;
use crate::{
    cluster::{claims, events::Severity, metadata},
    controller::{
        error::ReconcileError,
        memory::Missing,
        token_use::{self, TokenUse},
    },
    provider::{Absence, ProviderError, Vpc},
};
use kube::ResourceExt as _;
use std::collections::BTreeMap;
use tokio::time::Instant;
use valkeeper_api::names::{self, reason};
use valkeeper_engine::{
    Report,
    failure::Class,
    vpc::{self, Note, SeenVpc, VpcStep, VpcTarget},
};

impl Reconciliation {
    pub(super) async fn perform(&mut self, step: &VpcStep, report: &Report) -> Result<(), ReconcileError> {
        match step {
            VpcStep::Observe(target) => self.observe(*target).await,
            VpcStep::AddFinalizer => self.add_finalizer().await,
            VpcStep::AddTokenFinalizer => self.hold_token().await,
            VpcStep::Note(note) => self.note(note, report).await,
            VpcStep::Create => self.create(report).await,
            VpcStep::Annotate(annotations) => self.annotate(annotations).await,
            VpcStep::Delete(id) => self.delete(id, report).await,
            VpcStep::NoteSettled => {
                let object = metadata::note_settled(&self.api, &self.object).await?;
                self.adopt(object);
                Ok(())
            }
            VpcStep::ReleaseToken(name) => {
                TokenUse::release(&self.context, &self.object, name, &mut self.observed.held_names).await
            }
            VpcStep::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
                Ok(())
            }
            VpcStep::Requeue(_) => Ok(()),
        }
    }

    async fn observe(&mut self, target: VpcTarget) -> Result<(), ReconcileError> {
        match target {
            VpcTarget::Vpcs => {
                let token = self.token().await?;
                let (provider, project) = (self.provider.clone(), self.object.spec.project.clone());
                let vpcs = self.permit.during(provider.vpcs(&token, &project)).await?;
                self.observed.vpcs = Some(vpcs.into_iter().map(seen).collect());
            }
            VpcTarget::Object => self.read_object().await?,
            VpcTarget::TokenSecrets => {
                let secrets = self.desired().token_secrets().map(str::to_owned).collect();
                let held = TokenUse::held(&self.context, &self.object, secrets).await?;
                self.observed.held_names = Some(held);
            }
            VpcTarget::Claims => {
                let (client, namespaces) = (&self.context.client, self.context.namespaces());
                self.observed.claimed = Some(claims::vpc_ids(client, &namespaces, &self.uid()).await?);
            }
        }
        self.remember_absence();
        Ok(())
    }

    fn remember_absence(&mut self) {
        match vpc::is_listed(&self.desired(), &self.observed) {
            Some(false) => self.memory.missing.reported(Absence::Named, Instant::now()),
            Some(true) => self.memory.missing = Missing::default(),
            None => {}
        }
    }

    /// What was found is reported on the way; that something is about to be requested is not worth reporting.
    async fn note(&mut self, note: &Note, report: &Report) -> Result<(), ReconcileError> {
        let next = vpc::noted(self.status(), note);
        if matches!(note, Note::Id(_)) {
            return self.publish(next, report).await;
        }
        self.write_status(next).await?;
        self.note_is_fresh = *note == Note::Requested;
        Ok(())
    }

    async fn add_finalizer(&mut self) -> Result<(), ReconcileError> {
        let token_secret = self.desired().token_secret.map(|name| (names::TOKEN_SECRET, name));
        let notes = token_secret.into_iter().collect();
        let object = metadata::add_finalizer(&self.api, &self.object, &notes).await?;
        self.adopt(object);
        self.observed.object_is_live = true;
        Ok(())
    }

    async fn create(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, spec) = (self.provider.clone(), self.object.spec.clone());
        // Earlier lists prove nothing about the effect of this request.
        (self.note_is_fresh, self.memory.missing) = (false, Missing::default());
        let call = provider.create_vpc(&token, &spec.project, &spec.cloud_name, &spec.network_cidr);
        match self.permit.during(call).await {
            Ok(vpc) => {
                self.emit(Severity::Normal, report.reason, "Create", &report.message);
                self.observed.created = Some(vpc.project_vpc_id.clone());
                self.observed.vpcs.get_or_insert_default().push(seen(vpc));
                Ok(())
            }
            Err(error) => {
                // No earlier request was in progress, or this one would not have been sent.
                if has_no_effect(&error)
                    && let Err(error) = self.note(&Note::Refused, report).await
                {
                    tracing::debug!(%error, "cannot remove the note of a refused request");
                }
                Err(error.into())
            }
        }
    }

    async fn annotate(
        &mut self,
        annotations: &BTreeMap<&'static str, Option<String>>,
    ) -> Result<(), ReconcileError> {
        let noted = self.object.annotations().contains_key(names::TOKEN_SECRET);
        if noted && token_use::is_new_source(&self.object, annotations) {
            let note = format!("Using the token in {} from now on", self.token_source());
            self.emit(Severity::Normal, reason::TOKEN_CHANGED, "Reconcile", &note);
        }
        let object = metadata::annotate(&self.api, &self.object, annotations).await?;
        self.adopt(object);
        Ok(())
    }

    async fn delete(&mut self, id: &str, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, project) = (self.provider.clone(), self.object.spec.project.clone());
        match self.permit.during(provider.delete_vpc(&token, &project, id)).await {
            Ok(true) => {
                self.emit(Severity::Normal, report.reason, "Delete", &report.message);
                self.memory.deletion_requested = Some(Instant::now());
                // Accepted is not done: only a list without it releases the finalizer.
                self.observed.vpcs = None;
            }
            Ok(false) => {
                self.observed.vpcs.iter_mut().for_each(|vpcs| vpcs.retain(|vpc| vpc.id != id));
                self.remember_absence();
            }
            // Aiven answers so while services are in it, or have left it a moment ago.
            Err(error) if error.class() == Class::Conflict => {
                self.observed.in_use = Some(error.answer().to_owned());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn hold_token(&mut self) -> Result<(), ReconcileError> {
        let new = self.desired().id.is_none();
        self.token_use.hold(&self.context, &self.object, new).await
    }
}

/// Whether a create request that failed in this way certainly creates nothing: Aiven itself refused it, or it was not
/// sent.
fn has_no_effect(error: &ProviderError) -> bool {
    match error.class() {
        Class::Denied | Class::NotFound | Class::Conflict | Class::Invalid => true,
        Class::Throttled { .. } => error.status() == Some(429),
        Class::Transient | Class::Bug => matches!(error, ProviderError::Fenced { .. }),
    }
}

fn seen(vpc: Vpc) -> SeenVpc {
    SeenVpc { id: vpc.project_vpc_id, cloud: vpc.cloud_name, cidr: vpc.network_cidr, state: vpc.state }
}
