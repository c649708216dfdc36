//! Why a reconciliation of a resource did not reach its end, and how that is reported to the user.

use crate::{cluster::ClusterError, provider::ProviderError};
use valkeeper_api::names::reason;
use valkeeper_backup::{BackupError, ErrorClass};
use valkeeper_engine::{Failure, failure::Class};

/// What a part of a reconciliation answers.
pub(super) type Result<T, E = ReconcileError> = std::result::Result<T, E>;

/// A reconciliation that stopped early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    /// The provider did not execute a request.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// Kubernetes did not execute a request.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// There is no usable token.
    #[error("{0}")]
    Token(String),
    /// The Secret that should hold the token does not exist.
    #[error("{message}")]
    NoTokenSecret {
        /// Namespace and name.
        secret: String,
        /// What is missing, and what to do.
        message: String,
    },
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
    /// Two answers of the provider do not go together.
    #[error("{0}")]
    Contradiction(String),
    /// What is stored of a backup could not be changed.
    #[error("{0}")]
    Backup(#[from] BackupError),
    /// A defect of this program.
    #[error("{0}")]
    Defect(String),
}

impl ReconcileError {
    /// The token that was just read will not be there to delete what it would create.
    pub(super) fn token_is_going(namespace: &str, name: &str) -> Self {
        let secret = format!("{namespace}/{name}");
        let message = format!(
            "Secret {secret} with the token is gone or being deleted, and without it a service could not be deleted \
             again. Create the Secret again, or name another in spec.authSecretRef."
        );
        Self::NoTokenSecret { secret, message }
    }

    /// The token of the namespace that a resource uses is not there any more.
    pub(super) fn token_is_gone(namespace: &str, name: Option<&str>) -> Self {
        let secret = format!("{namespace}/{}", name.unwrap_or_default());
        let message = format!(
            "Secret {secret} with the token of this namespace does not exist anymore. Create it again, or name \
             another Secret in spec.authSecretRef. The operator does not switch to its default token."
        );
        Self::NoTokenSecret { secret, message }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Provider(error) => error.class(),
            Self::Cluster(error) => error.class(),
            Self::Token(_) | Self::NoTokenSecret { .. } | Self::TokenRejected(_) | Self::Missing { .. } => {
                Class::Denied
            }
            Self::Contradiction(_) => Class::Transient,
            Self::Backup(error) => match error.class() {
                ErrorClass::Denied => Class::Denied,
                ErrorClass::NotFound => Class::NotFound,
                ErrorClass::Invalid | ErrorClass::Damaged => Class::Invalid,
                ErrorClass::Transient => Class::Transient,
            },
            Self::Defect(_) => Class::Bug,
        }
    }

    /// Whether the provider answered that something does not exist in which the service would be.
    pub(super) fn is_about_the_project(&self) -> bool {
        matches!(self, Self::Provider(error) if error.class() == Class::NotFound)
    }

    /// The message for the user. `credentials` names the source of the token.
    pub(super) fn failure(&self, credentials: &str) -> Failure {
        let class = self.class();
        let passing = matches!(class, Class::Transient | Class::Throttled { .. } | Class::Conflict);
        let later = || "The operator retries automatically.".to_owned();
        let (reason, advice) = match (self, class) {
            (Self::Token(_) | Self::NoTokenSecret { .. }, _) => (reason::TOKEN_MISSING, String::new()),
            (Self::Missing { reason, .. }, _) => (*reason, String::new()),
            (Self::TokenRejected(_), _) => (reason::TOKEN_REJECTED, String::new()),
            (Self::Backup(_), _) => (valkeeper_cluster::names::reason::BACKUP_FAILED, later()),
            (Self::Defect(_), _) => (reason::INTERNAL_ERROR, String::new()),
            (Self::Cluster(_), Class::Transient | Class::Throttled { .. } | Class::Conflict) => {
                (reason::CLUSTER_UNAVAILABLE, later())
            }
            (Self::Cluster(_), Class::Denied) => (
                reason::CLUSTER_REJECTED,
                "Grant the operator this permission, as the roles of the chart do.".to_owned(),
            ),
            (Self::Cluster(_), _) => (reason::CLUSTER_REJECTED, String::new()),
            (Self::Provider(_), Class::Throttled { .. }) => (reason::THROTTLED, later()),
            (Self::Contradiction(_), _) | (Self::Provider(_), Class::Transient) => {
                (reason::PROVIDER_UNAVAILABLE, later())
            }
            (Self::Provider(error), Class::Denied) => {
                (reason::PROVIDER_REJECTED, denied(error.code(), credentials))
            }
            (Self::Provider(_), Class::NotFound) => (
                reason::PROJECT_NOT_FOUND,
                format!("Check spec.project, and which projects the token in {credentials} may use."),
            ),
            (Self::Provider(_), Class::Invalid) => {
                (reason::PROVIDER_REJECTED, "Correct the spec.".to_owned())
            }
            (Self::Provider(_), Class::Conflict) => (reason::PROVIDER_REJECTED, later()),
            (Self::Provider(_), _) => (reason::PROVIDER_REJECTED, String::new()),
        };
        Failure { reason, message: sentences(&self.to_string(), &advice), passing }
    }
}

/// What to do about a refusal, by the provider's name for it.
fn denied(code: Option<&str>, credentials: &str) -> String {
    match code {
        Some(
            "permission_denied" | "user_role_not_allowed_to_perform_operation" | "authentication_failed",
        ) => {
            format!("Check the permissions of the token in {credentials}.")
        }
        Some("client_ip_address_policy_violation" | "api_client_ip_allowlist_blocks_caller") => {
            "Allow the address of the operator at Aiven.".to_owned()
        }
        Some(_) => String::new(),
        None => format!("Check the permissions of the token in {credentials}."),
    }
}

/// What happened and what to do, each as a whole sentence. Errors of calls begin in lower case and end without a
/// period, as those of libraries do.
fn sentences(what: &str, advice: &str) -> String {
    let what = what.trim_end_matches(['.', ' ']);
    let what = what.strip_prefix("cannot ").map_or_else(|| what.to_owned(), |rest| format!("Cannot {rest}"));
    let space = if advice.is_empty() { "" } else { " " };
    format!("{what}.{space}{advice}")
}
