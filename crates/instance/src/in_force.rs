//! The settings that are in force, as far as they can change while the manager runs: the lease, its intervals, how many
//! replicas a primary needs, whose consent lets it go on without the lease, and what is reported of them.

use crate::{
    instance::{Instance, lock},
    lease::LeaseStore,
    server_config::live_directives,
    settings::{LeaseSettings, MinReplicas, PeerSettings, Settings},
    status::{ReloadAnswer, SettingsStatus},
};
use std::{collections::BTreeSet, sync::Arc};
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
    peers: Option<PeerSettings>,
    /// Directives that the server was given since it was started.
    directives: BTreeSet<String>,
}

impl InForce {
    /// Those that were read.
    pub(crate) fn of(settings: &Settings) -> Self {
        let alone = settings.lease == LeaseSettings::Alone;
        let status =
            SettingsStatus { revision: settings.revision.clone(), alone, ..SettingsStatus::default() };
        let directives = settings.server.directives.keys().cloned().collect();
        let (timing, min_replicas) = (settings.intervals.timing(), settings.server.min_replicas);
        Self { status, timing, min_replicas, peers: settings.peers.clone(), directives }
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

    /// Whose consent a primary needs to go on without its lease; none where it stops.
    pub(crate) fn peer_settings(&self) -> Option<PeerSettings> {
        lock(&self.in_force).peers.clone()
    }

    /// The settings that are in force.
    pub(crate) fn settings_status(&self) -> SettingsStatus {
        lock(&self.in_force).status.clone()
    }

    /// Directives that the server has, and these settings do not set: it keeps their values until it is started again.
    pub(crate) fn declared_no_more(&self, settings: &Settings) -> Vec<String> {
        let set: BTreeSet<String> = live_directives(settings).into_iter().map(|(name, _)| name).collect();
        lock(&self.in_force).directives.difference(&set).cloned().collect()
    }

    /// Whether the server was given this directive.
    pub(crate) fn has_directive(&self, name: &str) -> bool {
        lock(&self.in_force).directives.contains(name)
    }

    /// Other settings are in force, and with them another lease.
    pub(crate) fn replace_settings(
        &self,
        settings: &Settings,
        lease: Arc<dyn LeaseStore>,
        answer: &ReloadAnswer,
    ) {
        let _alone = lock(&self.replacing);
        *lock(&self.lease) = lease;
        self.sentinel.send_replace(settings.sentinel.clone());
        let mut next = InForce::of(settings);
        next.status.need_restart.clone_from(&answer.need_restart);
        next.status.refused.clone_from(&answer.refused);
        // Others have the value that they had, and keep it when they are not declared any more.
        next.directives.retain(|name| answer.applied.contains(name));
        let mut in_force = lock(&self.in_force);
        next.directives.append(&mut in_force.directives);
        *in_force = next;
    }

    /// The server has started with these settings.
    pub(crate) fn started_with(&self, settings: &Settings) {
        let mut in_force = lock(&self.in_force);
        in_force.directives = settings.server.directives.keys().cloned().collect();
        if in_force.status.revision == settings.revision {
            in_force.status.need_restart.clear();
        }
    }
}
