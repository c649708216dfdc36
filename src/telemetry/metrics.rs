//! The metrics of the operator, in the `OpenMetrics` text format. Labels hold kinds, reasons, classes,
//! operations and status codes, never the name of an object: the number of series does not grow with
//! the number of resources. What is true of the resources as a whole is counted when it is asked for,
//! from [`Fleet`].

use super::{fleet::Fleet, process};
use prometheus_client::{
    encoding::text::encode_registry,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

/// Labels of one series.
pub(super) type Labels = Vec<(&'static str, String)>;
pub(super) type Counters = Family<Labels, Counter>;
pub(super) type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Handles of all metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    fleet: Fleet,
    process: process::Gauges,
    reconciles: Histograms,
    reconcile_errors: Counters,
    running: Gauge,
    provider_requests: Counters,
    provider_durations: Histograms,
    provider_throttled: Counter,
    drift: Counters,
    time_to_ready: Histograms,
    secrets: Counters,
    watch: Gauges,
    leader: Gauge,
}

/// How one call to the provider ended.
#[derive(Clone, Copy, Debug)]
pub struct ProviderCall {
    /// Which call: `get`, `create`, `update`, `tags`, `delete`.
    pub operation: &'static str,
    /// The HTTP status; none when there was no answer.
    pub status: Option<u16>,
    /// From the request to the whole answer.
    pub duration: Duration,
    /// The provider asked for fewer requests.
    pub throttled: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics of a process that has done nothing yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("valkeeper");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running program", version);
        let fleet = Fleet::new(&mut registry);
        let mut inner = Inner {
            registry: Mutex::default(),
            fleet,
            process: process::Gauges::new(),
            reconciles: Histograms::new_with_constructor(pass_buckets),
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
        };
        inner.register(&mut registry);
        inner.registry = Mutex::new(registry);
        Self(Arc::new(inner))
    }

    /// Everything as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.fleet.count();
        let mut text = String::new();
        encode_registry(&mut text, &registry)?;
        // Names that every process exports carry no prefix of ours.
        text.push_str(&self.0.process.render()?);
        Ok(text)
    }

    /// What is known of each resource.
    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// A pass begins; it counts as running until the answer is dropped.
    pub fn pass_begins(&self) -> RunningPass {
        self.0.running.inc();
        RunningPass(self.0.running.clone())
    }

    /// A pass over a resource of `kind` ended, in an error of `class` if there was one.
    pub fn pass_ended(&self, kind: &'static str, class: Option<&'static str>, duration: Duration) {
        let outcome = if class.is_some() { "error" } else { "ok" };
        let labels = vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
        self.0.reconciles.get_or_create(&labels).observe(duration.as_secs_f64());
        if let Some(class) = class {
            let labels = vec![("kind", kind.to_owned()), ("class", class.to_owned())];
            self.0.reconcile_errors.get_or_create(&labels).inc();
        }
    }

    /// A call to the provider ended.
    pub fn provider_called(&self, call: ProviderCall) {
        let operation = ("operation", call.operation.to_owned());
        let code = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.0.provider_requests.get_or_create(&vec![operation.clone(), ("code", code)]).inc();
        self.0.provider_durations.get_or_create(&vec![operation]).observe(call.duration.as_secs_f64());
        if call.throttled {
            self.0.provider_throttled.inc();
        }
    }

    /// A settled service was found to differ in `field`, and that is being corrected.
    pub fn drifted(&self, kind: &'static str, field: &str) {
        let labels =
            vec![("kind", kind.to_owned()), ("field", field.to_owned()), ("action", "corrected".to_owned())];
        self.0.drift.get_or_create(&labels).inc();
    }

    /// A resource became ready for the first time, this long after it was created.
    pub fn became_ready(&self, kind: &'static str, age: Duration) {
        self.0.time_to_ready.get_or_create(&vec![("kind", kind.to_owned())]).observe(age.as_secs_f64());
    }

    /// A connection Secret was written, or not.
    pub fn secret_written(&self, class: Option<&'static str>) {
        let result = class.unwrap_or("ok").to_owned();
        self.0.secrets.get_or_create(&vec![("result", result)]).inc();
    }

    /// Whether all objects of `kind` are in the cache.
    pub fn watch_synced(&self, kind: &'static str, synced: bool) {
        let gauge = self.0.watch.get_or_create_owned(&vec![("kind", kind.to_owned())]);
        gauge.set(if synced { 1.0 } else { 0.0 });
    }

    /// Whether this replica is the one that works.
    pub fn leads(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }
}

impl Inner {
    fn register(&self, registry: &mut Registry) {
        let Self { reconciles, reconcile_errors, running, provider_requests, provider_durations, .. } = self;
        registry.register(
            "reconcile_duration_seconds",
            "Time that passes over resources took",
            reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Passes that failed, by the class of the failure",
            reconcile_errors.clone(),
        );
        registry.register("reconciles_running", "Passes under way", running.clone());
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
        let drift = "Settings of settled services that somebody changed at the provider";
        registry.register("drift", drift, self.drift.clone());
        let ready = "Time from the creation of a resource until it was ready";
        registry.register("time_to_ready_seconds", ready, self.time_to_ready.clone());
        let secrets = "Connection Secrets written, by result";
        registry.register("secret_publish", secrets, self.secrets.clone());
        let watch = "Whether all objects of a kind are in the cache";
        registry.register("watch_synced", watch, self.watch.clone());
        registry.register("leader", "Whether this replica is the one that works", self.leader.clone());
    }
}

/// Counts a pass as running until it is dropped.
pub struct RunningPass(Gauge);

impl Drop for RunningPass {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn pass_buckets() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0])
}

fn call_buckets() -> Histogram {
    Histogram::new([0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

fn build_buckets() -> Histogram {
    Histogram::new([15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_ends_once_and_every_metric_says_what_it_is() {
        let metrics = Metrics::new();
        metrics.pass_ended("Valkey", Some("transient"), Duration::from_millis(3));
        metrics.leads(true);
        let text = metrics.render().unwrap();
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("valkeeper_reconcile_errors_total{kind=\"Valkey\",class=\"transient\"} 1"));
        assert!(text.contains("valkeeper_leader 1"));
        assert!(text.contains("process_resident_memory_bytes"));
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        for name in names.filter_map(|line| line.split(' ').next()) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is not explained");
        }
    }

    #[test]
    fn a_pass_counts_as_running_until_it_ends() {
        let metrics = Metrics::new();
        let pass = metrics.pass_begins();
        assert!(metrics.render().unwrap().contains("valkeeper_reconciles_running 1"));
        drop(pass);
        assert!(metrics.render().unwrap().contains("valkeeper_reconciles_running 0"));
    }
}
