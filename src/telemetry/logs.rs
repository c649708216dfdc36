//! Logs on standard error, as text for people or JSON for machines.

use clap::ValueEnum;
use std::io;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// Starts logging. `level` is a level or a filter such as `info,valkeeper=debug`; one that cannot be
/// read counts as `info`. Does nothing if logging was started before.
pub fn start(level: &str, format: Format) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        Format::Text => registry.with(fmt::layer().with_writer(io::stderr).with_target(false)).try_init(),
        Format::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
    };
    drop(started);
}
