//! Performs one step of a `ProjectVPC`. Each step is at most one external change; its answer becomes the next
//! observation.

use super::Reconciliation;
use crate::{
    cluster::{claims, events::Severity},
    controller::{attempt::has_no_effect, error::ReconcileError, memory::Missing},
    provider::{Absence, Vpc},
};
use tokio::time::Instant;
use valkeeper_engine::{
    Report,
    failure::Class,
    vpc::{self, Note, SeenVpc, VpcStep, VpcTarget},
};

impl Reconciliation {
    pub(super) async fn perform(&mut self, step: &VpcStep, report: &Report) -> Result<(), ReconcileError> {
        match step {
            VpcStep::Observe(target) => self.observe(*target).await,
            VpcStep::AddFinalizer => {
                self.attempt.add_finalizer().await?;
                self.observed.object_is_live = true;
                Ok(())
            }
            VpcStep::AddTokenFinalizer => self.attempt.hold_token(self.desired().id.is_none()).await,
            VpcStep::Note(note) => self.note(note, report).await,
            VpcStep::Create => self.create(report).await,
            VpcStep::Annotate(annotations) => self.attempt.annotate(annotations).await,
            VpcStep::Delete(id) => self.delete(id, report).await,
            VpcStep::NoteSettled => self.attempt.note_settled().await,
            VpcStep::ReleaseToken(name) => {
                self.attempt.release_token(name, &mut self.observed.held_names).await
            }
            VpcStep::ReleaseFinalizer => self.attempt.release_finalizer().await,
            VpcStep::Requeue(_) => Ok(()),
        }
    }

    async fn observe(&mut self, target: VpcTarget) -> Result<(), ReconcileError> {
        match target {
            VpcTarget::Vpcs => {
                let token = self.attempt.token().await?;
                let (provider, project) =
                    (self.attempt.provider.clone(), self.attempt.object.spec.project.clone());
                let vpcs = self.attempt.permit.during(provider.vpcs(&token, &project)).await?;
                self.observed.vpcs = Some(vpcs.into_iter().map(seen).collect());
            }
            VpcTarget::Object => self.read_object().await?,
            VpcTarget::TokenSecrets => {
                let secrets = self.desired().token_secrets().map(str::to_owned).collect();
                self.observed.held_names = Some(self.attempt.held(secrets).await?);
            }
            VpcTarget::Claims => {
                let (client, namespaces) = (&self.attempt.context.client, self.attempt.context.namespaces());
                self.observed.claimed =
                    Some(claims::vpc_ids(client, &namespaces, &self.attempt.uid()).await?);
            }
        }
        self.remember_absence();
        Ok(())
    }

    fn remember_absence(&mut self) {
        match vpc::is_listed(&self.desired(), &self.observed) {
            Some(false) => self.attempt.memory.missing.reported(Absence::Named, Instant::now()),
            Some(true) => self.attempt.memory.missing = Missing::default(),
            None => {}
        }
    }

    /// What was found is reported on the way; that something is about to be requested is not worth reporting.
    async fn note(&mut self, note: &Note, report: &Report) -> Result<(), ReconcileError> {
        let next = vpc::noted(self.status(), note);
        if matches!(note, Note::Id(_)) {
            return self.publish(next, report).await;
        }
        self.attempt.write_status(&next).await?;
        self.note_is_fresh = *note == Note::Requested;
        Ok(())
    }

    async fn create(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.attempt.token().await?;
        let (provider, spec) = (self.attempt.provider.clone(), self.attempt.object.spec.clone());
        // Earlier lists prove nothing about the effect of this request.
        (self.note_is_fresh, self.attempt.memory.missing) = (false, Missing::default());
        let call = provider.create_vpc(&token, &spec.project, &spec.cloud_name, &spec.network_cidr);
        match self.attempt.permit.during(call).await {
            Ok(vpc) => {
                self.attempt.emit(Severity::Normal, report.reason, "Create", &report.message);
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

    async fn delete(&mut self, id: &str, report: &Report) -> Result<(), ReconcileError> {
        let token = self.attempt.token().await?;
        let (provider, project) = (self.attempt.provider.clone(), self.attempt.object.spec.project.clone());
        match self.attempt.permit.during(provider.delete_vpc(&token, &project, id)).await {
            Ok(true) => {
                self.attempt.emit(Severity::Normal, report.reason, "Delete", &report.message);
                self.attempt.memory.deletion_requested = Some(Instant::now());
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
}

fn seen(vpc: Vpc) -> SeenVpc {
    SeenVpc { id: vpc.project_vpc_id, cloud: vpc.cloud_name, cidr: vpc.network_cidr, state: vpc.state }
}
