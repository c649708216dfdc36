//! Every flag, environment variable, interval and limit of the operator, in one table with its default.

use crate::{ha::Timing, provider::Limits, server::Addresses};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use std::{path::PathBuf, time::Duration};
use valkeeper_engine::{Defaults, backoff};

/// The shortest interval that a flag can set.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest time that a flag can set.
const LONGEST: Duration = Duration::from_hours(24);
/// How much longer than a client waits for its answer a request may take effect.
const LATE_EFFECT_MARGIN: Duration = Duration::from_mins(1);

/// How the operator runs. Each field is a flag; those that the replaced operator read from the
/// environment keep their variable.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Base URL of the Aiven API, without /v1
    #[arg(
        long,
        help_heading = "Aiven API",
        env = "AIVEN_WEB_URL",
        value_name = "URL",
        default_value = "https://api.aiven.io"
    )]
    pub provider_url: String,

    /// Allow HTTP without TLS to an API that is not on this machine
    #[arg(long, help_heading = "Aiven API")]
    pub allow_plain_http: bool,

    /// Token for resources without spec.authSecretRef
    #[arg(
        long,
        help_heading = "Tokens",
        env = "DEFAULT_AIVEN_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub default_token: Option<SecretString>,

    /// File with the token for resources without spec.authSecretRef; read at every use, so that it can be rotated
    #[arg(
        long,
        help_heading = "Tokens",
        env = "DEFAULT_AIVEN_TOKEN_FILE",
        value_name = "FILE",
        conflicts_with = "default_token"
    )]
    pub default_token_file: Option<PathBuf>,

    /// Name of a Secret in each namespace with the token for resources without spec.authSecretRef; namespaces
    /// without the Secret use the operator's default token
    #[arg(long, help_heading = "Tokens", env = "NAMESPACE_TOKEN_SECRET", value_name = "NAME")]
    pub namespace_token_secret: Option<String>,

    /// Key of the token in the Secret of the namespace
    #[arg(
        long,
        help_heading = "Tokens",
        env = "NAMESPACE_TOKEN_KEY",
        value_name = "KEY",
        default_value = "token"
    )]
    pub namespace_token_key: String,

    /// Retry delay for a rejected token
    #[arg(long, help_heading = "Tokens", value_name = "TIME", default_value = "30s", value_parser = pause)]
    pub token_pause: Duration,

    /// Namespaces to watch, separated by commas; all namespaces when empty
    #[arg(long, help_heading = "Scope and policies", env = "WATCHED_NAMESPACES", value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    pub watched_namespaces: Vec<String>,

    /// Restore connection Secrets immediately and use new tokens immediately; needs permission to list and watch
    /// Secrets, of which only metadata is read
    #[arg(long, help_heading = "Scope and policies")]
    pub watch_secrets: bool,

    /// Do not reconcile ProjectVPC resources; services can still refer to them
    #[arg(long, help_heading = "Scope and policies")]
    pub no_project_vpcs: bool,
    /// Do not reconcile ServiceUser resources
    #[arg(long, help_heading = "Scope and policies")]
    pub no_service_users: bool,

    /// Run ValkeyCluster resources: servers in this Kubernetes cluster (alpha)
    #[arg(long, env = "SELF_HOSTED")]
    pub self_hosted: bool,

    /// Image of this operator, from which pods of ValkeyCluster resources copy the instance manager
    #[arg(long, env = "MANAGER_IMAGE", value_name = "IMAGE", default_value = concat!("ghcr.io/valkeeper/valkeeper:", env!("CARGO_PKG_VERSION")))]
    pub manager_image: String,

    /// Write addresses of Services instead of their names into connection Secrets of ValkeyCluster resources
    #[arg(long)]
    pub service_addresses: bool,

    /// Allow references to a ProjectVPC of another namespace only if its annotation
    /// valkeeper.io/referenced-from lists the namespace of the service
    #[arg(long, help_heading = "Scope and policies")]
    pub require_vpc_consent: bool,

    /// Deletion policy for resources without one
    #[arg(
        long,
        help_heading = "Scope and policies",
        value_enum,
        value_name = "POLICY",
        default_value = "delete"
    )]
    pub default_deletion_policy: DefaultDeletion,

    /// Do not write ownership tags; two resources of one name, in two namespaces or clusters, then conflict over
    /// one service
    #[arg(long, help_heading = "Scope and policies")]
    pub no_ownership_tag: bool,

    /// Maximum number of parallel reconciliations
    #[arg(long, help_heading = "Intervals and limits", value_name = "N", default_value_t = 32)]
    pub concurrency: usize,

    /// Resync interval of a resource that is in sync
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "5m", value_parser = interval)]
    pub resync_interval: Duration,

    /// Poll interval for resources that wait for an external action
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub external_wait_interval: Duration,

    /// Minimum poll interval for a service that is being built
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub building_interval_min: Duration,

    /// Maximum poll interval for a service that is being built
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub building_interval_max: Duration,

    /// Poll interval for idle projects; capped at --resync-interval
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "1m", value_parser = interval)]
    pub project_poll_interval: Duration,

    /// Poll interval for projects in which a service was created or changed
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub project_poll_interval_min: Duration,

    /// Minimum number of resources per project and token to poll by list
    #[arg(long, help_heading = "Intervals and limits", value_name = "N", default_value_t = 3)]
    pub project_poll_minimum: usize,

    /// Time to ignore RUNNING after a change that triggers a rebuild
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "3s", value_parser = pause)]
    pub stabilization_period: Duration,

    /// How long a service must be reported missing before that counts, where neither its accepted deletion nor a
    /// list of the project proves it
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub absence_period: Duration,

    /// Maximum requests per second and token to the Aiven API; 0 for no limit
    #[arg(long, help_heading = "Aiven API", value_name = "N", default_value_t = 500)]
    pub provider_rate: u32,

    /// Timeout for a connection to the Aiven API
    #[arg(long, help_heading = "Aiven API", value_name = "TIME", default_value = "5s", value_parser = interval)]
    pub connect_timeout: Duration,

    /// Timeout for a response of the Aiven API
    #[arg(long, help_heading = "Aiven API", value_name = "TIME", default_value = "30s", value_parser = interval)]
    pub request_timeout: Duration,

    /// Maximum size of a response of the Aiven API, in bytes
    #[arg(long, help_heading = "Aiven API", value_name = "BYTES", default_value_t = 8 * 1024 * 1024)]
    pub response_limit: usize,

    /// Timeout for one reconciliation
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "3m", value_parser = interval)]
    pub reconcile_timeout: Duration,

    /// Delays after failures; no flag, because the defaults are part of what the operator promises.
    #[arg(skip)]
    pub retry: backoff::Bounds,

    /// How long after its end a request may still take effect at Aiven. Without a value the request timeout plus a
    /// minute; no flag, because a shorter time leaves behind what was paid for.
    #[arg(skip)]
    pub late_effect: Option<Duration>,

    /// Graceful shutdown timeout for running reconciliations
    #[arg(long, help_heading = "Intervals and limits", value_name = "TIME", default_value = "45s", value_parser = pause)]
    pub shutdown_timeout: Duration,

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
    /// Enable leader election; required for more than one replica
    #[arg(long, help_heading = "Leader election", env = "LEADER_ELECT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub leader_elect: bool,

    /// Name of the Lease
    #[arg(long, help_heading = "Leader election", value_name = "NAME", default_value = "valkeeper")]
    pub leader_elect_resource_name: String,

    /// Namespace of the Lease; the operator's own when empty
    #[arg(
        long,
        help_heading = "Leader election",
        env = "POD_NAMESPACE",
        value_name = "NAME",
        default_value = ""
    )]
    pub leader_elect_resource_namespace: String,

    /// Time before a standby replica may acquire an expired lease
    #[arg(long, help_heading = "Leader election", value_name = "TIME", default_value = "15s", value_parser = interval)]
    pub leader_elect_lease_duration: Duration,

    /// Time that the leader retries to renew the lease before it stops leading
    #[arg(long, help_heading = "Leader election", value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub leader_elect_renew_deadline: Duration,

    /// Interval between attempts to acquire or renew the lease
    #[arg(long, help_heading = "Leader election", value_name = "TIME", default_value = "2s", value_parser = interval)]
    pub leader_elect_retry_period: Duration,
}

/// What is served, and to whom.
#[derive(Args, Clone, Debug)]
pub struct Listening {
    /// Bind address of metrics; 0 disables metrics
    #[arg(long, help_heading = "Metrics and probes", value_name = "ADDRESS", default_value = ":8080")]
    pub metrics_bind_address: String,

    /// Bind address of probes and of the log level endpoint; 0 disables both
    #[arg(long, help_heading = "Metrics and probes", value_name = "ADDRESS", default_value = ":8081")]
    pub health_probe_bind_address: String,

    /// File with the certificate chain to serve metrics with TLS
    #[arg(long, help_heading = "Metrics and probes", value_name = "FILE", requires = "metrics_tls_key_file")]
    pub metrics_tls_certificate_file: Option<PathBuf>,

    /// File with the private key of the metrics certificate
    #[arg(
        long,
        help_heading = "Metrics and probes",
        value_name = "FILE",
        requires = "metrics_tls_certificate_file"
    )]
    pub metrics_tls_key_file: Option<PathBuf>,

    /// File with the bearer token that clients of metrics must present
    #[arg(long, help_heading = "Metrics and probes", value_name = "FILE")]
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

/// Parses a duration that may be zero. Nothing waits for longer than a day.
fn pause(text: &str) -> Result<Duration, String> {
    within(text, Duration::ZERO)
}

/// A time between two of the same thing, or for one thing: no time at all would be a loop.
fn interval(text: &str) -> Result<Duration, String> {
    within(text, SHORTEST)
}

fn within(text: &str, shortest: Duration) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (shortest..=LONGEST).contains(&time) {
        return Ok(time);
    }
    let shown = |time| humantime::format_duration(time);
    Err(format!("{} is not between {} and {}", shown(time), shown(shortest), shown(LONGEST)))
}

impl Settings {
    /// The defaults for resources without a policy.
    pub fn policy_defaults(&self) -> Defaults {
        Defaults {
            orphan: self.default_deletion_policy == DefaultDeletion::Orphan,
            marks_ownership: !self.no_ownership_tag,
        }
    }

    /// How long after its end a request may still take effect at Aiven.
    pub fn late_effect(&self) -> Duration {
        self.late_effect.unwrap_or(self.request_timeout + LATE_EFFECT_MARGIN)
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
        // The environment must not leak into embedded operators, so variables are removed first.
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
    use super::{interval, namespace, pause};

    #[test]
    fn times_without_measure_are_refused() {
        assert_eq!(interval("5m").unwrap().as_secs(), 300);
        assert!(pause("0s").unwrap().is_zero());
        for wrong in ["0s", "1ms", "2days", "584542046090y"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
        assert_eq!(interval("2days").unwrap_err(), "2days is not between 10ms and 1day");
    }

    #[test]
    fn names_of_namespaces_are_trimmed_and_checked() {
        assert_eq!(namespace(" team-a\n").unwrap(), "team-a");
        assert_eq!(namespace("").unwrap(), "");
        for wrong in ["Team", "a b", "-a", "a.b"] {
            assert!(namespace(wrong).unwrap_err().contains("cannot be the name"), "{wrong}");
        }
    }
}
