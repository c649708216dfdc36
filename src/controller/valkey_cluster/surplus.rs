//! Objects of a cluster that its spec asked for once and does not any more.

use super::{Reconciliation, observe::is_ours};
use crate::{cluster::objects, controller::error::ReconcileError};
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, OwnedKind, unwanted};

impl Reconciliation {
    /// Those that are there, with their identities.
    pub(super) async fn unwanted(
        &self,
        desired: &Desired,
    ) -> Result<BTreeMap<(OwnedKind, String), String>, ReconcileError> {
        let mut surplus = BTreeMap::new();
        for (kind, name) in unwanted(desired) {
            let found = objects::get(&self.context.client, &self.namespace, kind.names(), &name).await?;
            let ours = found.filter(|found| {
                is_ours(desired, &found.metadata) && found.metadata.deletion_timestamp.is_none()
            });
            if let Some(uid) = ours.and_then(|found| found.metadata.uid) {
                surplus.insert((kind, name), uid);
            }
        }
        Ok(surplus)
    }
}
