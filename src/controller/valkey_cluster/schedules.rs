//! What the schedules of backups of a cluster say.

use super::Reconciliation;
use valkeeper_cluster::{BackupsSeen, Desired};

impl Reconciliation {
    /// What the schedules of backups say, which is found out again only after one of them has changed.
    pub(super) fn backups(&mut self, desired: &Desired) -> BackupsSeen {
        let schedules = &self.context.schedules;
        // Read first: what changes from here on is for the next look.
        let changes = schedules.changes();
        match &self.known.schedules {
            Some((at, seen)) if *at == changes && *seen != BackupsSeen::Unknown => seen.clone(),
            _ => {
                let seen = schedules.of_cluster(&self.namespace, &desired.name);
                self.known.schedules = Some((changes, seen.clone()));
                seen
            }
        }
    }
}
