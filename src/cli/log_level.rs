//! `valkeeper log-level`: changes the log level of the operator that runs on the same machine, such as
//! with `kubectl exec POD -- /valkeeper log-level debug`.

use anyhow::{Context as _, bail};
use clap::Args;
use std::process::ExitCode;

/// The flags of `valkeeper log-level`.
#[derive(Args, Debug)]
pub(super) struct SetLogLevel {
    /// error, warn, info, debug, trace, or a filter such as info,valkeeper=debug
    #[arg(value_name = "LEVEL")]
    level: String,

    /// Where the running operator answers probes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    address: String,
}

impl SetLogLevel {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client.put(format!("http://{}/log-level", self.address)).body(self.level);
        let answer =
            request.send().await.with_context(|| format!("no operator answers on {}", self.address))?;
        if !answer.status().is_success() {
            bail!("{}", answer.text().await?.trim());
        }
        Ok(ExitCode::SUCCESS)
    }
}
