//! What can go wrong with a backup, in one enum with classes that callers decide by. No error contains a key or a
//! password.

use std::io;

/// A backup that was not taken, or not read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The server did not answer as needed.
    #[error(transparent)]
    Server(#[from] valkeeper_server::Error),
    /// The server did not send its data as a replica receives it.
    #[error("the stream of the server {0}")]
    Stream(String),
    /// The destination cannot be used as it is described.
    #[error("{field}: {rule}")]
    Destination {
        /// The field that is wrong.
        field: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
    /// The store did not do what was asked.
    #[error("cannot {doing}: {cause}")]
    Store {
        /// What was being done.
        doing: String,
        /// What it means.
        class: ErrorClass,
        /// The innermost cause.
        cause: String,
    },
    /// The data cannot be encrypted or decrypted with the key that was given.
    #[error("the encryption key {0}")]
    Key(&'static str),
    /// The artefact is not what its manifest says.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// This program, or the server, cannot read what the manifest describes.
    #[error("the backup cannot be read here: {0}")]
    Incompatible(String),
    /// A file of this machine.
    #[error("cannot {0}: {1}")]
    Io(&'static str, io::Error),
}

/// What an error means for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// It may pass.
    Transient,
    /// Credentials are missing, wrong, or do not permit it.
    Denied,
    /// There is no such object, or no such bucket.
    NotFound,
    /// What was asked for is wrong.
    Invalid,
    /// The data is not what it was.
    Damaged,
}

impl BackupError {
    /// The class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Server(error) if error.class() == valkeeper_server::ErrorClass::Denied => {
                ErrorClass::Denied
            }
            Self::Server(_) | Self::Stream(_) | Self::Io(..) => ErrorClass::Transient,
            Self::Destination { .. } | Self::Incompatible(_) => ErrorClass::Invalid,
            Self::Key(_) => ErrorClass::Denied,
            Self::Store { class, .. } => *class,
            Self::Damaged(_) => ErrorClass::Damaged,
        }
    }

    /// A failure of the store while it was `doing` something.
    pub(crate) fn store(doing: impl Into<String>, error: &object_store::Error) -> Self {
        use object_store::Error;
        let class = match error {
            Error::NotFound { .. } => ErrorClass::NotFound,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorClass::Denied,
            Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::UnknownConfigurationKey { .. } => ErrorClass::Invalid,
            _ => ErrorClass::Transient,
        };
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Store { doing: doing.into(), class, cause: one_line(&innermost.to_string()) }
    }
}

/// Stores answer with pages of XML; its beginning is enough.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}
