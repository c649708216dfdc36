//! Why a pass over a resource did not reach its end, and how that is told to the user.

use crate::{
    api::names::reason, cluster::ClusterError, engine::Failure, failure::Class, provider::ProviderError,
};

/// A pass that stopped early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    /// The provider did not do what was asked.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// Kubernetes did not do what was asked.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// There is no usable token.
    #[error("{0}")]
    Token(String),
    /// Something that the spec names is not there.
    #[error("{message}")]
    Missing {
        /// One of the reasons in [`reason`].
        reason: &'static str,
        /// What is missing, and what to do.
        message: String,
    },
    /// The provider does not accept the token.
    #[error("{0}")]
    TokenRejected(String),
    /// A defect of this program.
    #[error("{0}")]
    Defect(String),
}

impl PassError {
    /// The token that was just read will not be there to delete what it would create.
    pub(super) fn token_is_going(namespace: &str, name: &str) -> Self {
        Self::Token(format!(
            "Secret {namespace}/{name} with the token is gone or being deleted, and without it nothing could be \
             deleted again; create the Secret anew, or name another in spec.authSecretRef"
        ))
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Provider(error) => error.class(),
            Self::Cluster(error) => error.class(),
            Self::Token(_) | Self::TokenRejected(_) | Self::Missing { .. } => Class::Denied,
            Self::Defect(_) => Class::Bug,
        }
    }

    /// What the user reads. `credentials` says where the token came from.
    pub(super) fn failure(&self, credentials: &str) -> Failure {
        let class = self.class();
        let passing = matches!(class, Class::Transient | Class::Throttled { .. } | Class::Conflict);
        let later = || ". It is tried again by itself".to_owned();
        let (reason, advice) = match (self, class) {
            (Self::Token(_), _) => (reason::TOKEN_MISSING, String::new()),
            (Self::Missing { reason, .. }, _) => (*reason, String::new()),
            (Self::TokenRejected(_), _) => (reason::TOKEN_REJECTED, String::new()),
            (Self::Defect(_), _) => (reason::INTERNAL_ERROR, String::new()),
            (Self::Cluster(_), Class::Transient | Class::Throttled { .. } | Class::Conflict) => {
                (reason::CLUSTER_UNAVAILABLE, later())
            }
            (Self::Cluster(_), Class::Denied) => {
                (reason::CLUSTER_REJECTED, ". Grant it that right, as the roles of the chart do".to_owned())
            }
            (Self::Cluster(_), _) => (reason::CLUSTER_REJECTED, String::new()),
            (Self::Provider(_), Class::Throttled { .. }) => (reason::THROTTLED, later()),
            (Self::Provider(_), Class::Transient) => (reason::PROVIDER_UNAVAILABLE, later()),
            (Self::Provider(_), Class::Denied) => {
                (reason::PROVIDER_REJECTED, format!(". Check the permissions of the token in {credentials}"))
            }
            (Self::Provider(_), Class::Invalid) => {
                (reason::PROVIDER_REJECTED, ". Correct the spec".to_owned())
            }
            (Self::Provider(_), Class::Conflict) => (reason::PROVIDER_REJECTED, later()),
            (Self::Provider(_), _) => (reason::PROVIDER_REJECTED, String::new()),
        };
        Failure { reason, message: sentence(&format!("{self}{advice}"), self), passing }
    }
}

/// Errors of calls begin in the middle of a sentence, as those of libraries do. Other texts may begin with the
/// name of a field.
fn sentence(text: &str, error: &PassError) -> String {
    let mut letters = text.chars();
    match (error, letters.next()) {
        (PassError::Provider(_) | PassError::Cluster(_), Some(first)) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
