//! Logs on standard error, as text for people or JSON for machines.

use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{
    EnvFilter, filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// Starts logging. `level` is a level, for what this program itself says, or a filter such as
/// `info,kube=debug` for everything; one that cannot be read counts as `info`. Does nothing if logging
/// was started before.
pub fn start(level: &str, format: Format) {
    let filter = match level.parse::<LevelFilter>() {
        // Libraries repeat what this program tells with more context.
        Ok(level) => {
            EnvFilter::new(format!("warn,kube_client=off,valkeeper={level},valkeeper_sandbox={level}"))
        }
        Err(_) => EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info")),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        Format::Text => registry
            .with(
                fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false),
            )
            .try_init(),
        Format::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
    };
    drop(started);
}
