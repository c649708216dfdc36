//! By which hosts clients reach a cluster, and what its connection Secret has of them.

use super::{Reconciliation, known::ObservedObjects};
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, Observed, parameters};
use valkeeper_engine::SecretTarget;

impl Reconciliation {
    /// Addresses of Services, where Secrets have them instead of names.
    pub(super) fn addresses(&self, objects: Option<&ObservedObjects>) -> Option<BTreeMap<String, String>> {
        let known = || objects.map(|objects| objects.addresses.clone()).unwrap_or_default();
        self.context.settings.service_addresses.then(known)
    }

    /// What the connection Secret has, with the parameters for clients of Sentinel; none while these are not known.
    pub(super) fn secret_target(&self, desired: &Desired, objects: &ObservedObjects) -> Option<SecretTarget> {
        let seen = Observed { addresses: self.addresses(Some(objects)), ..Observed::default() };
        let more = parameters::for_sentinel_clients(desired, &seen)?;
        desired.target.clone().map(|target| SecretTarget { more, ..target })
    }
}
