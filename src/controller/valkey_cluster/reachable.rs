//! By which hosts clients reach a cluster, and what its connection Secret has of them.

use super::{
    Reconciliation,
    known::ObservedObjects,
    reach::{addresses, connection, seen},
};
use secrecy::SecretString;
use std::collections::BTreeMap;
use valkeeper_cluster::{Desired, parameters};
use valkeeper_engine::{Connection, SecretTarget};

impl Reconciliation {
    /// Addresses of Services, where Secrets have them instead of names.
    pub(super) fn addresses(&self, objects: Option<&ObservedObjects>) -> Option<BTreeMap<String, String>> {
        addresses(self.context.settings.service_addresses, objects)
    }

    /// What the connection Secret has, with the parameters for clients of Sentinel; none while these are not known.
    pub(super) fn secret_target(&self, desired: &Desired, objects: &ObservedObjects) -> Option<SecretTarget> {
        let more = parameters::for_sentinel_clients(
            desired,
            &seen(self.context.settings.service_addresses, objects),
        )?;
        desired.target.clone().map(|target| SecretTarget { more, ..target })
    }

    /// How clients reach the cluster.
    pub(super) fn connection(
        &self,
        desired: &Desired,
        objects: &ObservedObjects,
        password: Option<SecretString>,
    ) -> Option<Connection> {
        connection(
            desired,
            &seen(self.context.settings.service_addresses, objects),
            &objects.serving,
            password?,
        )
    }
}
