//! A look at a cluster at rest: the instances are asked each time, the Lease is read now and then.
//!
//! Guarantees: nothing is decided by a Lease that was not read again, except that there is nothing to do. The look that
//! found a reason to act, or an instance that did not answer at once, is made again with the Lease as it is then.
//! A Lease that is looked at again is no newer than the statuses, and counts as unchanged only until it was read.

use super::{Reconciliation, known::LeaseLook};
use crate::{cluster::leases, controller::error::ReconcileError};
use kube::ResourceExt as _;
use std::time::Duration;
use valkeeper_cluster::{Desired, LeaseSeen, Observed, RequeueClass, Step, decide, names};
use valkeeper_instance::lease;

/// How long the Lease of a cluster at rest is not read.
const LEASE_INTERVAL: Duration = Duration::from_secs(10);

impl Reconciliation {
    /// Reads the Lease.
    pub(super) async fn read_lease(&self, desired: &Desired) -> Result<LeaseLook, ReconcileError> {
        let began = self.known.started.elapsed();
        let found = leases::get(&self.context.client, &self.namespace, &desired.name).await?;
        let is_optional =
            found.as_ref().is_some_and(|lease| lease.annotations().contains_key(names::OPTIONAL));
        let seen = match found {
            None => LeaseSeen::Missing,
            Some(found) if !super::observe::is_ours(desired, &found.metadata) => LeaseSeen::Foreign,
            Some(found) => lease::reading(&found).map_or(LeaseSeen::Unknown, LeaseSeen::Present),
        };
        Ok(LeaseLook { seen, is_optional, began })
    }

    /// Whether the cluster is at rest as it was when its Lease was last read; tells so then.
    pub(super) async fn is_still_at_rest(&mut self, desired: &Desired) -> Result<bool, ReconcileError> {
        let Some(lease) = self.known.lease_at_rest.take() else { return Ok(false) };
        if self.known.started.elapsed().saturating_sub(lease.began) >= LEASE_INTERVAL {
            return Ok(false);
        }
        self.is_brief = true;
        let observed = self.observe(desired, lease.clone()).await;
        self.is_brief = false;
        let observed = observed?;
        let decision = decide(desired, &observed);
        if !is_at_rest(desired, &observed, &decision.step) {
            return Ok(false);
        }
        self.publish(desired, &observed, &decision.report).await?;
        self.known.lease_at_rest = Some(lease);
        Ok(true)
    }

    /// Remembers the Lease as it was read, if the cluster is at rest.
    pub(super) fn note_rest(
        &mut self,
        desired: &Desired,
        observed: &Observed,
        step: &Step,
        lease: LeaseLook,
    ) {
        self.known.lease_at_rest = is_at_rest(desired, observed, step).then_some(lease);
    }
}

/// Nothing is to be done, and every instance answers.
fn is_at_rest(desired: &Desired, observed: &Observed, step: &Step) -> bool {
    let answers = |ordinal| observed.instances.contains_key(&ordinal);
    matches!(step, Step::Requeue(RequeueClass::Steady))
        && observed.primary().is_some()
        && (0..desired.instances()).all(answers)
}
