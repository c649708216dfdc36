//! The service that another one is made from: the source of a read replica or of a fork. It is checked before the new
//! service is created, because the provider's own refusal does not state what is missing.

use super::{
    concern::Concern,
    desired::Desired,
    observed::{Observed, Source},
    request::Target,
    step::{RequeueClass, Step},
};
use valkeeper_api::names::reason;

/// The obstacle to creating the service; none where it needs no source or the source is ready.
pub(super) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    let Some(source) = &desired.source else { return Concern::fine() };
    let (name, project, purpose) = (&source.name, &source.project, source.purpose);
    let problem = match &observed.source {
        Source::Ready => return Concern::fine(),
        Source::Unknown => {
            let message = format!("Reading service {name}, the source of this {purpose}.");
            return Concern::act(Step::Observe(Target::Source), reason::CREATING, message);
        }
        Source::Missing => "does not exist. Create it, or correct its name in the spec".to_owned(),
        Source::OtherType(service_type) => format!("is of type {service_type}"),
        Source::NotServing(state) => format!("is not running (state {state})"),
        Source::WithoutBackup => match &source.backup {
            Some(backup) => format!("has no backup {backup}"),
            None => "has no backup yet".to_owned(),
        },
    };
    let message = format!(
        "Waiting to create service {}: service {name} in project {project}, the source of this {purpose}, {problem}.",
        desired.name
    );
    Concern::waits(reason::SOURCE_NOT_READY, message, RequeueClass::AwaitingExternal)
}
