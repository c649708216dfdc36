//! The network that a service is placed in by reference to a `ProjectVPC`. A service is not created before
//! its network is there; one that exists already is kept true in every other respect meanwhile.

use super::{
    concern::Concern,
    desired::{Desired, Vpc},
    observed::{Observed, VpcReference},
    request::Target,
    step::{RequeueClass, Step},
};
use valkeeper_api::names::reason;

/// `desired` with the VPC that its reference resolves to, where that is known.
pub(super) fn resolved(desired: &Desired, observed: &Observed) -> Option<Desired> {
    match (&desired.vpc, &observed.vpc) {
        (Vpc::Reference(_), VpcReference::Usable(id)) => Some(desired.in_vpc(id)),
        _ => None,
    }
}

/// The step and the report for the network that the resource refers to.
pub(super) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    let Vpc::Reference(name) = &desired.vpc else { return Concern::fine() };
    match &observed.vpc {
        VpcReference::Refused(message) => {
            Concern::is_stuck(reason::VPC_REFUSED, message.clone(), RequeueClass::AwaitingExternal)
        }
        VpcReference::NotReady(message) => {
            Concern::waits(reason::VPC_NOT_READY, message.clone(), RequeueClass::Building)
        }
        VpcReference::Unknown => {
            let message = format!("Reading ProjectVPC {name}.");
            Concern::act(Step::Observe(Target::Vpc), reason::VPC_NOT_READY, message)
        }
        VpcReference::Usable(_) => Concern::fine(),
    }
}
