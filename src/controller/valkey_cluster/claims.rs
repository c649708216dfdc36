//! Volume claims of a cluster, as they are seen.

use super::Reconciliation;
use crate::{cluster::objects, controller::error::ReconcileError};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use std::collections::BTreeMap;
use valkeeper_cluster::{ClaimSeen, Desired, names};

impl Reconciliation {
    /// Those that there are, by ordinal.
    pub(super) async fn claims(&self, desired: &Desired) -> Result<BTreeMap<u32, ClaimSeen>, ReconcileError> {
        if !desired.spec.persists() {
            return Ok(BTreeMap::new());
        }
        let labels = format!("{}={}", names::CLUSTER, desired.name);
        let claims: Vec<PersistentVolumeClaim> =
            objects::list(&self.context.client, &self.namespace, &labels).await?;
        let seen = |claim: &PersistentVolumeClaim| {
            let ordinal = names::ordinal(&format!("data-{}", desired.name), &claim.name_any())?;
            let created = claim.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
            let deleting = claim.metadata.deletion_timestamp.is_some();
            Some((ordinal, ClaimSeen { deleting, created: created.unwrap_or_default() }))
        };
        Ok(claims.iter().filter_map(seen).collect())
    }
}
