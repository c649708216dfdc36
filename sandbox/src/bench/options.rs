//! The flags of `valkeeper-sandbox bench`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Measure what the operator costs, as a process of its own
///
/// Starts a Kubernetes API server and a simulated provider, runs the built `valkeeper` against them, applies
/// many resources at once, and counts every call at both doors.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchOptions {
    /// How many resources; several numbers make a series
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "100")]
    pub(crate) resources: Vec<usize>,

    /// Over how many projects they are spread
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) projects: usize,

    /// How long the provider takes for each answer; several times make a series
    #[arg(long, value_name = "TIME", value_delimiter = ',', default_value = "20ms", value_parser = humantime::parse_duration)]
    pub(crate) latency: Vec<Duration>,

    /// Lists of the provider show no secrets, as with a token that may read those of single services only
    #[arg(long)]
    pub(crate) redacted_lists: bool,

    /// How long the provider builds a service
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) build_time: Duration,

    /// How long calls are counted while nothing happens
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) idle: Duration,

    /// How many edits each latency figure is made of
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) edits: usize,

    /// Which API server
    #[arg(long, value_enum, value_name = "WHICH", default_value = "sandbox")]
    pub(crate) apiserver: ApiServer,

    /// What to measure
    #[arg(
        long,
        value_enum,
        value_name = "PART",
        value_delimiter = ',',
        default_value = "create,idle,restart,fairness"
    )]
    pub(crate) parts: Vec<Part>,

    /// The operator to measure; by default the one that is built with this program
    #[arg(long, value_name = "FILE")]
    pub(crate) operator: Option<PathBuf>,

    /// Further arguments of the operator
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) operator_argument: Vec<String>,

    /// Where to write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Where to draw how each cost grows with the number of resources
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,

    /// Where to write the operator's log
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// An API server to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiServer {
    /// The embedded one.
    Sandbox,
    /// The `etcd` and `kube-apiserver` of the folder that `KUBEBUILDER_ASSETS` names.
    Envtest,
}

/// A part of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// From nothing to all Secrets; always done, since the others need its result.
    Create,
    /// Nothing happens.
    Idle,
    /// The operator starts anew.
    Restart,
    /// Edits while others make trouble.
    Fairness,
}

impl BenchOptions {
    /// Whether `part` is to be measured.
    pub(crate) fn measures(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}
