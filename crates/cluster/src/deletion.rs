//! The end of servers: when the resource is deleted, and when it is powered off. Replicas end first, and the primary
//! after them, so that what is on its volume is all that was written.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::reason;
use crate::observed::Observed;
use crate::report::State;
use crate::step::{RequeueClass, Step};
use valkeeper_engine::Ready;

/// Ends all servers; what to say while they end.
fn end_servers(observed: &Observed) -> Option<Step> {
    let primary = observed.primary().map(|(ordinal, _)| ordinal);
    let routed = observed.pods.iter().find(|(_, pod)| pod.role.as_deref() == Some(crate::names::PRIMARY));
    let last = primary.or(routed.map(|(ordinal, _)| *ordinal));
    let mut running = observed.pods.iter().filter(|(_, pod)| !pod.foreign).peekable();
    running.peek()?;
    let others: Vec<_> = running.clone().filter(|(ordinal, _)| Some(**ordinal) != last).collect();
    let next = match others.iter().find(|(_, pod)| !pod.deleting) {
        Some(found) => Some(*found),
        None if others.is_empty() => running.find(|(_, pod)| !pod.deleting),
        None => None,
    };
    let wait = Step::Requeue(RequeueClass::Active);
    Some(next.map_or(wait, |(ordinal, pod)| Step::DeletePod(*ordinal, pod.uid.clone())))
}

/// What is to be done while the resource is being deleted.
pub(crate) fn deletion(desired: &Desired, observed: &Observed) -> Concern {
    let deleting =
        |message: &str| Concern::waits(RequeueClass::Active, State::Deleting, reason::DELETING, message);
    if !desired.has_finalizer {
        return deleting("Waiting for other controllers.");
    }
    match end_servers(observed) {
        Some(Step::Requeue(_)) => return deleting("Waiting for the servers to end."),
        Some(step) => return Concern::act(step),
        None => {}
    }
    let claim = observed.claims.iter().find(|(_, claim)| !claim.deleting);
    if let Some((ordinal, _)) = claim.filter(|_| !desired.retains_volumes()) {
        return Concern::act(Step::DeleteClaim(*ordinal));
    }
    Concern::act(Step::ReleaseFinalizer)
}

/// What is to be done for a resource that is powered off.
pub(crate) fn power_off(observed: &Observed) -> Concern {
    match end_servers(observed) {
        Some(Step::Requeue(requeue)) => Concern::waits(
            requeue,
            State::PoweredOff,
            reason::POWERING_OFF,
            "Waiting for the servers to end.",
        ),
        Some(step) => Concern::act(step),
        None => {
            let message = "Powered off as declared.";
            Concern::finds(Ready::Yes, RequeueClass::Idle, State::PoweredOff, reason::POWERED_OFF, message)
        }
    }
}
