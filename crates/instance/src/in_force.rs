//! The settings that are in force, as far as they can change while the manager runs: the lease, its intervals, how many
//! replicas a primary needs, and what is reported of them.

use crate::{
    instance::{Instance, lock},
    lease::LeaseStore,
    settings::{LeaseSettings, MinReplicas, Settings},
    status::SettingsStatus,
};
use std::sync::Arc;
use valkeeper_failover::{
    manager::{Input, Manager},
    protocol::Timing,
};

/// The settings that are in force, as far as they can change while the manager runs.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) status: SettingsStatus,
    pub(crate) timing: Timing,
    pub(crate) min_replicas: MinReplicas,
}

impl InForce {
    /// Those that were read.
    pub(crate) fn of(settings: &Settings) -> Self {
        let alone = settings.lease == LeaseSettings::Alone;
        let status = SettingsStatus { revision: settings.revision.clone(), need_restart: Vec::new(), alone };
        Self { status, timing: settings.intervals.timing(), min_replicas: settings.server.min_replicas }
    }
}

impl Instance {
    /// Whether it is the only instance of its cluster.
    pub(crate) fn is_alone(&self) -> bool {
        lock(&self.in_force).status.alone
    }

    /// Accepts writes without a lease, if the settings say that it is the only instance. No others come into force
    /// meanwhile: one that knows of others must not begin to.
    pub(crate) fn reign_alone(&self) {
        let _unchanged = lock(&self.replacing);
        if self.is_alone() {
            let _ = self.input(Input::ReignAlone);
        }
    }

    /// Nothing runs out for an only instance, nor for one that began to accept writes as such.
    pub(crate) fn timing(&self, manager: &Manager) -> Timing {
        let in_force = lock(&self.in_force);
        if in_force.status.alone || manager.reigns_alone() { Timing::alone() } else { in_force.timing }
    }

    /// The lease that the settings name.
    pub(crate) fn lease(&self) -> Arc<dyn LeaseStore> {
        Arc::clone(&lock(&self.lease))
    }

    /// How many replicas a primary needs.
    pub(crate) fn min_replicas(&self) -> MinReplicas {
        lock(&self.in_force).min_replicas
    }

    /// The settings that are in force.
    pub(crate) fn settings_status(&self) -> SettingsStatus {
        lock(&self.in_force).status.clone()
    }

    /// Other settings are in force, and with them another lease.
    pub(crate) fn replace_settings(
        &self,
        settings: &Settings,
        lease: Arc<dyn LeaseStore>,
        need_restart: Vec<String>,
    ) {
        let _alone = lock(&self.replacing);
        *lock(&self.lease) = lease;
        self.sentinel.send_replace(settings.sentinel.clone());
        let mut in_force = InForce::of(settings);
        in_force.status.need_restart = need_restart;
        *lock(&self.in_force) = in_force;
    }

    /// The server has started with these settings.
    pub(crate) fn started_with(&self, revision: &str) {
        let mut in_force = lock(&self.in_force);
        if in_force.status.revision == revision {
            in_force.status.need_restart.clear();
        }
    }
}
