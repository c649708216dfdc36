//! What can be done for a `ServiceUser`: at most one change at a time.

use super::status::Note;
use crate::{connection::SecretContent, step::RequeueClass, token_release::Release};
use std::collections::BTreeMap;

/// The next thing to do for a `ServiceUser`: at most one change.
#[derive(Debug)]
pub enum ServiceUserStep {
    /// Read what the decision depends on.
    Observe(ServiceUserTarget),
    /// Put the finalizer on the object.
    AddFinalizer,
    /// Protect the Secret with the token.
    AddTokenFinalizer,
    /// Write what is known of the user into the status.
    Note(Note),
    /// Create the user, with its access control.
    Create,
    /// Send the access control that is declared.
    SetAccessControl,
    /// Give the user the declared password.
    SetPassword,
    /// Write the connection Secret.
    WriteSecret(Box<SecretContent>),
    /// Bring these annotations of the object up to date; `None` removes one.
    Annotate(BTreeMap<&'static str, Option<String>>),
    /// Delete the user.
    Delete,
    /// Note on the object that nothing is left at Aiven that it needs its token for.
    NoteSettled,
    /// Let the token Secret of this name go, unless another object needs it.
    ReleaseToken(String),
    /// Let Kubernetes remove the object.
    ReleaseFinalizer,
    /// Wait.
    Requeue(RequeueClass),
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceUserTarget {
    /// The service, and the user among its users.
    Service,
    /// The object, from the API server and not from a cache.
    Object,
    /// Whether another resource manages the user.
    Claims,
    /// The Secret with the password.
    Password,
    /// The connection Secret.
    Secret,
    /// The certificate of the project's authority.
    Authority,
    /// The token Secrets of the object, for whether they are kept from deletion.
    TokenSecrets,
}

impl From<Release> for ServiceUserStep {
    fn from(release: Release) -> Self {
        match release {
            Release::Observe => Self::Observe(ServiceUserTarget::TokenSecrets),
            Release::Note => Self::NoteSettled,
            Release::Token(name) => Self::ReleaseToken(name),
            Release::Resource => Self::ReleaseFinalizer,
        }
    }
}
