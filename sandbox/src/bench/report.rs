//! The results: as a table for people and as JSON for programs.

use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

/// One measurement.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) resources: usize,
    pub(crate) projects: usize,
    pub(crate) latency_milliseconds: f64,
    pub(crate) redacted_lists: bool,
    pub(crate) apiserver: String,
    pub(crate) create: Create,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<Restart>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) edits: BTreeMap<&'static str, Edits>,
}

/// From nothing to all Secrets.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Create {
    pub(crate) seconds_to_apply: f64,
    pub(crate) seconds_to_all_secrets: f64,
    /// Build time and two calls per resource through the operator's permits.
    pub(crate) physical_floor_seconds: f64,
    pub(crate) ratio_to_floor: f64,
    /// The same where the floor also holds the time that the API server took to accept the resources.
    pub(crate) ratio_to_floor_with_apply: f64,
    pub(crate) provider_writes_per_resource: f64,
    pub(crate) provider_calls_per_resource: f64,
    pub(crate) provider_calls: BTreeMap<String, u64>,
    pub(crate) kubernetes_writes_per_resource: f64,
    pub(crate) kubernetes_events_per_resource: f64,
    pub(crate) kubernetes_reads_per_resource: f64,
    /// All of these, and the request that creates the resource.
    pub(crate) kubernetes_requests_per_resource: f64,
    /// Writes that report a defect of the operator.
    pub(crate) internal_errors: u64,
    pub(crate) kubernetes_calls: BTreeMap<String, u64>,
    pub(crate) peak_rss_megabytes: f64,
    pub(crate) processor_seconds: f64,
}

/// Nothing happens.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    pub(crate) provider_calls_per_minute: f64,
    pub(crate) kubernetes_writes: u64,
    pub(crate) kubernetes_reads_per_minute: f64,
    pub(crate) rss_megabytes: f64,
    pub(crate) processor_seconds_per_minute: f64,
}

/// The operator restarts among resources in sync.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Restart {
    pub(crate) seconds_to_all_observed: f64,
    pub(crate) provider_calls: u64,
    pub(crate) provider_writes: u64,
    /// Projects and a twentieth of the resources.
    pub(crate) allowed_provider_calls: u64,
    pub(crate) kubernetes_writes: u64,
    pub(crate) peak_rss_megabytes: f64,
}

/// From an edit to the provider's first request about it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Edits {
    pub(crate) p50_milliseconds: f64,
    pub(crate) p99_milliseconds: f64,
    /// The p50 as a multiple of the p50 while idle.
    pub(crate) p50_ratio: f64,
    pub(crate) p99_ratio: f64,
    /// Until the API server had answered, which is part of the times above.
    pub(crate) p50_milliseconds_to_answer: f64,
}

/// Bytes as megabytes.
#[allow(clippy::cast_precision_loss, reason = "far below the limit")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    round(bytes as f64 / 1_048_576.0)
}

/// Two decimals are all that such a measurement is worth.
pub(crate) fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// `count` for each of `resources`.
#[allow(clippy::cast_precision_loss, reason = "far below the limit")]
pub(crate) fn each(count: u64, resources: usize) -> f64 {
    round(count as f64 / resources.max(1) as f64)
}

/// `count` in a minute, when it took `elapsed`.
#[allow(clippy::cast_precision_loss, reason = "far below the limit")]
pub(crate) fn per_minute(count: u64, elapsed: Duration) -> f64 {
    round(count as f64 * 60.0 / elapsed.as_secs_f64())
}

impl Report {
    /// The table for people: a name and a value per line.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let mut lines = self.create_lines();
        if let Some(idle) = &self.idle {
            lines.extend(idle.lines());
        }
        if let Some(restart) = &self.restart {
            lines.extend(restart.lines());
        }
        for (when, edits) in &self.edits {
            lines.push((
                format!("edit to first provider call, {when}"),
                format!(
                    "p50 {:.0} ms ({:.2}×; {:.0} ms to the API server's answer), p99 {:.0} ms ({:.2}×)",
                    edits.p50_milliseconds,
                    edits.p50_ratio,
                    edits.p50_milliseconds_to_answer,
                    edits.p99_milliseconds,
                    edits.p99_ratio
                ),
            ));
        }
        lines
    }

    fn create_lines(&self) -> Vec<(String, String)> {
        let create = &self.create;
        let line = |name: &str, value: String| (name.to_owned(), value);
        vec![
            line(
                "time to all Secrets",
                format!(
                    "{:.1} s (applied in {:.1} s)",
                    create.seconds_to_all_secrets, create.seconds_to_apply
                ),
            ),
            line(
                "… as a multiple of the floor",
                format!(
                    "{:.2}× of {:.1} s; {:.2}× with the time to apply",
                    create.ratio_to_floor, create.physical_floor_seconds, create.ratio_to_floor_with_apply
                ),
            ),
            line("provider writes per resource", create.provider_writes_per_resource.to_string()),
            line("provider calls per resource", create.provider_calls_per_resource.to_string()),
            line("Kubernetes writes per resource", create.kubernetes_writes_per_resource.to_string()),
            line("Kubernetes events per resource", create.kubernetes_events_per_resource.to_string()),
            line("Kubernetes reads per resource", create.kubernetes_reads_per_resource.to_string()),
            line(
                "API server requests per resource, all",
                create.kubernetes_requests_per_resource.to_string(),
            ),
            line("InternalError in statuses and events", create.internal_errors.to_string()),
            line("peak RSS while creating", format!("{} MB", create.peak_rss_megabytes)),
            line("processor time to create", format!("{} s", create.processor_seconds)),
        ]
    }
}

impl Idle {
    fn lines(&self) -> Vec<(String, String)> {
        vec![
            ("provider calls per minute, idle".to_owned(), self.provider_calls_per_minute.to_string()),
            ("Kubernetes writes, idle".to_owned(), self.kubernetes_writes.to_string()),
            ("Kubernetes reads per minute, idle".to_owned(), self.kubernetes_reads_per_minute.to_string()),
            ("RSS, idle".to_owned(), format!("{} MB", self.rss_megabytes)),
            (
                "processor time per minute, idle".to_owned(),
                format!("{} s", self.processor_seconds_per_minute),
            ),
        ]
    }
}

impl Restart {
    fn lines(&self) -> Vec<(String, String)> {
        vec![
            ("restart to all observed".to_owned(), format!("{:.1} s", self.seconds_to_all_observed)),
            (
                "provider calls, restart".to_owned(),
                format!("{} ({} allowed)", self.provider_calls, self.allowed_provider_calls),
            ),
            (
                "writes, restart".to_owned(),
                format!("{} provider, {} Kubernetes", self.provider_writes, self.kubernetes_writes),
            ),
            ("peak RSS, restart".to_owned(), format!("{} MB", self.peak_rss_megabytes)),
        ]
    }
}

/// Prints the reports next to each other.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut text = format!("{:<52}", "resources, time per answer of the provider");
    for report in reports {
        let column = format!("{}, {} ms", report.resources, report.latency_milliseconds);
        let _ = write!(text, "  {column:>52}");
    }
    text.push('\n');
    let columns: Vec<_> = reports.iter().map(Report::lines).collect();
    let longest = columns.iter().max_by_key(|lines| lines.len()).cloned().unwrap_or_default();
    for (name, _) in longest {
        let _ = write!(text, "{name:<52}");
        for lines in &columns {
            let value = lines.iter().find(|(other, _)| *other == name).map_or("-", |(_, value)| value);
            let _ = write!(text, "  {value:>52}");
        }
        text.push('\n');
    }
    text
}
