//! Logs on standard error, as text for people or JSON for machines.

use super::traces::Layers;
use clap::ValueEnum;
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::LevelFilter, fmt, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// The level of a running process, which can be changed.
#[derive(Clone)]
pub struct LogLevel(Option<reload::Handle<EnvFilter, Registry>>);

/// A text that names no level and is no filter.
#[derive(Debug, thiserror::Error)]
#[error("neither a level (error, warn, info, debug, trace) nor a filter such as info,valkeeper=debug: {0}")]
pub struct UnknownLevel(String);

impl LogLevel {
    /// For a process that does not log; changing it does nothing.
    pub fn fixed() -> Self {
        Self(None)
    }

    /// Logs at `level` from now on; see [`start`] for its form.
    pub fn set(&self, level: &str) -> Result<(), UnknownLevel> {
        let filter = filter(level)?;
        match &self.0 {
            Some(handle) => handle.reload(filter).map_err(|error| UnknownLevel(error.to_string())),
            None => Ok(()),
        }
    }
}

/// Starts logging. `level` is a level for the messages of this program, or a filter such as `info,kube=debug` for
/// everything. An invalid one counts as `info`. Does nothing if logging was started before. Spans are also sent to
/// `others`, whatever the level.
pub fn start(level: &str, format: Format, others: Layers) -> LogLevel {
    let (filter, handle) = reload::Layer::new(filter(level).unwrap_or_else(|_| EnvFilter::new("info")));
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match format {
        Format::Text => {
            lines.with_ansi(io::stderr().is_terminal()).with_target(false).with_filter(filter).boxed()
        }
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let mut layers = others;
    layers.push(lines);
    let started = tracing_subscriber::registry().with(layers).try_init();
    LogLevel(started.is_ok().then_some(handle))
}

fn filter(level: &str) -> Result<EnvFilter, UnknownLevel> {
    let level = level.trim();
    if level.is_empty() {
        return Err(UnknownLevel("nothing".to_owned()));
    }
    // Libraries log with less context what this program logs as well.
    if let Ok(level) = level.parse::<LevelFilter>() {
        let directives = format!("warn,kube_client=off,valkeeper={level},valkeeper_sandbox={level}");
        return Ok(EnvFilter::new(directives));
    }
    // A single word would be taken for the name of a module, and silence everything else.
    if !level.contains(['=', ',']) {
        return Err(UnknownLevel(level.to_owned()));
    }
    EnvFilter::try_new(level).map_err(|error| UnknownLevel(format!("{level}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_and_filters_are_parsed_and_typos_rejected() {
        for level in ["info", "DEBUG", "trace", "info,kube=debug", "valkeeper=trace"] {
            assert!(LogLevel::fixed().set(level).is_ok(), "{level}");
        }
        for level in ["", "debugg", "valkeeper=loud"] {
            assert!(LogLevel::fixed().set(level).is_err(), "{level}");
        }
    }
}
