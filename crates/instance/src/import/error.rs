//! Why the data of a running server was not taken over.

use crate::backups::BackupFailure;
use std::io;
use valkeeper_backup::BackupError;
use valkeeper_server::Error;

/// Why it was not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The source does not answer, or not with what it was asked for.
    #[error("cannot read {address}: {cause}")]
    Source {
        /// Host and port.
        address: String,
        /// What it answered.
        cause: Error,
    },
    /// The source cannot be followed as it is now.
    #[error("{0}")]
    Unready(String),
    /// The source can never be followed.
    #[error("{0}")]
    Unsuitable(String),
    /// Something on this machine failed.
    #[error("cannot {0}: {1}")]
    Local(&'static str, io::Error),
    /// The second server does not answer.
    #[error("the second server: {0}")]
    Server(#[from] Error),
    /// The second server has ended.
    #[error("the second server ended with {0}")]
    Ended(String),
    /// The source was not copied.
    #[error("cannot copy {address}: {cause}")]
    Copy {
        /// Host and port.
        address: String,
        /// Why.
        cause: BackupError,
    },
    /// The data could not be placed.
    #[error(transparent)]
    Place(BackupError),
}

/// What a failure means for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// Try again later.
    Transient,
    /// Another source is needed.
    Permanent,
}

impl ImportError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Unsuitable(_) => ErrorClass::Permanent,
            Self::Place(error) if error.class() != valkeeper_backup::ErrorClass::Transient => {
                ErrorClass::Permanent
            }
            _ => ErrorClass::Transient,
        }
    }

    /// Whether the password, or the user, is wrong.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Source { cause, .. } if cause.class() == valkeeper_server::ErrorClass::Denied)
    }

    /// As it is reported.
    pub(crate) fn failure(&self) -> BackupFailure {
        BackupFailure { passing: self.class() == ErrorClass::Transient, message: self.to_string() }
    }
}
