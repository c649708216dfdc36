//! What reconciliations report to the metrics. It reuses the data of the reconciliation, makes no calls and changes
//! no decision.

use super::{Reconciliation, outcome};
use crate::{
    controller::{context::Context, error::ReconcileError},
    provider::Service,
    telemetry::fleet::Dates,
};
use chrono::{DateTime, Utc};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::ResourceExt;
use std::{collections::BTreeSet, time::Duration};
use valkeeper_api::{Custom, ManagedService, names};
use valkeeper_engine::{DriftSeen, conditions};

/// Longest time, in seconds, from the creation of a resource to its first status.
const FIRST_STATUS: i64 = 60;

impl<K: ManagedService> Reconciliation<K> {
    /// The service was read; `None` when it does not exist.
    pub(super) fn measure_observation(&self, service: Option<&Service>) {
        let dates = service.map(dates).unwrap_or_default();
        self.context.metrics.fleet().observed(&self.uid(), K::KIND.name(), dates);
    }

    /// Fields changed externally at the provider were corrected, or are reported for the first time.
    pub(super) fn measure_drift(&self, seen: &DriftSeen) {
        // Settings below userConfig are many, and the condition names them.
        let plain = |field: &str| field.trim_start_matches("spec.").split('.').next().map(str::to_owned);
        let fields: BTreeSet<_> = seen.fields.iter().filter_map(|entry| plain(&entry.field)).collect();
        for field in fields {
            self.context.metrics.drifted(K::NAME, &field, seen.corrected);
        }
    }

    /// The status of the resource is about to become that of `next`.
    pub(super) fn measure_readiness(&self, next: &K) {
        let (Some(before), Some(after)) = (ready(&self.object), ready(next)) else { return };
        let Some(created) = next.meta().creation_timestamp.as_ref().map(|created| created.0) else { return };
        // A resource that is not ready since it exists becomes ready for the first time.
        let waited = before.last_transition_time.0.duration_since(created).as_secs() < FIRST_STATUS;
        let again = self.context.metrics.fleet().was_ready(&self.uid());
        if before.status != "True" && after.status == "True" && waited && !again {
            let age = Duration::try_from(Timestamp::now().duration_since(created)).unwrap_or_default();
            self.context.metrics.became_ready(K::KIND.name(), age);
        }
    }

    /// The reconciliation ended, in `error` if there was one.
    pub(in crate::controller) fn measure_token(&self, error: Option<&ReconcileError>) {
        let valid = match error {
            None => true,
            Some(ReconcileError::Token(_) | ReconcileError::TokenRejected(_)) => false,
            // The Secret is missing. A Secret that cannot be protected was not read.
            Some(ReconcileError::NoTokenSecret { .. }) if self.token_use.is_unusable() => false,
            // The error proves nothing about the token.
            Some(_) => return,
        };
        // A reconciliation that succeeds without a token proves nothing about it.
        if valid && self.token_use.token().is_none() {
            return;
        }
        let source = self.token_source();
        let secret_hash = self.context.metrics.fleet().token_used(&source, valid);
        outcome::token(&self.context, &source, &secret_hash, error);
    }

    /// The reconciliation is over.
    pub(in crate::controller) fn measure_state(&self) {
        state(&self.context, &self.object);
    }

    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }
}

/// A reconciliation of something that is no service is over, in which the provider `answered`.
pub(in crate::controller) fn read<K: Custom>(context: &Context, object: &K, answered: bool) {
    if answered {
        let uid = object.uid().unwrap_or_default();
        context.metrics.fleet().observed(&uid, K::NAME, Dates::default());
    }
    state(context, object);
}

/// A reconciliation of `object` is over.
pub(in crate::controller) fn state<K: Custom>(context: &Context, object: &K) {
    let (fleet, uid) = (context.metrics.fleet(), object.uid().unwrap_or_default());
    let paused = |entry: &Condition| entry.type_ == names::condition::PAUSED && entry.status == "True";
    if object.conditions().iter().any(paused) {
        fleet.paused(&uid);
    }
    if let Some(ready) = ready(object) {
        fleet.reported(&uid, K::NAME, &ready.status, &ready.reason);
    }
}

fn ready<K: Custom>(object: &K) -> Option<&Condition> {
    conditions::find(object.conditions(), names::condition::READY)
}

fn dates(service: &Service) -> Dates {
    let updates =
        service.maintenance.as_ref().and_then(|window| window.updates.as_deref()).unwrap_or_default();
    let notices = service.service_notifications.iter().flatten();
    // Backups stop while a service is powered off; this must not trigger an alert.
    let running = service.state == "RUNNING";
    Dates {
        pending_updates: updates.len(),
        maintenance: updates.iter().filter_map(|update| date(update.deadline.as_deref()?)).min(),
        end_of_life: notices
            .filter_map(|notice| date(notice.metadata.as_ref()?.service_end_of_life_time.as_deref()?))
            .min(),
        last_backup: service
            .backups
            .iter()
            .flatten()
            .filter_map(|backup| date(backup.backup_time.as_deref()?))
            .max()
            .filter(|_| running),
    }
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc())
}
