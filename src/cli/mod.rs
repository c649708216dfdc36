//! The command line: one module per command.

mod completion;
mod convert;
mod crds;
mod inspect;
mod log_level;
mod manifests;
mod run;
pub mod validate;

use crate::telemetry::{
    logs::{self, Format},
    traces::Traces,
};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::{ffi::OsString, path::Path, process::ExitCode};
use valkeeper_instance::command::InstanceCommand;

/// Kubernetes operator for Aiven for Valkey and Redis
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    max_term_width = 100,
    after_help = "\
Exit codes:
  0  success
  1  findings or failure
  2  wrong usage
  3  changes, of plan --detailed-exitcode

Examples:
  kubectl valkeeper status
  kubectl valkeeper plan -f valkey.yaml
  kubectl valkeeper doctor
  valkeeper validate manifests/"
)]
pub struct Arguments {
    /// Log level: error, warn, info, debug, trace, or a filter such as info,valkeeper=debug
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    log_level: String,

    /// Log format
    #[arg(
        long,
        global = true,
        help_heading = "Logging",
        env = "LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    log_format: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator in this cluster, or in the one of the current kubeconfig
    Run(Box<run::Run>),
    /// Change the log level of a running operator on this machine
    LogLevel(log_level::SetLogLevel),
    /// Print the custom resource definitions
    Crds(crds::Crds),
    /// Check manifests without a cluster
    Validate(validate::Validate),
    /// Print manifests and values of other operators and charts as a ValkeyCluster (alpha)
    Convert(convert::Convert),
    /// Show what resources are, should be and wait for
    Status(inspect::status::Status),
    /// List the backups of a service or a self-hosted cluster
    Backups(inspect::backups::Backups),
    /// Show what applying a manifest, or the next reconciliation, would do
    Plan(inspect::plan::Plan),
    /// Look for what keeps the operator from working
    Doctor(inspect::doctor::Doctor),
    /// Print existing services as manifests that only observe
    Import(inspect::import::Import),
    /// Print the Valkey manifests that take over Redis resources
    Migrate(inspect::migrate::Migrate),
    /// Collect what helps to find a defect, without secrets
    Report(inspect::report::Report),
    /// Print the completion script of a shell
    Completion(completion::Completion),
    /// Manage the server of one instance of a self-hosted cluster (alpha)
    Instance(InstanceCommand),
}

impl Arguments {
    /// Parses the command line. Ends the process after `--help` or a mistake. Under the name `kubectl-valkeeper` the
    /// program is a plugin, which users call as `kubectl valkeeper`.
    #[must_use]
    pub fn from_command_line() -> Self {
        let words: Vec<OsString> = std::env::args_os().collect();
        let mut command = Self::command();
        let name = words.first().and_then(|name| Path::new(name).file_stem()?.to_str());
        if let Some(plugin) = name.and_then(|name| name.strip_prefix("kubectl-")) {
            command = command.bin_name(format!("kubectl {plugin}"));
        }
        let matches = command.try_get_matches_from_mut(words).unwrap_or_else(|error| error.exit());
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Log filter. Commands that print an answer report problems in it, unless the user asks for more.
    fn log_filter(&self) -> &str {
        let answers = !matches!(self.command, Command::Run(_) | Command::Instance(_));
        if answers && self.log_level == "info" { "off" } else { &self.log_level }
    }

    /// Runs the chosen command.
    pub async fn run(self) -> ExitCode {
        let traces = match &self.command {
            Command::Run(_) => Traces::start(),
            _ => Ok(Default::default()),
        };
        let (traces, layers) = match traces {
            Ok(traces) => traces,
            Err(error) => return failure(&error),
        };
        let log_level = logs::start(self.log_filter(), self.log_format, layers);
        let outcome = match self.command {
            Command::Run(run) => run.run(log_level).await,
            Command::LogLevel(command) => command.run().await,
            Command::Crds(crds) => crds.run(),
            Command::Validate(validate) => validate.run(),
            Command::Convert(convert) => convert.run(),
            Command::Status(command) => Box::pin(command.run()).await,
            Command::Backups(command) => Box::pin(command.run()).await,
            Command::Plan(command) => Box::pin(command.run()).await,
            Command::Doctor(command) => Box::pin(command.run()).await,
            Command::Import(command) => Box::pin(command.run()).await,
            Command::Migrate(command) => Box::pin(command.run()).await,
            Command::Report(command) => Box::pin(command.run()).await,
            Command::Completion(command) => command.run(Self::command()),
            Command::Instance(instance) => instance.run(&["instance"]).await.map_err(Into::into),
        };
        traces.end().await;
        outcome.unwrap_or_else(|error| failure(&error))
    }
}

fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("valkeeper: {error:#}");
    ExitCode::FAILURE
}
