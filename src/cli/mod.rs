//! The command line: one module per command.

mod crds;
mod log_level;
mod run;
pub mod validate;

use crate::telemetry::{
    logs::{self, Format},
    traces::Traces,
};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::{ffi::OsString, path::Path, process::ExitCode};

/// Kubernetes operator for managed Valkey and Redis services
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to log: error, warn, info, debug, trace, or a filter such as info,valkeeper=debug
    #[arg(long, global = true, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: String,

    /// How to write log lines
    #[arg(long, global = true, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator in this cluster, or in the one of the current kubeconfig
    Run(Box<run::Run>),
    /// Change what a running operator on this machine logs
    LogLevel(log_level::SetLogLevel),
    /// Print the custom resource definitions
    Crds(crds::Crds),
    /// Check manifests without a cluster
    Validate(validate::Validate),
}

impl Arguments {
    /// What the command line says; ends the process after an answer to `--help`, or after a mistake. The name
    /// `kubectl-valkeeper` makes the program a plugin, which is called `kubectl valkeeper`.
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
        let log_level = logs::start(&self.log_level, self.log_format, layers);
        let outcome = match self.command {
            Command::Run(run) => run.run(log_level).await,
            Command::LogLevel(command) => command.run().await,
            Command::Crds(crds) => crds.run(),
            Command::Validate(validate) => validate.run(),
        };
        traces.end().await;
        outcome.unwrap_or_else(|error| failure(&error))
    }
}

fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("valkeeper: {error:#}");
    ExitCode::FAILURE
}
