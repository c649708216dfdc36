//! Every flag, environment variable, interval and limit of the operator, in one table with its default.

use crate::{
    engine::{Defaults, backoff},
    provider::Limits,
};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use std::{path::PathBuf, time::Duration};

/// How the operator runs. Each field is a flag; those that the replaced operator read from the
/// environment keep their variable.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address of the provider's API, without /v1
    #[arg(long, env = "AIVEN_WEB_URL", value_name = "URL", default_value = "https://api.aiven.io")]
    pub provider_url: String,

    /// Send tokens unencrypted to a provider address that is not on this machine
    #[arg(long)]
    pub allow_plain_http: bool,

    /// Token for resources without spec.authSecretRef
    #[arg(long, env = "DEFAULT_AIVEN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub default_token: Option<SecretString>,

    /// File with that token, read again at every use, so that it can be rotated
    #[arg(long, env = "DEFAULT_AIVEN_TOKEN_FILE", value_name = "FILE", conflicts_with = "default_token")]
    pub default_token_file: Option<PathBuf>,

    /// Namespaces to watch, separated by commas; all when empty
    #[arg(long, env = "WATCHED_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub watched_namespaces: Vec<String>,

    /// What deleting a resource does to its service when the resource does not say
    #[arg(long, value_enum, value_name = "POLICY", default_value = "delete")]
    pub default_deletion_policy: DefaultDeletion,

    /// Do not mark services with the identity of their resource; two resources of one name, in two
    /// namespaces or clusters, then fight over one service
    #[arg(long)]
    pub no_ownership_tag: bool,

    /// How many resources are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub concurrency: usize,

    /// How often a settled resource is compared with the provider
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub resync_interval: Duration,

    /// How often a resource is looked at that waits for somebody to act elsewhere
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub attentive_interval: Duration,

    /// Shortest pause between looks at a service that is being built
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    pub building_interval_min: Duration,

    /// Longest pause between looks at a service that is being built
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub building_interval_max: Duration,

    /// How long RUNNING is not believed after a change that makes the provider rebuild
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub settle_time: Duration,

    /// Longest wait for a connection to the provider
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub connect_timeout: Duration,

    /// Longest wait for a whole answer of the provider
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub request_timeout: Duration,

    /// Largest answer of the provider that is read, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 8 * 1024 * 1024)]
    pub response_limit: usize,

    /// Longest time for one pass over one resource
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = humantime::parse_duration)]
    pub pass_deadline: Duration,

    /// Delays after failures; no flag, because the defaults are part of what the operator promises.
    #[arg(skip)]
    pub retry: backoff::Bounds,
}

/// What deleting a resource does to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DefaultDeletion {
    /// It is deleted.
    Delete,
    /// It stays at the provider.
    Orphan,
}

impl Settings {
    /// What resources that say nothing are read with.
    pub fn policy_defaults(&self) -> Defaults {
        Defaults {
            orphan: self.default_deletion_policy == DefaultDeletion::Orphan,
            marks_ownership: !self.no_ownership_tag,
        }
    }

    /// The bounds on provider calls.
    pub fn provider_limits(&self) -> Limits {
        Limits {
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            response_bytes: self.response_limit,
        }
    }
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    settings: Settings,
}

impl Default for Settings {
    fn default() -> Self {
        use clap::{CommandFactory as _, FromArgMatches as _};
        // The environment must not leak into embedded operators, so variables are taken off first.
        let command = Command::command().mut_args(|argument| argument.env(None));
        let matches = command.get_matches_from(["valkeeper"]);
        match Command::from_arg_matches(&matches) {
            Ok(command) => command.settings,
            Err(error) => error.exit(),
        }
    }
}
