//! Result of a check, and the command that repairs what it found.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli::inspect) enum Level {
    /// As it should be.
    Ok,
    /// The check could not be made.
    Skipped,
    /// Needs attention.
    Warning,
    /// It keeps something from working.
    Error,
}

/// Result of a check.
#[derive(Debug, Serialize)]
pub(in crate::cli::inspect) struct Finding {
    pub(super) level: Level,
    /// The group of checks.
    pub(super) check: &'static str,
    /// What is so.
    pub(super) message: String,
    /// Command that repairs the finding or shows details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, message: message.into(), command: None }
    }

    pub(super) fn skipped(check: &'static str, error: &impl ToString) -> Self {
        Self { level: Level::Skipped, ..Self::ok(check, error.to_string()) }
    }

    pub(super) fn warning(
        check: &'static str,
        message: impl Into<String>,
        command: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, command: Some(command.into()), ..Self::ok(check, message) }
    }

    pub(super) fn error(check: &'static str, message: impl Into<String>, command: impl Into<String>) -> Self {
        Self { level: Level::Error, command: Some(command.into()), ..Self::ok(check, message) }
    }
}
