//! The metrics of the operator, in the `OpenMetrics` text format. Labels hold kinds, reasons, classes, operations and
//! status codes, never the name of an object: the number of series does not grow with the number of resources. Totals
//! over all resources are computed on each scrape from [`Fleet`].

use super::{
    backups::Backups,
    fleet::Fleet,
    process,
    series::{Series, drift_labels},
};
use prometheus_client::{
    encoding::text::encode_registry,
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Handles of all metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    fleet: Fleet,
    backups: Backups,
    process: process::Gauges,
    series: Series,
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
    /// The provider throttled the call.
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
        let backups = Backups::new(&mut registry);
        let series = Series::new(&mut registry);
        let (registry, process) = (Mutex::new(registry), process::Gauges::new());
        let inner = Inner { registry, fleet, backups, process, series };
        Self(Arc::new(inner))
    }

    /// Everything as text.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.fleet.count();
        self.0.backups.count();
        let mut text = String::new();
        encode_registry(&mut text, &registry)?;
        // Names that every process exports carry no prefix of ours.
        text.push_str(&self.0.process.render()?);
        Ok(text)
    }

    /// The state of each resource.
    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// Backups of self-hosted clusters.
    pub fn backups(&self) -> &Backups {
        &self.0.backups
    }

    /// A reconciliation begins; it counts as running until the answer is dropped.
    pub fn reconciliation_begins(&self) -> RunningPass {
        self.0.series.running.inc();
        RunningPass(self.0.series.running.clone())
    }

    /// A reconciliation of a resource of `kind` ended, in an error of `class` if there was one.
    pub fn reconciliation_ended(&self, kind: &'static str, class: Option<&'static str>, duration: Duration) {
        let outcome = if class.is_some() { "error" } else { "ok" };
        let labels = vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())];
        self.0.series.reconciles.get_or_create(&labels).observe(duration.as_secs_f64());
        if let Some(class) = class {
            let labels = vec![("kind", kind.to_owned()), ("class", class.to_owned())];
            self.0.series.reconcile_errors.get_or_create(&labels).inc();
        }
    }

    /// A call to the provider ended.
    pub fn provider_called(&self, call: ProviderCall) {
        let operation = ("operation", call.operation.to_owned());
        let code = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.0.series.provider_requests.get_or_create(&vec![operation.clone(), ("code", code)]).inc();
        self.0.series.provider_durations.get_or_create(&vec![operation]).observe(call.duration.as_secs_f64());
        if call.throttled {
            self.0.series.provider_throttled.inc();
        }
    }

    /// A settled service was found to differ in `field` of the spec, and that is corrected or only reported.
    pub fn drifted(&self, kind: &'static str, field: &str, corrected: bool) {
        let action = if corrected { "corrected" } else { "reported" };
        self.0.series.drift.get_or_create(&drift_labels(kind, field, action)).inc();
    }

    /// A resource became ready for the first time, this long after it was created.
    pub fn became_ready(&self, kind: &'static str, age: Duration) {
        self.0
            .series
            .time_to_ready
            .get_or_create(&vec![("kind", kind.to_owned())])
            .observe(age.as_secs_f64());
    }

    /// A connection Secret was written, or not.
    pub fn secret_written(&self, class: Option<&'static str>) {
        let result = class.unwrap_or("ok").to_owned();
        self.0.series.secrets.get_or_create(&vec![("result", result)]).inc();
    }

    /// Whether all objects of `kind` are in the cache.
    pub fn watch_synced(&self, kind: &'static str, synced: bool) {
        let gauge = self.0.series.watch.get_or_create_owned(&vec![("kind", kind.to_owned())]);
        gauge.set(if synced { 1.0 } else { 0.0 });
    }

    /// How often settled resources are to be compared with the provider.
    pub fn compares_every(&self, interval: Duration) {
        self.0.series.resync_interval.set(interval.as_secs_f64());
    }

    /// Whether this replica is the one that works.
    pub fn leads(&self, leads: bool) {
        self.0.series.leader.set(i64::from(leads));
    }
}

/// Counts a reconciliation as running until it is dropped.
pub struct RunningPass(Gauge);

impl Drop for RunningPass {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::series::KINDS;

    #[test]
    fn metrics_text_ends_once_and_every_metric_has_help() {
        let metrics = Metrics::new();
        metrics.reconciliation_ended("Valkey", Some("transient"), Duration::from_millis(3));
        metrics.leads(true);
        let text = metrics.render().unwrap();
        assert_eq!(text.matches("# EOF").count(), 1, "{text}");
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("valkeeper_reconcile_errors_total{kind=\"Valkey\",class=\"transient\"} 1"));
        assert!(text.contains("valkeeper_leader 1"));
        assert!(
            text.contains("process_resident_memory_bytes") && text.contains("process_cpu_seconds_total ")
        );
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        for name in names.filter_map(|line| line.split(' ').next()) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is not explained");
        }
    }

    #[test]
    fn rare_event_metrics_start_at_zero_before_the_first_event() {
        let text = Metrics::new().render().unwrap();
        for kind in KINDS {
            assert!(
                text.contains(&format!("reconcile_errors_total{{kind=\"{kind}\",class=\"bug\"}} 0")),
                "{text}"
            );
        }
        assert!(text.contains("drift_total{kind=\"Valkey\",field=\"plan\",action=\"reported\"} 0"));
        assert!(text.contains("secret_publish_total{result=\"denied\"} 0"));
    }

    #[test]
    fn reconciliation_counts_as_running_until_it_ends() {
        let metrics = Metrics::new();
        let reconciliation = metrics.reconciliation_begins();
        assert!(metrics.render().unwrap().contains("valkeeper_reconciles_running 1"));
        drop(reconciliation);
        assert!(metrics.render().unwrap().contains("valkeeper_reconciles_running 0"));
    }
}
