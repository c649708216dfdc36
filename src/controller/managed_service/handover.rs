//! The shell around a takeover: the other resource, read live, and the change of the type at the provider. No other
//! resource costs a call, except that a `Redis` with a service is deleted after a read of the `Valkey` of its name.

use super::{Reconciliation, desired};
use crate::{
    cluster::{bounded, events::Severity},
    controller::error::ReconcileError,
};
use kube::{Api, ResourceExt as _};
use valkeeper_api::{Kind, ManagedService, Redis, Valkey};
use valkeeper_engine::{Predecessor, Report, Successor, secret_target};

impl<K: ManagedService> Reconciliation<K> {
    /// Reads the `Redis` that this resource takes over.
    pub(super) async fn observe_predecessor(&mut self) -> Result<(), ReconcileError> {
        let (namespace, name) = (&self.namespace, &self.desired.name);
        let api: Api<Redis> = Api::namespaced(self.context.client.clone(), namespace);
        // Without its kind there is none, either.
        let found = bounded(|| format!("read Redis {namespace}/{name}"), api.get_opt(name)).await?;
        self.observed.predecessor = found.map_or(Predecessor::Absent, |redis| {
            let desired = desired(&self.context, &redis);
            Predecessor::Present {
                uid: redis.uid().unwrap_or_default(),
                project: redis.service().project.clone(),
                manages: desired.initialized && !desired.policies.observes,
                secret: secret_target(&redis, name).map(|target| (target.name, target.prefix)),
            }
        });
        Ok(())
    }

    /// Reads the `Valkey` that takes over this resource.
    pub(super) async fn observe_successor(&mut self) -> Result<(), ReconcileError> {
        let (namespace, name) = (&self.namespace, &self.desired.name);
        let api: Api<Valkey> = Api::namespaced(self.context.client.clone(), namespace);
        let found = bounded(|| format!("read Valkey {namespace}/{name}"), api.get_opt(name)).await?;
        let takes_over =
            |valkey: &Valkey| valkey.migrates_from_redis() && valkey.metadata.deletion_timestamp.is_none();
        self.observed.successor = match found.filter(takes_over) {
            None => Successor::Absent,
            Some(valkey) if valkey.service().project == self.desired.project => Successor::Present,
            Some(valkey) => Successor::Elsewhere(valkey.service().project.clone()),
        };
        Ok(())
    }

    pub(super) async fn change_type(&mut self, report: &Report) -> Result<(), ReconcileError> {
        let token = self.token().await?;
        // If the answer is lost, the earlier observation may be outdated.
        self.observed.unsettled = true;
        let (provider, reference) = (self.provider.clone(), self.reference());
        let wanted = Kind::Valkey.service_type();
        let service = self.sending(provider.change_type(&token, &reference, wanted)).await?;
        self.emit(Severity::Normal, report.reason, "ChangeType", &report.message);
        self.settle();
        self.saw_changed(service).await
    }
}
