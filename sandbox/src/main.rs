//! The `valkeeper-sandbox` command: a cluster, a provider and the operator in one process, with two example services;
//! `ctl` acts on a running one, and `bench` measures the operator. Ends with status 0 when everything worked, else
//! with the reason.

mod bench;
mod ctl;
mod demo;

use clap::Parser as _;
use demo::options::{Command, Options};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Pods of self-hosted clusters run this program as their instance manager.
    if std::env::args().nth(1).is_some_and(|word| word == "instance") {
        let _ = rustls::crypto::ring::default_provider().install_default();
        return Box::pin(valkeeper::cli::Arguments::from_command_line().run()).await;
    }
    let mut options = Options::parse();
    // This process installs no other provider, so there is nothing to do when one exists already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match options.command.take() {
        Some(Command::Bench(options)) => bench::run(*options).await,
        Some(Command::Ctl(ctl)) => ctl::run(ctl).await,
        None => demo::run(options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("\nvalkeeper-sandbox: {reason:#}");
            ExitCode::FAILURE
        }
    }
}
