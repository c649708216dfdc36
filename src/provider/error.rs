//! What can go wrong between this process and the provider, each with its [`Class`].

use super::refusal::{Absence, Refusal};
use valkeeper_engine::failure::Class;

/// A call that failed. Messages name the operation, the object, and the answer; they hold no secrets.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// The provider answered, and not with success.
    #[error("cannot {doing}: {refusal}")]
    Rejected {
        /// What was being done, to which object.
        doing: String,
        /// The answer.
        refusal: Refusal,
    },
    /// No complete answer arrived in time.
    #[error("cannot {doing}: no answer from Aiven: {cause}")]
    Unreachable {
        /// What was being done, to which object.
        doing: String,
        /// Message of the transport.
        cause: String,
        /// There was a connection, and the answer took too long.
        late: bool,
    },
    /// An answer arrived that violates the protocol.
    #[error("cannot {doing}: unreadable answer of Aiven: {cause}")]
    Unreadable {
        /// What was being done, to which object.
        doing: String,
        /// What is wrong with it.
        cause: String,
    },
    /// This replica may not write any more, so nothing was sent.
    #[error("cannot {doing}: {}", crate::ha::Fenced)]
    Fenced {
        /// What was being done, to which object.
        doing: String,
    },
    /// The request could not be formed, so nothing was sent.
    #[error("cannot {doing}: {cause}")]
    Unsendable {
        /// What was being done, to which object.
        doing: String,
        /// Why there is no request.
        cause: String,
    },
}

impl ProviderError {
    /// The provider's name for the kind of error, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Rejected { refusal, .. } => refusal.code.as_deref(),
            _ => None,
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Rejected { refusal, .. } => Some(refusal.status),
            _ => None,
        }
    }

    /// Whether the answer reports that the service of the call does not exist.
    pub fn absence(&self) -> Option<Absence> {
        match self {
            Self::Rejected { refusal, .. } => refusal.absence(),
            _ => None,
        }
    }

    /// Whether the same call may succeed without credentials in the answer.
    pub(super) fn may_be_about_secrets(&self) -> bool {
        self.is_answer() && self.status() == Some(403)
    }

    /// Whether the provider itself has answered, which a proxy before it has not.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Rejected { refusal, .. } if refusal.genuine)
    }

    /// The provider's own words, or what came instead of them.
    pub fn answer(&self) -> &str {
        match self {
            Self::Rejected { refusal, .. } => &refusal.message,
            Self::Unreachable { cause, .. }
            | Self::Unreadable { cause, .. }
            | Self::Unsendable { cause, .. } => cause,
            Self::Fenced { .. } => "another replica leads",
        }
    }

    /// Whether the failure concerns the provider as a whole, and not one service or one caller.
    pub(super) fn is_provider_wide(&self) -> bool {
        match self {
            Self::Rejected { refusal, .. } if refusal.status >= 500 => !refusal.throttles(),
            Self::Unreachable { late, .. } => !late,
            _ => false,
        }
    }

    /// Whether the call may take effect although it failed, now or later.
    pub fn may_take_effect(&self) -> bool {
        match self {
            Self::Rejected { refusal, .. } => {
                !refusal.genuine || refusal.status == 408 || refusal.status >= 500
            }
            Self::Unreachable { .. } | Self::Unreadable { .. } => true,
            Self::Fenced { .. } | Self::Unsendable { .. } => false,
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
            Self::Rejected { refusal, .. } if refusal.throttles() => {
                Class::Throttled { after: refusal.retry_after }
            }
            // Trouble of the way there, whatever the status means to the one who sent it.
            Self::Rejected { refusal, .. } if !refusal.genuine => Class::Transient,
            Self::Rejected { refusal, .. } => match refusal.status {
                401 | 403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                // 417 means that a dependent service is still deploying.
                408 | 417 | 500..=599 => Class::Transient,
                _ => Class::Invalid,
            },
            Self::Unreachable { .. } | Self::Unreadable { .. } | Self::Fenced { .. } => Class::Transient,
            Self::Unsendable { .. } => Class::Invalid,
        }
    }
}
