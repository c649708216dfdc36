//! The series that grow while the operator works: their names, what they mean, their buckets. What can be
//! rare is exported from the start, so that its first occurrence is an increase.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;
use valkeeper_api::{Custom as _, ProjectVpc, Redis, ServiceUser, Valkey};
use valkeeper_engine::failure::Class;

/// Labels of one series.
pub(super) type Labels = Vec<(&'static str, String)>;
pub(super) type Counters = Family<Labels, Counter>;
pub(super) type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// The kinds that reconciliations are over.
pub(super) const KINDS: [&str; 4] = [Valkey::NAME, Redis::NAME, ProjectVpc::NAME, ServiceUser::NAME];

/// The calls that the work on a service is made of.
const OPERATIONS: [&str; 5] = ["get", "create", "update", "tags", "delete"];

/// Fields of a spec that can differ from the service; those of `userConfig` count as one.
const DRIFTING: [&str; 11] = [
    "plan",
    "cloudName",
    "projectVpcId",
    "disk_space",
    "maintenanceWindowDow",
    "maintenanceWindowTime",
    "terminationProtection",
    "technicalEmails",
    "powered",
    "userConfig",
    "tags",
];

/// The series.
pub(super) struct Series {
    pub(super) reconciles: Histograms,
    pub(super) reconcile_errors: Counters,
    pub(super) running: Gauge,
    pub(super) provider_requests: Counters,
    pub(super) provider_durations: Histograms,
    pub(super) provider_throttled: Counter,
    pub(super) drift: Counters,
    pub(super) time_to_ready: Histograms,
    pub(super) secrets: Counters,
    pub(super) watch: Gauges,
    pub(super) leader: Gauge,
    pub(super) resync_interval: Gauge<f64, AtomicU64>,
}

impl Series {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let series = Self {
            reconciles: Histograms::new_with_constructor(reconcile_buckets),
            reconcile_errors: Counters::default(),
            running: Gauge::default(),
            provider_requests: Counters::default(),
            provider_durations: Histograms::new_with_constructor(call_buckets),
            provider_throttled: Counter::default(),
            drift: Counters::default(),
            time_to_ready: Histograms::new_with_constructor(build_buckets),
            secrets: Counters::default(),
            watch: Gauges::default(),
            leader: Gauge::default(),
            resync_interval: Gauge::default(),
        };
        series.begin_at_zero();
        series.register(registry);
        series
    }

    /// Prometheus cannot detect that a series which begins at one has grown: series of rare events begin at zero.
    fn begin_at_zero(&self) {
        for kind in KINDS {
            for outcome in ["ok", "error"] {
                let labels = vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
                self.reconciles.get_or_create_owned(&labels);
            }
            for class in Class::LABELS {
                self.reconcile_errors
                    .get_or_create_owned(&vec![("kind", kind.to_owned()), ("class", class.to_owned())]);
            }
        }
        for kind in [Valkey::NAME, Redis::NAME] {
            self.time_to_ready.get_or_create_owned(&vec![("kind", kind.to_owned())]);
            for field in DRIFTING {
                for action in ["corrected", "reported"] {
                    self.drift.get_or_create_owned(&drift_labels(kind, field, action));
                }
            }
        }
        for operation in OPERATIONS {
            self.provider_durations.get_or_create_owned(&vec![("operation", operation.to_owned())]);
        }
        for result in Class::LABELS.into_iter().chain(["ok"]) {
            self.secrets.get_or_create_owned(&vec![("result", result.to_owned())]);
        }
    }

    fn register(&self, registry: &mut Registry) {
        let Self { reconciles, reconcile_errors, running, provider_requests, provider_durations, .. } = self;
        registry.register("reconcile_duration_seconds", "Time that reconciliations took", reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Reconciliations that failed, by the class of the failure",
            reconcile_errors.clone(),
        );
        registry.register("reconciles_running", "Reconciliations under way", running.clone());
        registry.register(
            "provider_requests",
            "Calls to the provider, by operation and HTTP status; none when there was no answer",
            provider_requests.clone(),
        );
        registry.register(
            "provider_request_duration_seconds",
            "Time that calls to the provider took",
            provider_durations.clone(),
        );
        let throttled = "Calls that the provider answered with a request for fewer of them";
        registry.register("provider_throttled", throttled, self.provider_throttled.clone());
        let drift = "Settings of services in sync that were changed externally at the provider";
        registry.register("drift", drift, self.drift.clone());
        let ready = "Time from the creation of a resource until it was ready";
        registry.register("time_to_ready_seconds", ready, self.time_to_ready.clone());
        let secrets = "Connection Secrets written, by result";
        registry.register("secret_publish", secrets, self.secrets.clone());
        let watch = "Whether all objects of a kind are in the cache";
        registry.register("watch_synced", watch, self.watch.clone());
        registry.register("leader", "Whether this replica is the one that works", self.leader.clone());
        let interval = "How often settled resources are to be compared with the provider";
        registry.register("resync_interval_seconds", interval, self.resync_interval.clone());
    }
}

pub(super) fn drift_labels(kind: &'static str, field: &str, action: &'static str) -> Labels {
    vec![("kind", kind.to_owned()), ("field", field.to_owned()), ("action", action.to_owned())]
}

fn reconcile_buckets() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0])
}

fn call_buckets() -> Histogram {
    Histogram::new([0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

fn build_buckets() -> Histogram {
    Histogram::new([15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0])
}
