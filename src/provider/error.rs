//! What can go wrong between this process and the provider, each with its [`Class`].

use crate::failure::Class;
use std::time::Duration;

/// A call that did not succeed. Messages say what was being done, to which object, and what came back;
/// they hold no secrets.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// The provider answered, and not with success.
    #[error("{doing}: the provider answered {status}: {message}")]
    Rejected {
        /// What was being done, to which object.
        doing: String,
        /// The HTTP status.
        status: u16,
        /// The provider's own words, cleaned.
        message: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
    },
    /// No complete answer arrived in time.
    #[error("{doing}: no answer from the provider: {cause}")]
    Unreachable {
        /// What was being done, to which object.
        doing: String,
        /// What the transport said.
        cause: String,
        /// There was a connection, and the answer took too long.
        late: bool,
    },
    /// An answer arrived that is not what the protocol says.
    #[error("{doing}: the provider's answer is not understood: {cause}")]
    Unreadable {
        /// What was being done, to which object.
        doing: String,
        /// What is wrong with it.
        cause: String,
    },
    /// This replica may not write any more, so nothing was sent.
    #[error("{doing}: {}", crate::ha::Fenced)]
    Fenced {
        /// What was being done, to which object.
        doing: String,
    },
    /// The request could not be formed, so nothing was sent.
    #[error("{doing}: {cause}")]
    Unsendable {
        /// What was being done, to which object.
        doing: String,
        /// Why there is no request.
        cause: String,
    },
}

impl ProviderError {
    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Rejected { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The provider's own words, or what came instead of them.
    pub fn answer(&self) -> &str {
        match self {
            Self::Rejected { message, .. } => message,
            Self::Unreachable { cause, .. }
            | Self::Unreadable { cause, .. }
            | Self::Unsendable { cause, .. } => cause,
            Self::Fenced { .. } => "another replica leads",
        }
    }

    /// Whether it says something about the provider as a whole, and not about one service or one caller.
    pub(super) fn is_everybodys(&self) -> bool {
        match self {
            Self::Rejected { status: 500.., .. } => !matches!(self.class(), Class::Throttled { .. }),
            Self::Unreachable { late, .. } => !late,
            _ => false,
        }
    }

    /// The same failure of another call.
    pub(super) fn while_doing(mut self, what: &str) -> Self {
        match &mut self {
            Self::Rejected { doing, .. }
            | Self::Unreachable { doing, .. }
            | Self::Unreadable { doing, .. }
            | Self::Fenced { doing }
            | Self::Unsendable { doing, .. } => what.clone_into(doing),
        }
        self
    }

    /// How this failure is treated.
    pub fn class(&self) -> Class {
        match self {
            Self::Rejected { status, retry_after, .. } => match status {
                401 | 403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                429 => Class::Throttled { after: *retry_after },
                503 if retry_after.is_some() => Class::Throttled { after: *retry_after },
                // 417 means that a dependent service is still deploying.
                408 | 417 | 500..=599 => Class::Transient,
                _ => Class::Invalid,
            },
            Self::Unreachable { .. } | Self::Unreadable { .. } | Self::Fenced { .. } => Class::Transient,
            Self::Unsendable { .. } => Class::Invalid,
        }
    }
}
