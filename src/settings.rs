//! Every flag, environment variable, interval and limit of the operator, in one table with its default.

use crate::{
    engine::{Defaults, backoff},
    ha::Timing,
    provider::Limits,
    server::Addresses,
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

    /// Secret with the token for resources of its namespace that have no spec.authSecretRef; namespaces
    /// without such a Secret use the operator's default token
    #[arg(long, env = "NAMESPACE_TOKEN_SECRET", value_name = "NAME")]
    pub namespace_token_secret: Option<String>,

    /// Key in that Secret
    #[arg(long, env = "NAMESPACE_TOKEN_KEY", value_name = "KEY", default_value = "token")]
    pub namespace_token_key: String,

    /// How long a token that the provider does not accept is left alone before it is tried again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub token_pause: Duration,

    /// Namespaces to watch, separated by commas; all when empty
    #[arg(long, env = "WATCHED_NAMESPACES", value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    pub watched_namespaces: Vec<String>,

    /// Mend connection Secrets at once and notice new tokens, which needs the right to list and watch
    /// Secrets; only their metadata is read for that
    #[arg(long)]
    pub watch_secrets: bool,

    /// Leave VPC resources to another operator; services can still refer to them
    #[arg(long)]
    pub no_project_vpcs: bool,

    /// Let services refer to a VPC resource of another namespace only if its annotation
    /// valkeeper.io/referenced-from names theirs
    #[arg(long)]
    pub require_vpc_consent: bool,

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

    /// How often a project is listed in which nothing happens; never less often than --resync-interval
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    pub survey_interval: Duration,

    /// How often a project is listed right after a service was created or changed
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub survey_interval_min: Duration,

    /// How many resources of one project and token it takes to list the project instead of looking at each
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub survey_minimum: usize,

    /// How long RUNNING is not believed after a change that makes the provider rebuild
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = humantime::parse_duration)]
    pub settle_time: Duration,

    /// How many requests a second one token may send to the provider; 0 for no bound
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub provider_rate: u32,

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

    /// How long passes under way may go on after the operator was told to stop
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = humantime::parse_duration)]
    pub shutdown_patience: Duration,

    /// Which of several replicas works.
    #[command(flatten)]
    pub election: Election,

    /// What is served, and to whom.
    #[command(flatten)]
    pub listening: Listening,
}

/// Which of several replicas works.
#[derive(Args, Clone, Debug)]
pub struct Election {
    /// Work only while holding the lease; needed as soon as two replicas can exist
    #[arg(long, env = "LEADER_ELECT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub leader_elect: bool,

    /// Name of the lease
    #[arg(long, value_name = "NAME", default_value = "valkeeper")]
    pub leader_elect_resource_name: String,

    /// Namespace of the lease; the operator's own when empty
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", default_value = "")]
    pub leader_elect_resource_namespace: String,

    /// How long other replicas leave a lease alone that is not renewed
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = humantime::parse_duration)]
    pub leader_elect_lease_duration: Duration,

    /// How long the leader works on without being able to renew the lease
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub leader_elect_renew_deadline: Duration,

    /// How often the lease is looked at
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    pub leader_elect_retry_period: Duration,
}

/// What is served, and to whom.
#[derive(Args, Clone, Debug)]
pub struct Listening {
    /// Where metrics are read; 0 for nowhere
    #[arg(long, value_name = "ADDRESS", default_value = ":8080")]
    pub metrics_bind_address: String,

    /// Where probes are answered and the log level is changed; 0 for nowhere
    #[arg(long, value_name = "ADDRESS", default_value = ":8081")]
    pub health_probe_bind_address: String,

    /// Certificate chain with which metrics are served over TLS
    #[arg(long, value_name = "FILE", requires = "metrics_tls_key_file")]
    pub metrics_tls_certificate_file: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, value_name = "FILE", requires = "metrics_tls_certificate_file")]
    pub metrics_tls_key_file: Option<PathBuf>,

    /// File with the token that readers of metrics must present
    #[arg(long, value_name = "FILE")]
    pub metrics_bearer_token_file: Option<PathBuf>,
}

impl Election {
    /// The intervals, put in order: a deadline comes before the end of the lease, and several attempts
    /// before the deadline.
    pub fn timing(&self) -> Timing {
        let renew_deadline =
            self.leader_elect_renew_deadline.min(self.leader_elect_lease_duration.mul_f64(0.8));
        Timing {
            duration: self.leader_elect_lease_duration,
            renew_deadline,
            retry_period: self.leader_elect_retry_period.min(renew_deadline / 3),
        }
    }
}

impl Listening {
    /// Nowhere.
    pub fn off() -> Self {
        Self {
            metrics_bind_address: "0".to_owned(),
            health_probe_bind_address: "0".to_owned(),
            metrics_tls_certificate_file: None,
            metrics_tls_key_file: None,
            metrics_bearer_token_file: None,
        }
    }

    /// The sockets to bind. An empty address means what it meant to the replaced operator.
    pub fn addresses(&self) -> Addresses {
        let unless_off = |address: &str| Some(address.to_owned()).filter(|address| address != "0");
        let metrics = if self.metrics_bind_address.is_empty() { ":8080" } else { &self.metrics_bind_address };
        Addresses {
            health: unless_off(&self.health_probe_bind_address).filter(|address| !address.is_empty()),
            metrics: unless_off(metrics),
            metrics_tls: self.metrics_tls_certificate_file.clone().zip(self.metrics_tls_key_file.clone()),
            metrics_token: self.metrics_bearer_token_file.clone(),
        }
    }
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
            rate: self.provider_rate,
        }
    }
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    settings: Settings,
}

/// For operators inside of another program: the defaults, except that nothing listens.
impl Default for Settings {
    fn default() -> Self {
        use clap::{CommandFactory as _, FromArgMatches as _};
        // The environment must not leak into embedded operators, so variables are taken off first.
        let command = Command::command().mut_args(|argument| argument.env(None));
        let matches = command.get_matches_from(["valkeeper"]);
        match Command::from_arg_matches(&matches) {
            Ok(command) => Settings { listening: Listening::off(), ..command.settings },
            Err(error) => error.exit(),
        }
    }
}

/// One of the namespaces to watch; an empty text stands for none.
fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends_well = !name.starts_with('-') && !name.ends_with('-');
    if name.is_empty() || (name.len() <= 63 && name.bytes().all(allowed) && ends_well) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{name:?} cannot be the name of a namespace: lower-case letters, digits and hyphens, at most 63"
    ))
}

#[cfg(test)]
mod tests {
    use super::namespace;

    #[test]
    fn names_of_namespaces_are_trimmed_and_checked() {
        assert_eq!(namespace(" team-a\n").unwrap(), "team-a");
        assert_eq!(namespace("").unwrap(), "");
        for wrong in ["Team", "a b", "-a", "a.b"] {
            assert!(namespace(wrong).unwrap_err().contains("cannot be the name"), "{wrong}");
        }
    }
}
