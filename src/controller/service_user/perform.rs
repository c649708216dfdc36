//! Performs one step of a `ServiceUser`. Each step is at most one external change; its answer becomes the next
//! observation.

use super::{
    Reconciliation,
    observe::seen_user,
    sent::{is_refusal, of_access, of_password},
};
use crate::{
    cluster::events::Severity,
    controller::{attempt::has_no_effect, error::ReconcileError, memory::Missing},
    provider::Absence,
};
use tokio::time::Instant;
use valkeeper_api::names::reason;
use valkeeper_engine::{
    Report,
    failure::Class,
    service_user::{
        self, Access, Claims, Note, SeenServiceUser, ServiceOfUser, ServiceUserStep, UserOfService,
    },
};

impl Reconciliation {
    pub(super) async fn perform(
        &mut self,
        step: &ServiceUserStep,
        report: &Report,
    ) -> Result<(), ReconcileError> {
        match step {
            ServiceUserStep::Observe(target) => self.observe(*target).await,
            ServiceUserStep::AddFinalizer => {
                self.attempt.add_finalizer().await?;
                self.observed.object_is_live = true;
                Ok(())
            }
            ServiceUserStep::AddTokenFinalizer => self.attempt.hold_token(self.seen().is_none()).await,
            ServiceUserStep::Note(note) => self.note(note).await,
            ServiceUserStep::Create => self.create(report).await,
            ServiceUserStep::SetAccessControl => self.set_access(report).await,
            ServiceUserStep::SetPassword => self.set_password(report).await,
            ServiceUserStep::WriteSecret(content) => self.write_secret(content).await,
            ServiceUserStep::Annotate(annotations) => self.attempt.annotate(annotations).await,
            ServiceUserStep::Delete => self.delete(report).await,
            ServiceUserStep::NoteSettled => self.attempt.note_settled().await,
            ServiceUserStep::ReleaseToken(name) => {
                self.attempt.release_token(name, &mut self.observed.held_names).await
            }
            ServiceUserStep::ReleaseFinalizer => self.release().await,
            ServiceUserStep::Requeue(_) => Ok(()),
        }
    }

    async fn note(&mut self, note: &Note) -> Result<(), ReconcileError> {
        let mut next = service_user::noted(self.status(), note);
        if let Some(record) = self.access_record.take_if(|_| *note == Note::Created) {
            next.access_control = Some(record);
        }
        self.attempt.write_status(&next).await?;
        self.note_is_fresh = *note == Note::Requested;
        if *note == Note::Refused {
            self.sent().creation_was_refused = false;
        }
        Ok(())
    }

    /// A user that another resource manages as well is left to it, which is worth knowing.
    async fn release(&mut self) -> Result<(), ReconcileError> {
        if let Claims::Other(claim) = &self.observed.claims {
            let note = format!(
                "Left user {} of service {} at Aiven: {} manages it as well.",
                self.desired().username,
                self.desired().service,
                claim.resource
            );
            self.attempt.emit(Severity::Warning, reason::NOT_OWNED, "Delete", &note);
        }
        self.attempt.release_finalizer().await
    }

    async fn create(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let Some(service_type) = self.service_type() else { return Ok(()) };
        let token = self.attempt.token().await?;
        let (provider, reference, desired) =
            (self.attempt.provider.clone(), self.reference(), self.desired());
        // Earlier reads prove nothing about the effect of this request.
        (self.note_is_fresh, self.attempt.memory.missing) = (false, Missing::default());
        self.sent().creation_was_refused = false;
        let access = desired.access.as_ref().map(|access| access.request(&service_type));
        let call = provider.create_user(&token, &reference, &desired.username, access);
        match self.attempt.permit.during(call).await {
            Ok(user) => {
                self.attempt.emit(Severity::Normal, report.reason, "Create", &report.message);
                let seen = seen_user(&service_type, &user);
                // Nothing of what was sent for a former user of this name is true of this one.
                self.attempt.memory.user = None;
                self.access_record = desired
                    .access
                    .as_ref()
                    .map(|access| service_user::record(access, &Access::default(), Some(&seen.access)));
                self.saw_user(seen);
                Ok(())
            }
            Err(error) => {
                // No earlier request was in progress, or this one would not have been sent.
                if has_no_effect(&error) {
                    self.take_back_the_request().await;
                }
                if error.absence().is_some() {
                    // The service is not there yet for those who change it.
                    self.observed.service = Some(ServiceOfUser::Absent);
                    return Ok(());
                }
                Err(error.into())
            }
        }
    }

    /// Without the note, a user that appears now has another owner. If that fails, this process remembers it.
    async fn take_back_the_request(&mut self) {
        self.sent().creation_was_refused = true;
        let mut outcome = self.note(&Note::Refused).await;
        if outcome.is_err() && self.read_object().await.is_ok() {
            outcome = self.note(&Note::Refused).await;
        }
        if let Err(error) = outcome {
            tracing::debug!(%error, "cannot remove the note of a refused request");
        }
    }

    async fn set_password(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let Some(password) = self.wanted().cloned() else { return Ok(()) };
        let value = of_password(&password);
        let token = self.attempt.token().await?;
        let (provider, reference, username) =
            (self.attempt.provider.clone(), self.reference(), self.desired().username);
        let call = provider.set_user_password(&token, &reference, &username, &password);
        match self.attempt.permit.during(call).await {
            Ok(()) => {
                self.attempt.emit(Severity::Normal, report.reason, "SetPassword", &report.message);
                let before = self.sent().password;
                let accepted = self.accepted(value, before);
                let sent = self.sent();
                (sent.password, sent.password_refused) = (Some(accepted), None);
                if accepted.times == 1 {
                    // What was accepted is in force, for all of this reconciliation.
                    let before = self.seen().cloned().unwrap_or_default();
                    self.saw_user(SeenServiceUser { password: Some(password), ..before });
                }
                Ok(())
            }
            Err(error) if error.class() == Class::NotFound => {
                // Reads show the user already, and this call does not.
                self.observed.is_invisible = true;
                Ok(())
            }
            Err(error) if is_refusal(&error) => {
                let before = self.sent().password_refused.clone();
                let refused = self.refused(value, before.as_ref(), &error);
                self.sent().password_refused = Some(refused);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn set_access(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let (Some(service_type), Some(before)) = (self.service_type(), self.seen().cloned()) else {
            return Ok(());
        };
        let desired = self.desired();
        let Some(access) = &desired.access else { return Ok(()) };
        let token = self.attempt.token().await?;
        let (provider, reference) = (self.attempt.provider.clone(), self.reference());
        let request = access.request(&service_type);
        let call = provider.set_user_access(&token, &reference, &desired.username, request);
        let users = match self.attempt.permit.during(call).await {
            Ok(users) => users,
            Err(error) if error.class() == Class::NotFound => {
                self.observed.is_invisible = true;
                return Ok(());
            }
            Err(error) if is_refusal(&error) => {
                let before = self.sent().access_refused.clone();
                let refused = self.refused(of_access(access), before.as_ref(), &error);
                self.sent().access_refused = Some(refused);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.attempt.emit(Severity::Normal, report.reason, "Update", &report.message);
        let mut answered = users.into_iter().flatten();
        let user = answered.find(|user| user.username.as_deref() == Some(desired.username.as_str()));
        let shown = user.map(|user| seen_user(&service_type, &user).access);
        let record = service_user::record(access, &before.access, shown.as_ref());
        let sent = self.accepted(of_access(access), None);
        self.sent().access = Some(sent);
        // The answer hides the password. Where it has no rules, the next read has to show them.
        let access = shown.unwrap_or_else(|| before.access.clone());
        self.saw_user(SeenServiceUser { access, ..before });
        self.note(&Note::Access(record)).await
    }

    async fn delete(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.attempt.token().await?;
        let (provider, reference, username) =
            (self.attempt.provider.clone(), self.reference(), self.desired().username);
        let call = provider.delete_user(&token, &reference, &username);
        if self.attempt.permit.during(call).await? {
            self.attempt.emit(Severity::Normal, report.reason, "Delete", &report.message);
            self.attempt.memory.deletion_requested = Some(Instant::now());
            // Accepted is not done: only a read without it releases the finalizer.
            self.observed.service = None;
        } else if let Some(ServiceOfUser::Present(service)) = &mut self.observed.service {
            service.user = UserOfService::Absent;
            self.attempt.memory.missing.reported(Absence::Named, Instant::now());
        }
        Ok(())
    }

    fn service_type(&self) -> Option<String> {
        match &self.observed.service {
            Some(ServiceOfUser::Present(service)) => Some(service.service_type.clone()),
            Some(ServiceOfUser::Absent) | None => None,
        }
    }
}
