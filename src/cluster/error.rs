//! What can go wrong between this process and the API server, each with its [`Class`].

use crate::telemetry::traces::SPANS;
use std::{cell::LazyCell, time::Duration};
use tracing::{Instrument as _, field::Empty};
use valkeeper_engine::failure::{Class, innermost};

/// Longest wait for the API server's answer. It differs from the other limits of about ten seconds in a cluster, so
/// that a log distinguishes them.
const RESPONSE: Duration = Duration::from_secs(9);

/// A Kubernetes call that failed. Messages name the operation, the object, and the answer of the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server answered, and not with success.
    #[error("cannot {doing}: Kubernetes rejected the request (HTTP {code} {reason}): {message}")]
    Rejected {
        /// What was being done, to which object.
        doing: String,
        /// HTTP status.
        code: u16,
        /// Machine-readable reason, such as `Conflict`.
        reason: String,
        /// The API server's words.
        message: String,
    },
    /// No answer, or none that can be read.
    #[error("cannot {doing}: no answer from the Kubernetes API: {cause}")]
    Unreachable {
        /// What was being done, to which object.
        doing: String,
        /// Message of the client.
        cause: String,
    },
}

impl ClusterError {
    /// How this failure is treated.
    pub fn class(&self) -> Class {
        match self {
            Self::Rejected { code, reason, .. } => match code {
                401 | 403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                // A JSON patch whose test failed is answered with 422 as well.
                422 if reason == "Invalid" => Class::Invalid,
                429 => Class::Throttled { after: None },
                500..=599 => Class::Transient,
                _ => Class::Invalid,
            },
            Self::Unreachable { .. } => Class::Transient,
        }
    }

    /// The object of this name is not the one that was worked on.
    pub(crate) fn replaced(kind: &str, name: &str) -> Self {
        Self::Rejected {
            doing: format!("read {kind} {name}"),
            code: 409,
            reason: "Conflict".to_owned(),
            message: "another object has taken its name".to_owned(),
        }
    }

    /// The API server has refused what was asked, and would again.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.class(), Class::Denied | Class::Invalid | Class::NotFound)
    }

    /// What the API server said.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Rejected { message, .. } => message,
            Self::Unreachable { cause, .. } => cause,
        }
    }

    /// Kubernetes does not grant the caller this request.
    pub(crate) fn is_missing_permission(&self) -> bool {
        matches!(self, Self::Rejected { code: 403, message, .. } if message.contains(" cannot patch resource "))
    }

    /// The object of the call does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { code: 404, .. })
    }

    fn from_kube(doing: String, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Rejected {
                doing,
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
            },
            // A body that cannot be decoded may be a Secret: its error text is not for logs.
            kube::Error::SerdeError(_) => Self::Unreachable { doing, cause: "unreadable answer".to_owned() },
            other => Self::Unreachable { doing, cause: innermost(&other) },
        }
    }
}

/// Runs one call within the time limit; `doing` names the action and the object for the error message.
pub(crate) async fn bounded<T>(
    doing: impl FnOnce() -> String,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    let doing = LazyCell::new(doing);
    let span = tracing::info_span!(target: SPANS, "kubernetes call", otel.kind = "client", doing = Empty,
        otel.status_description = Empty);
    if !span.is_disabled() {
        span.record("doing", doing.as_str());
    }
    let error = match tokio::time::timeout(RESPONSE, call).instrument(span.clone()).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => ClusterError::from_kube(doing.clone(), error),
        Err(_) => ClusterError::Unreachable {
            doing: doing.clone(),
            cause: format!("nothing within {} s", RESPONSE.as_secs()),
        },
    };
    span.record("otel.status_description", tracing::field::display(&error));
    Err(error)
}
