//! Volume claims of a cluster: as they are seen, and asking for larger volumes.

use super::{
    Reconciliation,
    perform::{already_there, rendered},
};
use crate::{
    cluster::{ClusterError, objects},
    controller::error::ReconcileError,
};
use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimCondition},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt as _;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use valkeeper_cluster::{ClaimSeen, Desired, Observed, claim, names, quantity, utc};
use valkeeper_engine::failure::Class;

/// Between two attempts to enlarge a volume that Kubernetes refuses.
const BETWEEN_ATTEMPTS: Duration = Duration::from_mins(5);

impl Reconciliation {
    /// Those that there are, by ordinal.
    pub(super) async fn claims(&self, desired: &Desired) -> Result<BTreeMap<u32, ClaimSeen>, ReconcileError> {
        if !desired.spec.persists() {
            return Ok(BTreeMap::new());
        }
        let labels = format!("{}={}", names::CLUSTER, desired.name);
        let claims: Vec<PersistentVolumeClaim> =
            objects::list(&self.context.client, &self.namespace, &labels).await?;
        let of_instance = |claim: &PersistentVolumeClaim| {
            let ordinal = names::ordinal(&format!("data-{}", desired.name), &claim.name_any())?;
            Some((ordinal, seen(claim)))
        };
        Ok(claims.iter().filter_map(of_instance).collect())
    }

    /// Creates one. Another one of its name is in the way: without the labels of the cluster, it is never seen.
    pub(super) async fn create_claim(&self, desired: &Desired, ordinal: u32) -> Result<(), ReconcileError> {
        let claim: PersistentVolumeClaim = rendered(claim(desired, ordinal))?;
        match objects::create(&self.context.client, &self.namespace, &claim).await? {
            Some(_) => Ok(()),
            None => Err(already_there("volume claim", &claim.name_any())),
        }
    }

    /// Why a claim may not ask for a larger volume, until it is tried again.
    pub(super) fn growth_refused(&self) -> Option<String> {
        let refused = self.known.growth_refused.as_ref();
        refused.filter(|(at, _)| at.elapsed() < BETWEEN_ATTEMPTS).map(|(_, why)| why.clone())
    }

    /// Asks for a volume as large as declared; answers whether Kubernetes takes it. A refusal is for a user to read, and
    /// stops nothing else.
    pub(super) async fn grow_claim(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        ordinal: u32,
    ) -> Result<bool, ReconcileError> {
        let (Some(size), Some(claim)) = (desired.volume_size(), observed.claims.get(&ordinal)) else {
            return Ok(false);
        };
        self.stale = true;
        let name = names::claim(&desired.name, ordinal);
        let patch = json!({
            // A user may have enlarged it further meanwhile.
            "metadata": {"resourceVersion": claim.version},
            "spec": {"resources": {"requests": {"storage": size}}},
        });
        let client = &self.context.client;
        match objects::patch::<PersistentVolumeClaim>(client, &self.namespace, &name, patch).await {
            Ok(_) => {
                self.known.growth_refused = None;
                Ok(true)
            }
            Err(error) if matches!(error.class(), Class::NotFound | Class::Conflict) => Ok(false),
            // Also by a webhook that fails.
            Err(error @ ClusterError::Rejected { .. }) => {
                tracing::warn!(%error, "a volume is not enlarged");
                self.known.growth_refused = Some((Instant::now(), error.words()));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn seen(claim: &PersistentVolumeClaim) -> ClaimSeen {
    let spec = claim.spec.clone().unwrap_or_default();
    let status = claim.status.clone().unwrap_or_default();
    let storage = |amounts: Option<BTreeMap<String, Quantity>>| {
        let amount = amounts.and_then(|amounts| amounts.get("storage").cloned());
        amount.and_then(|Quantity(text)| quantity::bytes(&text)).unwrap_or_default()
    };
    let holds = |kind: &str| {
        let is_true = |one: &&PersistentVolumeClaimCondition| one.type_ == kind && one.status == "True";
        status.conditions.iter().flatten().find(is_true)
    };
    let trouble = ["ControllerResizeError", "NodeResizeError"].into_iter().find_map(holds);
    let since = |one: &PersistentVolumeClaimCondition| -> Option<DateTime<Utc>> {
        utc(one.last_transition_time.as_ref()?)
    };
    ClaimSeen {
        deleting: claim.metadata.deletion_timestamp.is_some(),
        created: claim.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        version: claim.resource_version().unwrap_or_default(),
        requested: storage(spec.resources.and_then(|resources| resources.requests)),
        capacity: storage(status.capacity.clone()),
        waits_for_pod_since: holds("FileSystemResizePending").and_then(since),
        trouble: trouble.and_then(|one| one.message.clone()).filter(|text| !text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_says_how_far_its_volume_has_grown() {
        let claim = json!({
            "metadata": {"name": "data-c-0", "resourceVersion": "7"},
            "spec": {"resources": {"requests": {"storage": "2Gi"}}},
            "status": {"capacity": {"storage": "1G"}, "conditions": [
                {"type": "FileSystemResizePending", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"},
                {"type": "NodeResizeError", "status": "True", "message": "no space"},
            ]},
        });
        let seen = seen(&serde_json::from_value(claim).unwrap());
        assert_eq!((seen.requested, seen.capacity, seen.version.as_str()), (2 << 30, 1_000_000_000, "7"));
        assert_eq!(seen.waits_for_pod_since.map(|since| since.timestamp()), Some(60));
        assert_eq!(seen.trouble.as_deref(), Some("no space"));
    }
}
