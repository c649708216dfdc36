//! Performs one step. Each step is at most one external change. Its answer becomes the next observation, so that no
//! second read is needed.

use super::Reconciliation;
use crate::{
    cluster::{events::Severity, metadata, status},
    controller::{
        connection_secret::{SecretSeen, Written},
        error::ReconcileError,
        token_use::{self, TokenUse},
    },
    provider::Service,
};
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;
use valkeeper_api::{
    ManagedService, ServiceStatus,
    names::{self, reason},
    status::Migration,
};
use valkeeper_engine::{
    CreateRequest, Decision, Power, Remote, Report, Sent, ServicePatch, Step, TagPatch,
    connection::SecretContent,
};

impl<K: ManagedService> Reconciliation<K> {
    pub(in crate::controller) async fn perform(&mut self, decision: &Decision) -> Result<(), ReconcileError> {
        let report = &decision.report;
        match &decision.step {
            Step::Observe(target) => self.observe(*target).await,
            Step::AddFinalizer(notes) => self.add_finalizer(notes).await,
            Step::Record { declared, migration } => self.record(declared, migration.as_ref(), report).await,
            Step::AddTokenFinalizer => self.hold_token().await,
            Step::Create(request) => self.create(request, report).await,
            Step::Update(patch) => self.update(patch, report).await,
            Step::ChangeType => self.change_type(report).await,
            Step::StartMaintenance(_) => self.start_maintenance(report).await,
            Step::PatchTags(tags) => self.patch_tags(tags, report).await,
            Step::WriteSecret(content) => self.write_secret(content).await,
            Step::WriteConfigMap(content) => self.write_config_map(content).await,
            Step::Annotate(annotations) => {
                if token_use::is_new_source(&self.object, annotations) {
                    self.emit_new_token_source();
                }
                let object = metadata::annotate(&self.api, &self.object, annotations).await?;
                self.adopt(object);
                Ok(())
            }
            Step::Delete => self.delete(report).await,
            Step::NoteSettled => {
                let object = metadata::note_settled(&self.api, &self.object).await?;
                self.adopt(object);
                Ok(())
            }
            Step::ReleaseToken(name) => {
                TokenUse::release(&self.context, &self.object, name, &mut self.observed.held_names).await
            }
            Step::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
                Ok(())
            }
            Step::Wait(_) | Step::Refuse(_) | Step::Done => Ok(()),
        }
    }

    async fn add_finalizer(&mut self, notes: &BTreeMap<&'static str, String>) -> Result<(), ReconcileError> {
        let object = metadata::add_finalizer(&self.api, &self.object, notes).await?;
        self.adopt(object);
        self.observed.object_is_live = true;
        Ok(())
    }

    async fn record(
        &mut self,
        declared: &BTreeMap<String, String>,
        migration: Option<&Migration>,
        report: &Report,
    ) -> Result<(), ReconcileError> {
        let (declared_values, migration) = (declared.clone(), migration.cloned());
        let next = ServiceStatus { declared_values, migration, ..self.next_status(report) };
        self.note(&next).await
    }

    /// Writes the status before the reconciliation goes on.
    async fn note(&mut self, next: &ServiceStatus) -> Result<(), ReconcileError> {
        if let Some(object) = status::write(&self.api, &self.object, next).await? {
            self.adopt(object);
        }
        Ok(())
    }

    async fn create(&mut self, request: &CreateRequest, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let service = self.sending(provider.create(&token, &reference, body(request)?)).await?;
        // Reads may lag behind.
        self.memory.requests.unanswered(Instant::now());
        self.emit(Severity::Normal, report.reason, "Create", &report.message);
        let service = self.with_tags(service).await?;
        self.saw(service);
        Ok(())
    }

    async fn update(&mut self, patch: &ServicePatch, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        // If the answer is lost, the earlier observation may be outdated.
        self.observed.unsettled |= patch.rebuilds();
        let body = body(patch)?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let service = self.sending(provider.update(&token, &reference, body)).await?;
        self.emit_update(report);
        self.memory.sent(self.desired.generation, &Sent { patch: patch.clone(), tags: TagPatch::new() });
        if patch.rebuilds() {
            self.settle();
        }
        self.saw_changed(service).await
    }

    /// The answer to a change is the next observation.
    pub(super) async fn saw_changed(&mut self, service: Service) -> Result<(), ReconcileError> {
        let service = self.with_tags(service).await?;
        self.saw(service);
        if matches!(&self.observed.remote, Remote::Present(service)
            if service.connection.is_none() && service.state.power() == Power::Serving)
        {
            // An answer without credentials proves nothing about the service: read it again.
            self.observed.remote = Remote::Unknown;
        }
        Ok(())
    }

    async fn start_maintenance(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        // If the answer is lost, the earlier observation may be outdated.
        self.observed.unsettled = true;
        let (provider, reference) = (self.provider.clone(), self.reference());
        self.sending(provider.start_maintenance(&token, &reference)).await?;
        self.observed.maintenance_started = true;
        self.emit(Severity::Normal, report.reason, "StartMaintenance", &report.message);
        self.settle();
        // Noted before anything else can fail: the next updates are not what was asked for.
        let next = self.next_status(report);
        self.note(&next).await?;
        // The answer does not show the service.
        self.observed.remote = Remote::Unknown;
        Ok(())
    }

    async fn patch_tags(&mut self, tags: &TagPatch, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        self.sending(provider.patch_tags(&token, &reference, tags)).await?;
        self.emit_update(report);
        let sent = Sent { patch: ServicePatch::default(), tags: tags.clone() };
        self.memory.sent(self.desired.generation, &sent);
        // The answer does not repeat them.
        if let Remote::Present(service) = &mut self.observed.remote {
            for (key, value) in tags {
                match value {
                    Some(value) => drop(service.tags.insert(key.clone(), value.clone())),
                    None => drop(service.tags.remove(key)),
                }
            }
        }
        Ok(())
    }

    async fn write_secret(&mut self, content: &SecretContent) -> Result<(), ReconcileError> {
        let owner = self.owner();
        let written = self.secret_seen.write(&self.context, &self.namespace, content, &owner).await?;
        let Some(Written { secret, record, note }) = written else {
            self.secret_seen = SecretSeen::Exists;
            return Ok(());
        };
        self.saw_secret(Some(secret));
        self.secret_written = Some(record);
        self.emit(Severity::Normal, reason::SECRET_WRITTEN, "WriteSecret", &note);
        Ok(())
    }

    async fn delete(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        if self.sending(provider.delete(&token, &reference)).await? {
            self.emit(Severity::Normal, report.reason, "Delete", &report.message);
            self.memory.deletion_requested = Some(Instant::now());
        }
        // Accepted is not done: only a read that finds nothing releases the finalizer.
        self.observed.remote = Remote::Unknown;
        Ok(())
    }

    /// A resource that has a service uses a token from another place than before.
    fn emit_new_token_source(&mut self) {
        let noted = self.object.annotations().get(names::TOKEN_SECRET);
        if self.desired.initialized && (noted.is_some() || !self.desired.names_token) {
            let note = format!("Using the token in {} from now on.", self.token_source());
            self.emit(Severity::Normal, reason::TOKEN_CHANGED, "Reconcile", &note);
        }
    }

    async fn hold_token(&mut self) -> Result<(), ReconcileError> {
        let new = !matches!(self.observed.remote, Remote::Present(_));
        self.token_use.hold(&self.context, &self.object, new).await
    }

    fn emit_update(&mut self, report: &Report) {
        let severity = if report.drift.is_some() { Severity::Warning } else { Severity::Normal };
        if let Some(seen) = &report.drift {
            self.measure_drift(seen);
            let before = self.drift_seen.take();
            self.drift_seen = Some(before.map_or_else(|| seen.clone(), |before| before.and(seen.clone())));
        }
        self.emit(severity, report.reason, "Update", &report.message);
    }

    pub(super) fn settle(&mut self) {
        self.memory.settles_at = Some(Instant::now() + self.context.settings.stabilization_period);
    }

    pub(in crate::controller) fn emit(
        &mut self,
        severity: Severity,
        reason: &'static str,
        action: &'static str,
        note: &str,
    ) {
        self.announcements.emit(&self.context, &self.object, severity, [reason, action], note);
    }
}

fn body(request: &impl Serialize) -> Result<Value, ReconcileError> {
    serde_json::to_value(request)
        .map_err(|error| ReconcileError::Defect(format!("cannot form a request: {error}")))
}
