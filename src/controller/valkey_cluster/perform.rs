//! Performs one step: at most one write to Kubernetes, or one verb to one instance.

use super::{Reconciliation, certificates, clock, observe::is_ours};
use crate::{
    cluster::{ClusterError, data_objects, events::Severity, leases, metadata, objects},
    controller::error::{ReconcileError, Result},
};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::time::Instant;
use valkeeper_api::valkey_cluster::FailoverRecord;
use valkeeper_cluster::{Desired, Observed, PromotionCause, Step, event, names};
use valkeeper_engine::{connection, existing_secret};
use valkeeper_failover::Name;
use valkeeper_instance::client::{CallError, InstanceClient, Place};

impl Reconciliation {
    /// Performs a step, and tells of it; answers whether it is likely to have had an effect.
    pub(super) async fn perform(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        step: Step,
    ) -> Result<bool> {
        let told = event(desired, &step);
        let effective = self.take(desired, observed, step).await?;
        if let Some(told) = told.filter(|_| effective) {
            let severity = if told.warning { Severity::Warning } else { Severity::Normal };
            self.emit(severity, told.reason, &told.message);
        }
        Ok(effective)
    }

    async fn take(&mut self, desired: &Desired, observed: &Observed, step: Step) -> Result<bool> {
        match step {
            Step::AddFinalizer => {
                let object = metadata::add_finalizer(&self.api, &self.object, &BTreeMap::new()).await?;
                self.adopt(object);
            }
            Step::ReleaseFinalizer => {
                metadata::release_finalizer(&self.api, &self.object).await?;
                self.released = true;
            }
            Step::CreatePassword
            | Step::RotatePassword
            | Step::IssueAuthority
            | Step::IssueCertificate
            | Step::IssueClientCertificate
            | Step::ServeCertificate(_)
            | Step::WriteSecret => {
                self.write_secret(desired, &step).await?;
                self.stale = true;
            }
            Step::WriteAccess(change, revision) => {
                return self.write_access(desired, change, &revision).await;
            }
            Step::Apply(owned) => {
                let (names, name) = (owned.kind.names(), &owned.name);
                objects::apply(&self.context.client, &self.namespace, names, name, &owned.body).await?;
                self.known.applied.insert((owned.kind, owned.name.clone()), (*owned, Instant::now()));
                self.stale = true;
            }
            Step::Remove(kind, name, uid) => {
                objects::remove(&self.context.client, &self.namespace, kind.names(), &name, &uid).await?;
                self.stale = true;
            }
            Step::GrowClaim(ordinal) => return self.grow_claim(desired, observed, ordinal).await,
            Step::CreateClaim(_) | Step::DeleteClaim(_) | Step::CreatePod(_) | Step::DeletePod(..) => {
                self.change_instance(desired, &step).await?;
            }
            Step::Label(ordinal, uid, role) => self.label(desired, ordinal, &uid, role).await?,
            Step::ResizePod(ordinal, uid, part) => return self.resize(desired, ordinal, &uid, part).await,
            Step::CreateLease(term) => {
                let owner = desired.owner();
                leases::create(&self.context.client, &self.namespace, &desired.name, term.0, &owner).await?;
            }
            Step::MakeLeaseOptional(version) => {
                let note = (names::OPTIONAL, "true");
                leases::annotate(&self.context.client, &self.namespace, &desired.name, version, note).await?;
            }
            Step::DeleteLease(version) => {
                leases::delete(&self.context.client, &self.namespace, &desired.name, version).await?;
            }
            Step::Requeue(_) => {}
            Step::CreateFinalBackup => return self.create_final_backup(desired).await,
            Step::Restore(ordinal) => return self.restore(desired, observed, ordinal).await,
            verb => return Ok(self.send(desired, observed, verb).await),
        }
        Ok(true)
    }

    /// Creates a Secret of the cluster, or renews the one that it has. One that could not be seen, or is of another
    /// owner, is left alone: a password or an authority that is in use is never replaced because of one answer.
    async fn write_secret(&mut self, desired: &Desired, step: &Step) -> Result<()> {
        let defect =
            |error: rcgen::Error| ReconcileError::Defect(format!("cannot make a certificate: {error}"));
        let (secret, seen) = match step {
            Step::CreatePassword | Step::RotatePassword => self.password_secret(desired, step).await?,
            Step::IssueAuthority => {
                let seen = self.own_secret(desired, &names::authority(&desired.name)).await?;
                (certificates::authority(desired, seen.as_ref()).map_err(defect)?, seen)
            }
            Step::IssueCertificate => {
                let authority = self.own_secret(desired, &names::authority(&desired.name)).await?;
                let seen = self.own_secret(desired, &names::certificate(&desired.name)).await?;
                (certificates::servers(desired, &authority.unwrap_or_default()).map_err(defect)?, seen)
            }
            Step::IssueClientCertificate | Step::ServeCertificate(_) => {
                let Some(written) = self.client_secret(desired, step).await? else { return Ok(()) };
                written
            }
            _ => return self.write_connection(desired).await,
        };
        let client = &self.context.client;
        let Some(seen) = seen else {
            data_objects::create(client, &self.namespace, &secret).await?;
            return Ok(());
        };
        let metadata = json!({
            "uid": seen.metadata.uid,
            "resourceVersion": seen.metadata.resource_version,
            "annotations": secret.metadata.annotations,
        });
        let patch = json!({"metadata": metadata, "data": secret.data});
        data_objects::patch::<Secret>(client, &self.namespace, &secret.name_any(), patch).await?;
        Ok(())
    }

    /// A Secret of this name that belongs to the cluster.
    pub(super) async fn own_secret(&self, desired: &Desired, name: &str) -> Result<Option<Secret>> {
        let found = data_objects::get::<Secret>(&self.context.client, &self.namespace, name).await?;
        Ok(found.filter(|secret| is_ours(desired, &secret.metadata)))
    }

    async fn write_connection(&mut self, desired: &Desired) -> Result<()> {
        let password = self.current_password(desired).await?;
        let objects = self.known.objects.clone();
        let Some(objects) = objects else { return Ok(()) };
        let (target, connection) =
            (self.secret_target(desired, &objects), self.connection(desired, &objects, password));
        let (Some(target), Some(connection)) = (target, connection) else { return Ok(()) };
        let content = connection::content(&target, &connection);
        let client = &self.context.client;
        let found = data_objects::get::<Secret>(client, &self.namespace, &target.name).await?;
        let record = match found {
            None => {
                let (secret, record) = existing_secret::new(&content, &desired.owner());
                data_objects::create(client, &self.namespace, &secret).await?;
                record
            }
            Some(found) => {
                let (patch, record) = existing_secret::repaired(&found, &content, &desired.owner());
                data_objects::patch::<Secret>(client, &self.namespace, &target.name, patch).await?;
                record
            }
        };
        let name = &target.name;
        let message = format!("Wrote the connection to Secret {name}.");
        self.emit(Severity::Normal, names::reason::SECRET_WRITTEN, &message);
        self.wrote_connection = true;
        self.note_secret(record, target.binding.is_some()).await
    }

    /// Sends a verb; answers whether it was accepted. Whether it had an effect is seen by the next observation.
    async fn send(&mut self, desired: &Desired, observed: &Observed, verb: Step) -> bool {
        let to = |name: &Name| self.instance(desired, observed, observed.ordinal(&desired.name, name)?);
        let outcome = match &verb {
            Step::Hold(name, term) => match to(name) {
                Some(instance) => instance.hold(*term).await.map(drop),
                None => return false,
            },
            Step::Promote(name, term, version, cause) => {
                let Some(instance) = to(name) else { return false };
                self.known.promotion = record(name, cause);
                instance.promote(*term, *version).await.map(drop)
            }
            Step::Kick(name, term) => match to(name) {
                Some(instance) => instance.kick(*term).await.map(drop),
                None => return false,
            },
            Step::Follow(name, primary, term) => {
                let at = observed.ordinal(&desired.name, primary);
                let at = at.and_then(|ordinal| observed.instances.get(&ordinal));
                let place = at.and_then(|at| {
                    let tls_port = at.tls.as_ref().map(|tls| tls.port);
                    Some(Place { host: at.host.as_ref()?, port: at.port, tls_port })
                });
                let Some(place) = place else { return false };
                match to(name) {
                    Some(instance) => instance.follow(*term, primary, place).await.map(drop),
                    None => return false,
                }
            }
            Step::Reload(ordinal, term) => {
                self.reloaded.insert(*ordinal);
                match self.instance(desired, observed, *ordinal) {
                    Some(instance) => instance.reload(*term).await.map(drop),
                    None => return false,
                }
            }
            _ => return false,
        };
        match outcome {
            Ok(()) => return true,
            Err(CallError::Refused(refusal)) => {
                tracing::info!(?verb, reason = ?refusal.refused, "an instance refused a verb");
            }
            Err(error) => tracing::info!(?verb, %error, "no answer to a verb"),
        }
        false
    }

    pub(super) fn instance(
        &self,
        desired: &Desired,
        observed: &Observed,
        ordinal: u32,
    ) -> Option<InstanceClient> {
        let (pod, door) = (observed.pods.get(&ordinal)?, self.known.door.as_ref()?);
        door.commander(&self.context.fence, desired, ordinal, pod)
            .inspect_err(|fenced| tracing::info!(%fenced, instance = desired.instance(ordinal), "no verb"))
            .ok()
    }
}

pub(super) fn rendered<K: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<K> {
    serde_json::from_value(value)
        .map_err(|error| ReconcileError::Defect(format!("malformed object: {error}")))
}

/// The watch shows it soon, or another owner has it.
pub(super) fn already_there(kind: &str, name: &str) -> ReconcileError {
    ClusterError::Rejected {
        doing: format!("create {kind} {name}"),
        code: 409,
        reason: "AlreadyExists".to_owned(),
        message: format!("there is a {kind} of this name already"),
    }
    .into()
}

fn record(name: &Name, cause: &PromotionCause) -> Option<FailoverRecord> {
    let from = cause.from.clone()?;
    Some(FailoverRecord {
        from: Some(from),
        to: name.to_string(),
        at: chrono::DateTime::from_timestamp(clock::now().timestamp(), 0)?,
        reason: if cause.planned { "Planned" } else { "Unplanned" }.to_owned(),
        waited: if cause.confirmed { "Confirmed" } else { "TermElapsed" }.to_owned(),
    })
}
