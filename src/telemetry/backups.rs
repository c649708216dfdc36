//! Metrics of backups of self-hosted clusters. Of schedules, entries are stored by identity and dropped with the resource;
//! the identity itself is never exported.

use super::series::{Counters, Gauges};
use chrono::{DateTime, Utc};
use prometheus_client::{metrics::histogram::Histogram, registry::Registry};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How backups and verifications end.
const OUTCOMES: [&str; 2] = ["completed", "failed"];
const FINDINGS: [&str; 3] = ["succeeded", "failed", "postponed"];

/// What is known of all schedules, and the series.
pub struct Backups {
    schedules: Mutex<HashMap<String, Schedule>>,
    taken: Counters,
    verified: Counters,
    durations: Histogram,
    sizes: Histogram,
    overdue: Gauges,
    unverified: Gauges,
    last_success: Gauges,
    last_verified: Gauges,
}

/// What is known of one schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The backup that was last due is not stored.
    pub overdue: bool,
    /// No backup was verified for longer than declared.
    pub unverified: bool,
    /// When the newest backup was stored.
    pub last_success: Option<DateTime<Utc>>,
    /// When a backup was last verified with success.
    pub last_verified: Option<DateTime<Utc>>,
}

impl Backups {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let backups = Self {
            schedules: Mutex::default(),
            taken: Counters::default(),
            verified: Counters::default(),
            // From seconds to hours.
            durations: Histogram::new([1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 10800.0]),
            // From a megabyte to 256 GiB.
            sizes: Histogram::new((0..10).map(|step| f64::from(1 << 20) * 4_f64.powi(step))),
            overdue: Gauges::default(),
            unverified: Gauges::default(),
            last_success: Gauges::default(),
            last_verified: Gauges::default(),
        };
        for outcome in OUTCOMES {
            backups.taken.get_or_create_owned(&vec![("outcome", outcome.to_owned())]);
        }
        for finding in FINDINGS {
            backups.verified.get_or_create_owned(&vec![("result", finding.to_owned())]);
        }
        let taken = "Backups of self-hosted clusters that ended, by outcome";
        registry.register("cluster_backups", taken, backups.taken.clone());
        let verified = "Verifications of backups that ended, by result";
        registry.register("cluster_backup_verifications", verified, backups.verified.clone());
        let durations = "Time from the first byte of a backup until it was stored";
        registry.register("cluster_backup_duration_seconds", durations, backups.durations.clone());
        let sizes = "Bytes of data of backups that were stored, before compression";
        registry.register("cluster_backup_size_bytes", sizes, backups.sizes.clone());
        let overdue = "Schedules whose backup that was last due is not stored";
        registry.register("cluster_backup_schedules_overdue", overdue, backups.overdue.clone());
        let unverified = "Schedules of which no backup was verified for longer than they declare";
        registry.register("cluster_backup_schedules_unverified", unverified, backups.unverified.clone());
        let success = "When the newest backup of a schedule was stored, of the schedule where it is oldest";
        registry.register(
            "cluster_backup_last_success_timestamp_seconds",
            success,
            backups.last_success.clone(),
        );
        let last = "When a backup of a schedule was last verified, of the schedule where it is longest ago";
        registry.register(
            "cluster_backup_last_verified_timestamp_seconds",
            last,
            backups.last_verified.clone(),
        );
        backups
    }

    /// A backup was stored.
    pub fn completed(&self, seconds: f64, bytes: f64) {
        self.taken.get_or_create(&vec![("outcome", "completed".to_owned())]).inc();
        self.durations.observe(seconds);
        self.sizes.observe(bytes);
    }

    /// A backup failed, and is not tried again.
    pub fn failed(&self) {
        self.taken.get_or_create(&vec![("outcome", "failed".to_owned())]).inc();
    }

    /// A verification ended; without a result, it is tried again.
    pub fn verified(&self, succeeded: Option<bool>) {
        let result = match succeeded {
            Some(true) => "succeeded",
            Some(false) => "failed",
            None => "postponed",
        };
        self.verified.get_or_create(&vec![("result", result.to_owned())]).inc();
    }

    /// A schedule was reconciled.
    pub fn scheduled(&self, uid: &str, schedule: Schedule) {
        self.schedules().insert(uid.to_owned(), schedule);
    }

    /// A schedule is gone.
    pub fn forget(&self, uid: &str) {
        self.schedules().remove(uid);
    }

    /// Another replica reconciles the schedules now.
    pub fn clear(&self) {
        self.schedules().clear();
    }

    /// Updates the gauges.
    pub(super) fn count(&self) {
        let schedules = self.schedules();
        let count = |of: fn(&Schedule) -> bool| {
            let count = schedules.values().filter(|schedule| of(schedule)).count();
            f64::from(u32::try_from(count).unwrap_or(u32::MAX))
        };
        self.overdue.get_or_create_owned(&Vec::new()).set(count(|schedule| schedule.overdue));
        self.unverified.get_or_create_owned(&Vec::new()).set(count(|schedule| schedule.unverified));
        let oldest = |gauges: &Gauges, of: fn(&Schedule) -> Option<DateTime<Utc>>| {
            gauges.clear();
            if let Some(oldest) = schedules.values().filter_map(of).min() {
                let seconds = oldest.signed_duration_since(DateTime::UNIX_EPOCH).as_seconds_f64();
                gauges.get_or_create_owned(&Vec::new()).set(seconds);
            }
        };
        oldest(&self.last_success, |schedule| schedule.last_success);
        oldest(&self.last_verified, |schedule| schedule.last_verified);
    }

    fn schedules(&self) -> MutexGuard<'_, HashMap<String, Schedule>> {
        self.schedules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn schedules_are_counted_and_the_oldest_backup_is_shown() {
        let metrics = Metrics::new();
        let text = metrics.render().unwrap();
        for series in [
            "valkeeper_cluster_backup_schedules_overdue{} 0",
            "valkeeper_cluster_backup_schedules_unverified{} 0",
            "valkeeper_cluster_backups_total{outcome=\"failed\"} 0",
            "valkeeper_cluster_backup_verifications_total{result=\"postponed\"} 0",
        ] {
            assert!(text.contains(series), "{series} in {text}");
        }
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let late = Schedule { overdue: true, unverified: true, last_success: at(100), last_verified: at(70) };
        metrics.backups().scheduled("uid-a", late);
        let fresh = Schedule { last_success: at(200), ..Schedule::default() };
        metrics.backups().scheduled("uid-b", fresh);
        let text = metrics.render().unwrap();
        for series in [
            "schedules_overdue{} 1.0",
            "schedules_unverified{} 1.0",
            "last_success_timestamp_seconds{} 100.0",
            "last_verified_timestamp_seconds{} 70.0",
        ] {
            assert!(text.contains(series), "{series} in {text}");
        }
        assert!(!text.contains("uid-"));
        metrics.backups().forget("uid-a");
        let text = metrics.render().unwrap();
        assert!(
            text.contains("schedules_overdue{} 0.0") && !text.contains("last_verified_timestamp_seconds{")
        );
    }
}
