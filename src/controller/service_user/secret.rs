//! The connection Secret of a `ServiceUser`, as the engine decides it.
//!
//! Guarantees: a Secret of another owner is never written to, and none is written without a password that Aiven has reported
//! or accepted.

use super::Reconciliation;
use crate::{
    cluster::events::Severity,
    controller::{
        connection_secret::{SecretSeen, Written},
        error::ReconcileError,
    },
};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{Resource as _, ResourceExt as _};
use valkeeper_api::{ServiceUserStatus, names::reason};
use valkeeper_engine::{connection::SecretContent, service_user::ServiceOfUser};

impl Reconciliation {
    fn owner(&self) -> OwnerReference {
        self.attempt.object.controller_owner_ref(&()).unwrap_or_default()
    }

    /// The connection Secret is as `found`.
    pub(super) fn saw_secret(&mut self, found: Option<Secret>) {
        let version = found.as_ref().map_or(0, crate::cluster::version);
        self.attempt.context.saw_secret(&self.attempt.uid(), version);
        self.secret = SecretSeen::found(found);
        self.judge_secret();
    }

    /// Compares the Secret that was seen with the connection.
    pub(super) fn judge_secret(&mut self) {
        let Some(target) = self.desired().secret else { return };
        let connection = match &self.observed.service {
            Some(ServiceOfUser::Present(service)) => service.connection.as_ref(),
            Some(ServiceOfUser::Absent) | None => None,
        };
        let finding = self.secret.judge(&self.owner(), &target, connection);
        (self.observed.secret, self.secret_record) = (finding.secret, finding.record);
    }

    pub(super) async fn write_secret(&mut self, wanted: &SecretContent) -> Result<(), ReconcileError> {
        let (owner, context) = (self.owner(), self.attempt.context.clone());
        let namespace = self.attempt.object.namespace().unwrap_or_default();
        let written = self.secret.write(&context, &namespace, wanted, &owner).await?;
        let Some(Written { secret, record, note }) = written else {
            self.secret = SecretSeen::Exists;
            self.judge_secret();
            return Ok(());
        };
        self.saw_secret(Some(secret));
        self.attempt.emit(Severity::Normal, reason::SECRET_WRITTEN, "WriteSecret", &note);
        // A record of what was written, whatever comes next.
        let next = ServiceUserStatus { connection_secret: Some(record), ..self.status() };
        self.attempt.write_status(&next).await
    }
}
