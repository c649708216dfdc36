//! Requests that were refused. A refusal concerns exactly the request that met it: the same one is not made
//! again before its time has come, another one is, and nothing else waits for either.

use super::request::{ServicePatch, TagPatch, Target};

/// A request that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The refused request.
    pub request: Request,
    /// Its failure.
    pub failure: Failure,
    /// It is not yet time to try again.
    pub holds: bool,
}

/// The request, exactly enough to determine whether the next one would be the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A change of the service.
    Update(Box<ServicePatch>),
    /// The change of its type.
    ChangeType,
    /// The start of its maintenance, for this value of the annotation.
    Maintenance(String),
    /// A change of its tags.
    Tags(TagPatch),
    /// The connection Secret, to be read or to be written.
    Secret,
    /// The connection ConfigMap, to be read or to be written.
    ConfigMap,
    /// Protection of the token Secret.
    Token,
    /// A read that only one concern needs.
    Observe(Target),
}

impl Request {
    /// Whether both are made for the same purpose, so that one that is accepted replaces one that was not.
    pub fn has_the_purpose_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Update(one), Self::Update(two)) => one.powered.is_some() == two.powered.is_some(),
            (Self::Observe(one), Self::Observe(two)) => one == two,
            (one, two) => std::mem::discriminant(one) == std::mem::discriminant(two),
        }
    }
}

/// Why a reconciliation could not continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the reasons in [`names`].
    pub reason: &'static str,
    /// What was being done, what went wrong, what to do.
    pub message: String,
    /// It ends without user action.
    pub passing: bool,
}
