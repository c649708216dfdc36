//! `valkeeper-sandbox ctl`: does to a running sandbox what people do to a provider behind an operator's
//! back; the same as the buttons of the console. Guarantees a status other than 0 when it was refused.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// The line about the provider in a kubeconfig of the sandbox.
pub(crate) const PROVIDER_NOTE: &str = "# Provider: ";

/// Act on the services and the API of a running sandbox
#[derive(Debug, Args)]
pub(crate) struct Ctl {
    /// Address of the provider's API; by default the one that the kubeconfig of the sandbox names
    #[arg(long, env = "VALKEEPER_SANDBOX", value_name = "URL", global = true)]
    provider: Option<String>,

    /// The kubeconfig that the sandbox wrote
    #[arg(long, env = "KUBECONFIG", value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,

    /// Project of the service; needed only where several have one of that name
    #[arg(long, value_name = "NAME", global = true)]
    project: Option<String>,

    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Action {
    /// Give the main user of a service a new password
    ResetPassword { service: String },
    /// Change the plan of a service
    Plan { service: String, plan: String },
    /// Replace all tags of a service
    Tags {
        service: String,
        #[arg(value_name = "KEY=VALUE")]
        tags: Vec<String>,
    },
    /// Take a backup of a service
    TakeBackup { service: String },
    /// Power a service off
    PowerOff { service: String },
    /// Power a service on
    PowerOn { service: String },
    /// Delete a service with its data
    Delete { service: String },
    /// Print the certificate authority of the services
    Ca,
    /// Refuse a token
    RevokeToken { token: String },
    /// Accept a revoked token again
    AcceptToken { token: String },
    /// Make the next requests to the API fail
    Fail {
        #[arg(value_enum)]
        how: Failure,
        #[arg(long, default_value_t = 5)]
        times: u32,
    },
    /// Let the provider behave differently until it recovers
    ///
    /// One of read-lag=3s, bare-lists, redacted-lists, broken-list-entry=NAME, foreign-services=50, foreign-tag,
    /// normalized-values, disk-refusal=400, forgotten-migrations
    Disturb {
        #[arg(value_name = "DISTURBANCE")]
        what: String,
    },
    /// Delay every answer of the API
    Slow { milliseconds: u32 },
    /// Let time pass at the provider, so that backups appear
    Advance {
        #[arg(value_name = "TIME")]
        time: String,
    },
    /// End all failures, disturbances and delays
    Recover,
}

/// A way to fail.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Failure {
    /// Error 500
    Error,
    /// 503 from a proxy
    Unavailable,
    /// Too many requests
    Throttle,
    /// The request takes effect, but its answer is lost
    Lost,
    /// No answer at all
    Hang,
    /// 502 from a proxy
    BadGateway,
    /// 404 from a proxy
    NotFoundPage,
    /// 404: the project does not exist
    NoProject,
    /// No answer, and the request takes effect after the client has given up
    Late,
}

/// Runs the command and prints what was done.
pub(crate) async fn run(ctl: Ctl) -> anyhow::Result<()> {
    let provider = match &ctl.provider {
        Some(url) => url.clone(),
        None => find(ctl.kubeconfig.as_deref())?,
    };
    let client = reqwest::Client::new();
    let mut url = reqwest::Url::parse(&provider).context("the address of the provider")?;
    let (path, mut fields) = request(&ctl.action);
    url.path_segments_mut().ok().context("the address of the provider")?.clear().push("console").extend(path);
    if let Some(project) = &ctl.project {
        fields.push(("project", project.clone()));
    }
    let request = match ctl.action {
        Action::Ca => client.get(url),
        _ => client.post(url).header("Accept", "text/plain").form(&fields),
    };
    let response =
        request.send().await.map_err(reqwest::Error::without_url).context("the sandbox does not answer")?;
    let (success, text) = (response.status().is_success(), response.text().await?);
    if !success {
        bail!("{text}");
    }
    println!("{}", text.trim_end());
    Ok(())
}

/// The path below the console and the fields.
fn request(action: &Action) -> (Vec<&str>, Vec<(&'static str, String)>) {
    let (service, name, fields) = match action {
        Action::ResetPassword { service } => (Some(service), "reset-password", vec![]),
        Action::Plan { service, plan } => (Some(service), "plan", vec![("plan", plan.clone())]),
        Action::Tags { service, tags } => (Some(service), "tags", vec![("tags", tags.join("\n"))]),
        Action::TakeBackup { service } => (Some(service), "take-backup", vec![]),
        Action::PowerOff { service } => (Some(service), "power-off", vec![]),
        Action::PowerOn { service } => (Some(service), "power-on", vec![]),
        Action::Delete { service } => (Some(service), "delete", vec![]),
        Action::Ca => (None, "ca.pem", vec![]),
        Action::RevokeToken { token } => (None, "revoke-token", vec![("token", token.clone())]),
        Action::AcceptToken { token } => (None, "accept-token", vec![("token", token.clone())]),
        Action::Fail { how, times } => {
            (None, "fail", vec![("how", name_of(*how)), ("times", times.to_string())])
        }
        Action::Disturb { what } => (None, "disturb", vec![("what", what.clone())]),
        Action::Slow { milliseconds } => (None, "slow", vec![("milliseconds", milliseconds.to_string())]),
        Action::Advance { time } => (None, "advance", vec![("time", time.clone())]),
        Action::Recover => (None, "recover", vec![]),
    };
    let path = service.map_or_else(|| vec![name], |service| vec!["service", service, name]);
    (path, fields)
}

fn name_of(failure: Failure) -> String {
    failure.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The address in a kubeconfig of the sandbox.
fn find(kubeconfig: Option<&Path>) -> anyhow::Result<String> {
    let path = kubeconfig.context("say which sandbox: set KUBECONFIG to the file it wrote, or --provider")?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let address = text.lines().find_map(|line| line.strip_prefix(PROVIDER_NOTE));
    address.map(str::to_owned).with_context(|| format!("{} is not of a sandbox", path.display()))
}
