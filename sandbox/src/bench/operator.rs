//! The operator as a process of its own: found, started, watched from outside, and ended with this program.

use super::options::BenchOptions;
use anyhow::{Context as _, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};
use valkeeper_testbed::chart;

/// A running operator.
pub(crate) struct Operator {
    child: Child,
    pid: u32,
}

/// Resource usage of a process, from the system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Memory that is in use now, in bytes.
    pub(crate) rss: u64,
    /// The most that was ever in use, in bytes.
    pub(crate) peak: u64,
    /// Processor time so far.
    pub(crate) processor: Duration,
}

/// Where everything of a run is.
pub(crate) struct Place {
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) provider_url: String,
}

/// Finds the operator, and builds it first when cargo runs this program.
pub(crate) async fn find(options: &BenchOptions) -> anyhow::Result<PathBuf> {
    if let Some(path) = &options.operator {
        return Ok(path.clone());
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program is in no folder")?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "valkeeper", "--bin", "valkeeper"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        if !build.status().await?.success() {
            bail!("cannot build the operator");
        }
    }
    let path = folder.join("valkeeper");
    if !path.exists() {
        bail!("{} does not exist: build it, or name another with --operator", path.display());
    }
    Ok(path)
}

impl Operator {
    /// Starts it.
    pub(crate) fn start(place: &Place, options: &BenchOptions) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(&place.log)?;
        let mut command = Command::new(&place.program);
        command.args(["--log-level", "warn", "run"]);
        command.arg("--kubeconfig").arg(&place.kubeconfig);
        command.args(["--provider-url", &place.provider_url]);
        command.args(&options.operator_argument);
        command.env_clear().envs(chart::ENVIRONMENT);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {}", place.program.display()))?;
        let pid = child.id().context("the operator ended at once")?;
        Ok(Self { child, pid })
    }

    /// Fails when it has ended, with the end of its log.
    pub(crate) fn check(&mut self, log: &Path) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let text = fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(5).collect();
            bail!(
                "the operator ended with {status}: {}",
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        Ok(())
    }

    /// What it uses.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kilobytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or_default() * 1024
        };
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        // A tick is a hundredth of a second on every Linux that matters.
        let processor = Duration::from_millis(ticks.sum::<u64>() * 10);
        Ok(Usage { rss: kilobytes("VmRSS:"), peak: kilobytes("VmHWM:"), processor })
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
