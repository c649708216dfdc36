//! How a service changes over time: building, running, moving data, powering off, backups, removal after a long time
//! off. The outcome depends only on the moments involved, not on when it was read.

use super::catalogue::ServiceType;
use super::clock::{Moment, after};
use super::service::{Backup, Service, stable_hash};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// A service that was off this long is removed.
pub(super) const REMOVAL: Duration = Duration::from_hours(180 * 24);
/// The removal is announced when this much time has passed.
const REMOVAL_NOTICE: Duration = Duration::from_hours(150 * 24);

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Lifecycle {
    Building {
        cause: Cause,
        since: Moment,
        until: Moment,
    },
    Running {
        since: Moment,
    },
    Rebalancing {
        until: Moment,
    },
    /// A power-off was accepted; the nodes still run.
    PoweringOff {
        until: Moment,
    },
    PoweredOff {
        since: Moment,
    },
}

/// Why nodes are being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cause {
    Create,
    Change,
    PowerOn,
}

/// Durations and dates the lifecycle depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) build_time: Duration,
    pub(super) power_off_time: Duration,
    pub(super) backup_after: Duration,
    pub(super) vpc_time: Duration,
    pub(super) redis_end_of_life: Option<Moment>,
}

/// An automatic transition, for the project's event list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    Built,
    PoweredOff,
    Migrated,
    Removed,
}

impl Service {
    pub(super) fn state(&self) -> &'static str {
        match self.lifecycle {
            Lifecycle::Building { .. } => "REBUILDING",
            Lifecycle::Running { .. } | Lifecycle::PoweringOff { .. } => "RUNNING",
            Lifecycle::Rebalancing { .. } => "REBALANCING",
            Lifecycle::PoweredOff { .. } => "POWEROFF",
        }
    }

    pub(super) fn is_powered_off(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::PoweredOff { .. })
    }

    /// Whether clients of the service get answers.
    pub(super) fn is_operational(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Running { .. } | Lifecycle::Rebalancing { .. })
    }

    /// Starts to build nodes; a service that never ran keeps building for its creation.
    pub(super) fn build(&mut self, cause: Cause, now: Moment, timing: &Timing) {
        let cause = if self.ever_ran || cause == Cause::PowerOn { cause } else { Cause::Create };
        self.lifecycle = Lifecycle::Building { cause, since: now, until: after(now, timing.build_time) };
    }

    pub(super) fn power_off(&mut self, now: Moment, timing: &Timing) {
        self.lifecycle = Lifecycle::PoweringOff { until: after(now, timing.power_off_time) };
    }

    /// When [`Service::settle`] has something to do next.
    pub(super) fn next_event(&self, timing: &Timing) -> Option<Moment> {
        let transition = match self.lifecycle {
            // A real server decides when this ends; its report makes the appointment.
            Lifecycle::Building { .. } | Lifecycle::PoweringOff { .. } if self.waits_for_server() => None,
            Lifecycle::Building { until, .. }
            | Lifecycle::Rebalancing { until }
            | Lifecycle::PoweringOff { until } => Some(until),
            Lifecycle::PoweredOff { since } if self.removal_announced => Some(after(since, REMOVAL)),
            Lifecycle::PoweredOff { since } => Some(after(since, REMOVAL_NOTICE)),
            Lifecycle::Running { .. } => None,
        };
        [transition, self.due_backup(), self.due_migration(timing)].into_iter().flatten().min()
    }

    fn due_backup(&self) -> Option<Moment> {
        self.next_backup.filter(|_| self.is_operational() && self.takes_backups())
    }

    fn due_migration(&self, timing: &Timing) -> Option<Moment> {
        match self.lifecycle {
            Lifecycle::Running { since } if self.service_type == ServiceType::Redis => {
                Some(timing.redis_end_of_life?.max(since))
            }
            _ => None,
        }
    }

    /// Performs everything that became due until `now`.
    pub(super) fn settle(&mut self, now: Moment, timing: &Timing) -> Vec<Occurrence> {
        let mut occurrences = Vec::new();
        while let Some(due) = self.next_event(timing).filter(|due| *due <= now) {
            if let Some(occurrence) = self.settle_one(due, timing) {
                occurrences.push(occurrence);
                if occurrence == Occurrence::Removed {
                    break;
                }
            }
        }
        occurrences
    }

    fn settle_one(&mut self, due: Moment, timing: &Timing) -> Option<Occurrence> {
        if self.due_backup() == Some(due) {
            self.take_backup(due);
            return None;
        }
        match self.lifecycle {
            Lifecycle::Building { cause, .. } => {
                self.finish_build(cause, due, timing);
                Some(Occurrence::Built)
            }
            Lifecycle::Rebalancing { .. } => {
                self.lifecycle = Lifecycle::Running { since: due };
                None
            }
            Lifecycle::PoweringOff { .. } => {
                if self.ever_ran && self.takes_backups() {
                    self.take_backup(due);
                }
                self.lifecycle = Lifecycle::PoweredOff { since: due };
                self.removal_announced = false;
                Some(Occurrence::PoweredOff)
            }
            Lifecycle::PoweredOff { .. } if self.removal_announced => Some(Occurrence::Removed),
            Lifecycle::PoweredOff { .. } => {
                self.removal_announced = true;
                None
            }
            Lifecycle::Running { .. } => {
                self.become_valkey();
                self.build(Cause::Change, due, timing);
                Some(Occurrence::Migrated)
            }
        }
    }

    fn finish_build(&mut self, cause: Cause, due: Moment, timing: &Timing) {
        self.lifecycle = Lifecycle::Running { since: due };
        self.removal_announced = false;
        if self.ever_ran {
            self.first_node += self.plan.nodes;
        }
        self.ever_ran = true;
        if cause == Cause::PowerOn {
            self.pending_updates.clear();
        }
        if self.next_backup.is_none() || cause == Cause::PowerOn {
            let wait = if self.backups.is_empty() { timing.backup_after } else { self.backup_interval() };
            self.next_backup = Some(after(due, wait));
        }
    }

    fn backup_interval(&self) -> Duration {
        let daily = self.user_config.get("backup_hour").is_some_and(|hour| !hour.is_null());
        if daily { DAY } else { DAY / 2 }
    }

    /// Adds a backup, drops what the plan does not keep, and schedules the next.
    pub(super) fn take_backup(&mut self, at: Moment) {
        let bytes = 100 * 1024 * 1024 + stable_hash(&(&self.name, at)) % (10 * 1024 * 1024);
        self.backups.push(Backup { time: at, bytes, location: self.cloud.name.clone() });
        let surplus = self.backups.len().saturating_sub(self.plan.backups);
        self.backups.drain(..surplus);
        self.next_backup = Some(after(at, self.backup_interval()));
    }
}
