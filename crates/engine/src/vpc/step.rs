//! What can be done for a `ProjectVPC`: at most one change at a time.

use super::status::Note;
use crate::{step::RequeueClass, token_release::Release};
use std::collections::BTreeMap;

/// The next thing to do for a `ProjectVPC`: at most one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VpcStep {
    /// Read what the decision depends on.
    Observe(VpcTarget),
    /// Put the finalizer on the object.
    AddFinalizer,
    /// Protect the Secret with the token.
    AddTokenFinalizer,
    /// Write what is known of the VPC's identity into the status.
    Note(Note),
    /// Create the VPC.
    Create,
    /// Bring these annotations of the object up to date; `None` removes one.
    Annotate(BTreeMap<&'static str, Option<String>>),
    /// Delete the VPC.
    Delete(String),
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
pub enum VpcTarget {
    /// The VPCs of the project.
    Vpcs,
    /// The object, from the API server and not from a cache.
    Object,
    /// The identifiers that other resources have noted.
    Claims,
    /// The token Secrets of the object, for whether they are kept from deletion.
    TokenSecrets,
}

impl From<Release> for VpcStep {
    fn from(release: Release) -> Self {
        match release {
            Release::Observe => Self::Observe(VpcTarget::TokenSecrets),
            Release::Note => Self::NoteSettled,
            Release::Token(name) => Self::ReleaseToken(name),
            Release::Resource => Self::ReleaseFinalizer,
        }
    }
}
