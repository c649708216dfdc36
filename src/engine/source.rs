//! The service that another one is made from: the source of a read replica or of a fork. It is checked
//! before the new service is created, because the provider's own refusal does not say what is missing.

use super::{
    decide::{look, wait},
    desired::Desired,
    observed::{Observed, Source},
    report::{Ready, Report},
    step::{Decision, Pace},
};
use crate::api::names::reason;

/// A service to be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReference {
    /// Its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// `read replica` or `fork`, for messages.
    pub purpose: &'static str,
    /// The backup to start from; none for the newest.
    pub backup: Option<String>,
}

/// What stands in the way of creating the service; nothing when it needs no source or the source is good.
pub(super) fn obstacle(desired: &Desired, observed: &Observed) -> Option<Decision> {
    let source = desired.source.as_ref()?;
    let (name, project, purpose) = (&source.name, &source.project, source.purpose);
    let problem = match &observed.source {
        Source::Ready => return None,
        Source::Unknown => {
            let message = format!("Looking at service {name}, the source of this {purpose}");
            return Some(look(Report::new(Ready::Progressing, reason::CREATING, message)));
        }
        Source::Missing => "does not exist; create it, or correct its name in the spec".to_owned(),
        Source::OtherType(service_type) => format!("is of type {service_type}"),
        Source::NotServing(state) => format!("is not running; the provider says {state}"),
        Source::WithoutBackup => match &source.backup {
            Some(backup) => format!("has no backup {backup}"),
            None => "has no backup yet".to_owned(),
        },
    };
    let message = format!(
        "Waiting to create service {}: service {name} in project {project}, the source of this {purpose}, {problem}",
        desired.name
    );
    Some(wait(Report::new(Ready::Progressing, reason::SOURCE_NOT_READY, message), Pace::Attentive))
}
