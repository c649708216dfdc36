//! The state of each resource for metrics that describe all of them together: how many are ready and why not, how old
//! the last read of the provider is, which deadline comes next. Entries are stored by identity and dropped with the
//! resource; the identity itself is never exported.

use super::series::Gauges;
use chrono::{DateTime, Utc};
use prometheus_client::registry::Registry;
use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::{Duration, Instant};
use valkeeper_engine::orphans::Orphans;

/// How long the verdict on a token is exported after its last use.
const TOKEN_MEMORY: Duration = Duration::from_hours(1);

/// The resources, and the gauges that describe them.
pub struct Fleet {
    resources: Mutex<HashMap<String, Resource>>,
    tokens: Mutex<HashMap<u64, (bool, Instant)>>,
    orphans: Mutex<HashMap<String, Orphans>>,
    counts: Gauges,
    ages: Gauges,
    valid: Gauges,
    maintenance: Gauges,
    deadlines: Gauges,
    backups: Gauges,
    orphaned: Gauges,
}

#[derive(Clone, Debug, Default)]
struct Resource {
    kind: &'static str,
    ready: String,
    reason: String,
    was_ready: bool,
    observed: Option<Instant>,
    dates: Dates,
}

/// Dates in the provider's answer about a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// Updates that wait for maintenance.
    pub pending_updates: usize,
    /// When the first of them is forced.
    pub maintenance: Option<DateTime<Utc>>,
    /// When the version reaches its end of life.
    pub end_of_life: Option<DateTime<Utc>>,
    /// When the last backup was taken.
    pub last_backup: Option<DateTime<Utc>>,
}

impl Fleet {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let fleet = Self {
            resources: Mutex::default(),
            tokens: Mutex::default(),
            orphans: Mutex::default(),
            counts: Gauges::default(),
            ages: Gauges::default(),
            valid: Gauges::default(),
            maintenance: Gauges::default(),
            deadlines: Gauges::default(),
            backups: Gauges::default(),
            orphaned: Gauges::default(),
        };
        registry.register("resources", "Resources by their Ready condition", fleet.counts.clone());
        let ages = "Time since resources were last compared with the provider; quantile 1 is the oldest";
        registry.register("seconds_since_last_observation", ages, fleet.ages.clone());
        let valid = "Whether the provider accepted a token when it was last used, by a hash of where the token is kept";
        registry.register("token_valid", valid, fleet.valid.clone());
        let maintenance =
            "Updates that wait for a maintenance window, by whether they are forced at some date";
        registry.register("maintenance_pending", maintenance, fleet.maintenance.clone());
        let deadlines = "The next date, in seconds since 1970, at which the provider forces a change";
        registry.register("next_deadline_timestamp_seconds", deadlines, fleet.deadlines.clone());
        let backups = "Age of the last backup, of the running service where it is oldest";
        registry.register("backup_age_seconds", backups, fleet.backups.clone());
        let orphans = "Services that carry the mark of a resource that is not known here";
        registry.register("orphans", orphans, fleet.orphaned.clone());
        fleet
    }

    /// The Ready condition of a resource after a reconciliation.
    pub fn reported(&self, uid: &str, kind: &'static str, ready: &str, reason: &str) {
        let mut resources = self.resources();
        let resource = resources.entry(uid.to_owned()).or_default();
        resource.kind = kind;
        resource.was_ready |= ready == "True";
        ready.clone_into(&mut resource.ready);
        reason.clone_into(&mut resource.reason);
    }

    /// Whether this replica has seen the resource ready.
    pub fn was_ready(&self, uid: &str) -> bool {
        self.resources().get(uid).is_some_and(|resource| resource.was_ready)
    }

    /// The service of a resource was just read, with these dates.
    pub fn observed(&self, uid: &str, kind: &'static str, dates: Dates) {
        let mut resources = self.resources();
        let resource = resources.entry(uid.to_owned()).or_default();
        (resource.kind, resource.observed, resource.dates) = (kind, Some(Instant::now()), dates);
    }

    /// The resource is deliberately not observed.
    pub fn paused(&self, uid: &str) {
        if let Some(resource) = self.resources().get_mut(uid) {
            resource.observed = None;
        }
    }

    /// The resource is gone.
    pub fn forget(&self, uid: &str) {
        self.resources().remove(uid);
    }

    /// All services of `project` were listed, which carry the marks of these resources.
    pub fn listed<'a>(&self, project: &str, owners: impl IntoIterator<Item = &'a str>) {
        let resources = self.resources();
        let mut orphans = self.orphans();
        let orphans = orphans.entry(project.to_owned()).or_default();
        orphans.listed(owners, |owner| resources.contains_key(owner), Utc::now());
    }

    /// `project` is not listed any more.
    pub fn unlisted(&self, project: &str) {
        self.orphans().remove(project);
    }

    /// Another replica manages the resources now.
    pub fn clear(&self) {
        self.resources().clear();
        self.tokens().clear();
        self.orphans().clear();
    }

    /// Whether the provider accepted the token that is kept at `source`; answers the source's hash, by
    /// which logs and metrics name it.
    pub fn token_used(&self, source: &str, valid: bool) -> String {
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let hash = hasher.finish();
        self.tokens().insert(hash, (valid, Instant::now()));
        format!("{hash:016x}")
    }

    /// Updates the gauges.
    pub(super) fn count(&self) {
        let Self { counts, ages, valid, maintenance, deadlines, backups, orphaned, .. } = self;
        for gauges in [counts, ages, valid, maintenance, deadlines, backups, orphaned] {
            gauges.clear();
        }
        let resources = self.resources();
        let mut counts = BTreeMap::<_, u32>::new();
        for resource in resources.values().filter(|resource| !resource.ready.is_empty()) {
            *counts.entry((resource.kind, resource.ready.clone(), resource.reason.clone())).or_default() += 1;
        }
        for ((kind, ready, reason), count) in counts {
            let labels = vec![("kind", kind.to_owned()), ("ready", ready), ("reason", reason)];
            self.counts.get_or_create_owned(&labels).set(f64::from(count));
        }
        self.count_ages(&resources);
        self.count_dates(&resources);
        drop(resources);
        self.count_orphans();
        let mut tokens = self.tokens();
        tokens.retain(|_, (_, used)| used.elapsed() < TOKEN_MEMORY);
        for (hash, (valid, _)) in tokens.iter() {
            let gauge = self.valid.get_or_create_owned(&vec![("secret_hash", format!("{hash:016x}"))]);
            gauge.set(if *valid { 1.0 } else { 0.0 });
        }
    }

    fn count_ages(&self, resources: &HashMap<String, Resource>) {
        let mut ages: Vec<f64> = resources
            .values()
            // What is not ready is counted as such, and may be waiting for its owner.
            .filter(|resource| resource.ready == "True")
            .filter_map(|resource| resource.observed)
            .map(|observed| observed.elapsed().as_secs_f64())
            .collect();
        ages.sort_by(f64::total_cmp);
        for (quantile, per_mille) in [("0.5", 500), ("0.99", 990), ("1", 1000)] {
            let index = (ages.len() * per_mille).div_ceil(1000).saturating_sub(1);
            let age = ages.get(index).copied().unwrap_or(0.0);
            self.ages.get_or_create_owned(&vec![("quantile", quantile.to_owned())]).set(age);
        }
    }

    fn count_dates(&self, resources: &HashMap<String, Resource>) {
        let dates = || resources.values().map(|resource| resource.dates);
        for (forced, label) in [(true, "true"), (false, "false")] {
            let pending = dates().filter(|dates| dates.maintenance.is_some() == forced);
            let count: usize = pending.map(|dates| dates.pending_updates).sum();
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            self.maintenance.get_or_create_owned(&vec![("forced", label.to_owned())]).set(count);
        }
        let deadlines = [
            ("maintenance", dates().filter_map(|dates| dates.maintenance).min()),
            ("end_of_life", dates().filter_map(|dates| dates.end_of_life).min()),
        ];
        for (kind, date) in deadlines {
            if let Some(date) = date {
                let seconds = seconds(date.signed_duration_since(DateTime::UNIX_EPOCH));
                self.deadlines.get_or_create_owned(&vec![("kind", kind.to_owned())]).set(seconds);
            }
        }
        if let Some(oldest) = dates().filter_map(|dates| dates.last_backup).min() {
            let age = seconds(Utc::now().signed_duration_since(oldest));
            self.backups.get_or_create_owned(&Vec::new()).set(age.max(0.0));
        }
    }

    /// The number is unknown where no project is polled.
    fn count_orphans(&self) {
        let orphans = self.orphans();
        if !orphans.is_empty() {
            let now = Utc::now();
            let count: usize = orphans.values().map(|project| project.count(now)).sum();
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            self.orphaned.get_or_create_owned(&Vec::new()).set(count);
        }
    }

    fn orphans(&self) -> MutexGuard<'_, HashMap<String, Orphans>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resources(&self) -> MutexGuard<'_, HashMap<String, Resource>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<u64, (bool, Instant)>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(duration: chrono::TimeDelta) -> f64 {
    duration.as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn resources_are_counted_by_condition_and_never_named() {
        let metrics = Metrics::new();
        let fleet = metrics.fleet();
        for uid in ["uid-a", "uid-b"] {
            fleet.reported(uid, "Valkey", "True", "Running");
        }
        fleet.reported("uid-c", "Redis", "False", "TokenRejected");
        let text = metrics.render().unwrap();
        assert!(text.contains("valkeeper_resources{kind=\"Valkey\",ready=\"True\",reason=\"Running\"} 2"));
        assert!(text.contains("{kind=\"Redis\",ready=\"False\",reason=\"TokenRejected\"} 1"));
        assert!(!text.contains("uid-"));
        fleet.forget("uid-c");
        assert!(!metrics.render().unwrap().contains("TokenRejected"));
    }

    #[tokio::test(start_paused = true)]
    async fn observation_age_grows_until_the_next_read() {
        let metrics = Metrics::new();
        for uid in ["a", "b", "c", "d"] {
            metrics.fleet().reported(uid, "Valkey", if uid == "c" { "False" } else { "True" }, "x");
        }
        for uid in ["a", "c", "d"] {
            metrics.fleet().observed(uid, "Valkey", Dates::default());
        }
        metrics.fleet().paused("d");
        tokio::time::advance(Duration::from_secs(90)).await;
        metrics.fleet().observed("b", "Valkey", Dates::default());
        let text = metrics.render().unwrap();
        assert!(text.contains("valkeeper_seconds_since_last_observation{quantile=\"1\"} 90.0"), "{text}");
        assert!(text.contains("valkeeper_seconds_since_last_observation{quantile=\"0.5\"} 0.0"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn token_verdict_is_dropped_when_no_resource_uses_it() {
        let metrics = Metrics::new();
        let hash = metrics.fleet().token_used("Secret team/aiven-token", false);
        assert!(
            metrics.render().unwrap().contains(&format!("valkeeper_token_valid{{secret_hash=\"{hash}\"}} 0"))
        );
        tokio::time::advance(Duration::from_hours(2)).await;
        assert!(!metrics.render().unwrap().contains(&hash));
    }

    #[test]
    fn orphan_services_are_counted_where_projects_are_polled() {
        let metrics = Metrics::new();
        assert!(
            !metrics.render().unwrap().contains("valkeeper_orphans{"),
            "without a list the number is unknown"
        );
        metrics.fleet().listed("project-a", ["uid-a"]);
        let text = metrics.render().unwrap();
        assert!(text.contains("valkeeper_orphans{} 0.0") && !text.contains("project-a"), "{text}");
        metrics.fleet().unlisted("project-a");
        assert!(!metrics.render().unwrap().contains("valkeeper_orphans{"));
    }

    #[test]
    fn the_next_deadline_is_the_earliest() {
        let metrics = Metrics::new();
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let dates = |end| Dates { end_of_life: at(end), pending_updates: 1, ..Dates::default() };
        metrics.fleet().observed("a", "Valkey", dates(2_000_000_000));
        metrics.fleet().observed("b", "Valkey", dates(1_900_000_000));
        let text = metrics.render().unwrap();
        assert!(text.contains("timestamp_seconds{kind=\"end_of_life\"} 1900000000.0"), "{text}");
        assert!(text.contains("valkeeper_maintenance_pending{forced=\"false\"} 2.0"), "{text}");
    }
}
