//! The instance manager as a program of its own.

use clap::Parser;
use std::process::ExitCode;
use valkeeper_instance::command::InstanceCommand;

/// Manager of one Valkey or Redis server of a self-hosted cluster
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    command: InstanceCommand,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOG_LEVEL");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("valkeeper-instance: another TLS provider is installed in this process");
        return ExitCode::FAILURE;
    }
    match arguments.command.run(&[]).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("valkeeper-instance: {error}");
            ExitCode::FAILURE
        }
    }
}
