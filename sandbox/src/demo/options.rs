//! The flags of the command. Guarantees a default for each: without flags the sandbox takes free
//! ports and leaves no files behind.

use super::engine::Choice;
use crate::bench::options::BenchOptions;
use crate::ctl::Ctl;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Try valkeeper without a cluster and without an account
///
/// Starts a Kubernetes API server, a simulated provider and the operator on loopback, applies the
/// example resources, and shows how their services are built and their Secrets are written.
#[derive(Debug, Parser)]
#[command(name = "valkeeper-sandbox", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What is behind the services; by default real servers if there is a program for them
    #[arg(long, value_enum)]
    pub(crate) engine: Option<Choice>,

    /// The program for Valkey services, instead of `valkey-server` on the PATH
    #[arg(long, value_name = "FILE")]
    pub(crate) valkey_server: Option<PathBuf>,

    /// The program for Redis services, instead of `redis-server` on the PATH
    #[arg(long, value_name = "FILE")]
    pub(crate) redis_server: Option<PathBuf>,

    /// Keep everything in this folder, and go on from what is there
    #[arg(long, value_name = "FOLDER", conflicts_with = "kube_assets")]
    pub(crate) state: Option<PathBuf>,

    /// Run a ValkeyCluster on nodes of this machine instead of services at a provider, and show a failover (alpha)
    #[arg(long, conflicts_with_all = ["state", "without_examples", "engine", "allow_redis_creation"])]
    pub(crate) self_hosted: bool,

    /// Apply the token only: a cluster for your own manifests
    #[arg(long, conflicts_with = "once")]
    pub(crate) without_examples: bool,

    /// End when both Secrets are there and hold what the provider says, or after the failover; status 0 if all is well
    #[arg(long)]
    pub(crate) once: bool,

    /// Port of the Kubernetes API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) kube_port: u16,

    /// Port of the provider's API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) provider_port: u16,

    /// How long the provider builds a service
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) build_time: Duration,

    /// Let the provider create Redis services, as it did until 2025; the examples contain one
    #[arg(long)]
    pub(crate) allow_redis_creation: bool,

    /// How long the provider takes for each answer
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) latency: Duration,

    /// Where to write the kubeconfig; by default into a temporary folder
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Run the `etcd` and `kube-apiserver` of this folder instead of the embedded API server
    #[arg(long, value_name = "FOLDER", conflicts_with = "kube_port")]
    pub(crate) kube_assets: Option<PathBuf>,

    /// How many nodes there are, which run pods as processes of this machine
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) nodes: u8,

    /// Leave the kubeconfig and the operator's log behind
    #[arg(long)]
    pub(crate) keep_files: bool,

    /// Show the operator's log instead of writing it to a file; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Everything but the demonstration itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bench(Box<BenchOptions>),
    Ctl(Ctl),
}
