//! Performs one step. Each step is at most one external change; its answer becomes the next
//! observation, so that no second look is needed to see what was done.

use super::{error::PassError, pass::Pass};
use crate::{
    api::{
        ManagedService,
        names::{self, reason},
    },
    cluster::{events::Severity, metadata, secrets, status, token_secret},
    engine::{
        ConnectionSecret, CreateRequest, Decision, Power, Remote, Report, ServicePatch, Step,
        connection::SecretContent,
    },
};
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;

impl<K: ManagedService> Pass<K> {
    pub(super) async fn perform(&mut self, decision: &Decision) -> Result<(), PassError> {
        let report = &decision.report;
        match &decision.step {
            Step::Look => self.look().await,
            Step::AddFinalizer => self.add_finalizer().await,
            Step::HoldToken => self.hold_token().await,
            Step::Create(request) => self.create(request, report).await,
            Step::Update(patch) => self.update(patch, report).await,
            Step::ReplaceTags(tags) => self.replace_tags(tags, report).await,
            Step::WriteSecret(content) => self.write_secret(content).await,
            Step::Annotate(annotations) => {
                if annotations.contains_key(names::TOKEN_SECRET) {
                    self.let_former_token_go().await?;
                }
                let object = metadata::annotate(&self.api, &self.object, annotations).await?;
                self.adopt(object);
                Ok(())
            }
            Step::Delete => self.delete(report).await,
            Step::ReleaseFinalizer => self.release().await,
            Step::Wait(_) | Step::Refuse(_) | Step::Done => Ok(()),
        }
    }

    /// What a request is going to declare is written down on the way, which saves a write of its own.
    async fn add_finalizer(&mut self) -> Result<(), PassError> {
        let declared = self.desired.declarations();
        let token_secret = self.desired.token_secret.clone().map(|name| (names::TOKEN_SECRET, name));
        let notes = token_secret.into_iter().chain([(names::DECLARED_FIELDS, declared)]).collect();
        let object = metadata::add_finalizer(&self.api, &self.object, &notes).await?;
        self.adopt(object);
        self.desired.previously_declared.get_or_insert_with(|| self.desired.declared.clone());
        self.observed.object_is_live = true;
        Ok(())
    }

    async fn create(&mut self, request: &CreateRequest, report: &Report) -> Result<(), PassError> {
        self.record_declarations(report).await?;
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let service = self.during(provider.create(&token, &reference, body(request)?)).await?;
        self.tell(Severity::Normal, report.reason, "Create", &report.message);
        self.saw(Some(service)).await
    }

    async fn update(&mut self, patch: &ServicePatch, report: &Report) -> Result<(), PassError> {
        self.record_declarations(report).await?;
        let token = self.token().await?;
        // Should the answer get lost, what was seen before is no longer known to be true.
        self.observed.unsettled |= patch.rebuilds();
        let body = body(patch)?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let service = self.during(provider.update(&token, &reference, body)).await?;
        self.tell_update(report);
        self.memory.sent = Some(Box::new((self.desired.generation, patch.clone())));
        if patch.rebuilds() {
            self.settle();
        }
        self.desired.resets_were_sent();
        self.saw(Some(service)).await?;
        if matches!(&self.observed.remote, Remote::Present(service)
            if service.connection.is_none() && service.state.power() == Power::Serving)
        {
            // An answer without credentials says nothing about the service: look.
            self.observed.remote = Remote::Unknown;
        }
        Ok(())
    }

    async fn replace_tags(
        &mut self,
        tags: &BTreeMap<String, String>,
        report: &Report,
    ) -> Result<(), PassError> {
        self.record_declarations(report).await?;
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        self.during(provider.replace_tags(&token, &reference, tags)).await?;
        self.tell_update(report);
        if let Remote::Present(service) = &mut self.observed.remote {
            service.tags.clone_from(tags);
        }
        Ok(())
    }

    async fn write_secret(&mut self, content: &SecretContent) -> Result<(), PassError> {
        let owner = self.owner();
        let written =
            secrets::write(&self.context.client, &self.namespace, content, &owner, &self.secret_seen).await;
        self.context.metrics.secret_written(written.as_ref().err().map(|error| error.class().label()));
        let written = written?;
        self.context.saw_secret(&self.desired.uid, written.version);
        self.secret_written = Some(written.record);
        let note = format!("Secret {} holds the connection", content.name);
        self.tell(Severity::Normal, reason::SECRET_WRITTEN, "WriteSecret", &note);
        self.observed.secret = ConnectionSecret::Ours { current: true, immutable: false };
        Ok(())
    }

    async fn delete(&mut self, report: &Report) -> Result<(), PassError> {
        let token = self.token().await?;
        let (provider, reference) = (self.provider.clone(), self.reference());
        if self.during(provider.delete(&token, &reference)).await? {
            self.tell(Severity::Normal, report.reason, "Delete", &report.message);
            self.memory.deletion_requested = Some(Instant::now());
        } else {
            self.memory.saw_nothing();
        }
        // Accepted is not done: only a look that finds nothing releases the finalizer.
        self.observed.remote = Remote::Unknown;
        Ok(())
    }

    /// Lets the token go before the resource, whose finalizer is the only thing that reminds of it; and notes
    /// before that that the service is settled, since nobody could find that out without the token.
    async fn release(&mut self) -> Result<(), PassError> {
        let former = self.former_token_secret();
        for key in self.token_secret().into_iter().chain(former) {
            let client = &self.context.client;
            if !self.desired.is_releasing && token_secret::is_held(client, &key.0, &key.1).await? {
                let settled = BTreeMap::from([(names::SERVICE_SETTLED, Some(self.desired.uid.clone()))]);
                let object = metadata::annotate(&self.api, &self.object, &settled).await?;
                self.adopt(object);
            }
            self.context.held_tokens().remove(&key);
            if self.desired.is_releasing {
                token_secret::let_go(&self.context.client, &key.0, &key.1).await?;
            }
        }
        metadata::release_finalizer(&self.api, &self.object).await?;
        self.released = true;
        Ok(())
    }

    /// The token Secret that the resource named before it was edited, as long as that one was not let go.
    fn former_token_secret(&self) -> Option<(String, String)> {
        let noted = self.object.annotations().get(names::TOKEN_SECRET)?;
        (self.desired.token_secret.as_ref() != Some(noted)).then(|| (self.namespace.clone(), noted.clone()))
    }

    async fn let_former_token_go(&self) -> Result<(), PassError> {
        let Some(key) = self.former_token_secret() else { return Ok(()) };
        self.context.held_tokens().remove(&key);
        Ok(token_secret::let_go(&self.context.client, &key.0, &key.1).await?)
    }

    async fn hold_token(&mut self) -> Result<(), PassError> {
        if let Some(key) = self.token_secret() {
            let held = token_secret::hold(&self.context.client, &key.0, &key.1).await?;
            if !held && !matches!(self.observed.remote, Remote::Present(_)) {
                return Err(PassError::token_is_going(&key.0, &key.1));
            }
            self.context.held_tokens().insert(key);
        }
        Ok(())
    }

    /// What the spec newly declares is written down before it is sent: should this process end in
    /// between, a field that the user then removes is still known as one to reset.
    async fn record_declarations(&mut self, report: &Report) -> Result<(), PassError> {
        let known = self.desired.previously_declared.as_ref();
        if known.is_some_and(|known| self.desired.declared.is_subset(known)) {
            return Ok(());
        }
        let next = self.next_status(report, false);
        if let Some(object) = status::write(&self.api, &self.object, &next).await? {
            self.adopt(object);
        }
        Ok(())
    }

    fn tell_update(&mut self, report: &Report) {
        let severity = if report.drift.is_some() { Severity::Warning } else { Severity::Normal };
        if self.drift_seen.is_none()
            && let Some(seen) = &report.drift
        {
            self.measure_drift(seen);
            self.drift_seen = Some(seen.clone());
        }
        self.tell(severity, report.reason, "Update", &report.message);
    }

    fn settle(&mut self) {
        self.memory.settles_at = Some(Instant::now() + self.context.settings.settle_time);
    }

    pub(super) fn tell(&mut self, severity: Severity, reason: &'static str, action: &str, note: &str) {
        tracing::info!(reason, note, "{action}");
        self.told.push(reason);
        self.context.recorder.tell(&self.object, severity, reason, action, note);
    }
}

fn body(request: &impl Serialize) -> Result<Value, PassError> {
    serde_json::to_value(request).map_err(|error| PassError::Defect(format!("forming a request: {error}")))
}
