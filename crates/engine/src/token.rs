//! The token that the resource needs to delete its service one day.

use super::{
    concern::Concern,
    desired::Desired,
    observed::Observed,
    request::Target,
    step::Step,
    token_release::{self, Release},
};
use valkeeper_api::names::reason;

/// What is to be done to keep the token of a resource that has a service.
pub(super) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if observed.token_is_held {
        return Concern::fine();
    }
    let message = format!("Protecting the token Secret of service {}.", desired.name);
    Concern::act(hold(desired), reason::UPDATING, message)
}

/// The next step to keep the token Secret from deletion.
pub(super) fn hold(desired: &Desired) -> Step {
    let note = token_release::missing_note(desired.token_secret.as_deref(), &desired.annotations);
    note.map_or(Step::AddTokenFinalizer, Step::Annotate)
}

impl From<Release> for Step {
    fn from(release: Release) -> Self {
        match release {
            Release::Observe => Self::Observe(Target::TokenSecrets),
            Release::Note => Self::NoteSettled,
            Release::Token(name) => Self::ReleaseToken(name),
            Release::Resource => Self::ReleaseFinalizer,
        }
    }
}
