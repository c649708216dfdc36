//! The network that a service is placed in by reference to a `ProjectVPC`. A service is not created before
//! its network is there; one that exists already is kept true in every other respect meanwhile.

use super::{
    decide::{stuck, wait},
    desired::{Desired, Vpc},
    observed::{Observed, Remote},
    report::{Ready, Report},
    step::{Decision, Pace, Step},
};
use crate::api::names::reason;

/// What came of looking for the `ProjectVPC` that a resource refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VpcReference {
    /// Nobody looked, because there is no reference.
    #[default]
    Unknown,
    /// It stands for this VPC, which can be used.
    Usable(String),
    /// It cannot be used yet; why, and what to do.
    NotReady(String),
    /// It may not be used from here; why, and what to do.
    Refused(String),
}

/// `desired` with the VPC that its reference stands for, where that is known.
pub(super) fn resolved(desired: &Desired, observed: &Observed) -> Option<Desired> {
    match (&desired.vpc, &observed.vpc) {
        (Vpc::Reference(_), VpcReference::Usable(id)) => {
            Some(Desired { vpc: Vpc::Id(id.clone()), ..desired.clone() })
        }
        _ => None,
    }
}

/// Why a service cannot be created in the network it asks for, if it cannot.
pub(super) fn obstacle(desired: &Desired, observed: &Observed) -> Option<Decision> {
    let Vpc::Reference(name) = &desired.vpc else { return None };
    Some(match &observed.vpc {
        VpcReference::Refused(message) => {
            stuck(Report::new(Ready::Stuck, reason::VPC_REFUSED, message.clone()), Pace::Attentive)
        }
        VpcReference::NotReady(message) => {
            wait(Report::new(Ready::Progressing, reason::VPC_NOT_READY, message.clone()), Pace::Building)
        }
        VpcReference::Unknown | VpcReference::Usable(_) => {
            let message = format!("Looking for ProjectVPC {name}");
            wait(Report::new(Ready::Progressing, reason::VPC_NOT_READY, message), Pace::Building)
        }
    })
}

/// A service that is true in every other respect still is not what it should be without its network.
pub(super) fn complete(desired: &Desired, observed: &Observed, decision: Decision) -> Decision {
    let settled = matches!(decision.step, Step::Done | Step::Annotate(_));
    if desired.deleting || !settled {
        return decision;
    }
    match (obstacle(desired, observed), &observed.remote) {
        (Some(obstacle), Remote::Present(service)) => {
            let Report { ready, reason, message, .. } = obstacle.report;
            Decision { report: Report::about(service, ready, reason, message), ..obstacle }
        }
        _ => decision,
    }
}
