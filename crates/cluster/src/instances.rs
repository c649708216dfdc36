//! The instances that should be there: a claim and a pod each, and none beyond the number that is declared.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::durability;
use crate::foundations;
use crate::members;
use crate::names::reason;
use crate::observed::Observed;
use crate::report::State;
use crate::restore;
use crate::step::{RequeueClass, Step};

/// What is to be done so that there are as many as declared.
pub(crate) fn concern(desired: &Desired, observed: &Observed) -> Concern {
    if !foundations::are_there(desired, observed) {
        return Concern::fine();
    }
    foreign(desired, observed).and(|| missing(desired, observed)).and(|| excess(desired, observed))
}

fn foreign(desired: &Desired, observed: &Observed) -> Concern {
    let foreign = observed.pods.iter().find(|(_, pod)| pod.foreign);
    foreign.map_or_else(Concern::fine, |(ordinal, _)| {
        let name = desired.instance(*ordinal);
        let message = format!("Pod {name} belongs to another owner. Delete it or rename the cluster.");
        Concern::is_stuck(RequeueClass::Active, State::Degraded, reason::OBJECT_CONFLICT, message)
    })
}

fn missing(desired: &Desired, observed: &Observed) -> Concern {
    let has_primary = observed.primary().is_some();
    // The others follow the first, which has the data of a backup before it is primary.
    let alone = restore::is_due(desired) && !has_primary && !members::has_earlier_volumes(desired, observed);
    let retained = members::retained(desired, observed).filter(|_| !has_primary && !alone);
    for ordinal in (0..if alone { 1 } else { desired.instances() }).chain(retained) {
        let claim = observed.claims.get(&ordinal);
        if let Some(pod) = observed.pods.get(&ordinal) {
            // Such as after a volume was lost with its node.
            if pod.unstarted && !pod.deleting && !pod.foreign && claim.is_none() && desired.spec.persists() {
                return Concern::act(Step::CreateClaim(ordinal));
            }
            continue;
        }
        let step = match claim {
            None if desired.spec.persists() => Step::CreateClaim(ordinal),
            Some(claim) if claim.deleting => continue,
            _ => Step::CreatePod(ordinal),
        };
        return Concern::act(step);
    }
    finished(observed)
}

/// A pod that has ended for good makes room for its successor.
fn finished(observed: &Observed) -> Concern {
    let finished = observed.pods.iter().find(|(_, pod)| pod.finished && !pod.deleting && !pod.foreign);
    finished
        .map_or_else(Concern::fine, |(ordinal, pod)| Concern::act(Step::DeletePod(*ordinal, pod.uid.clone())))
}

/// The highest goes first, and never the primary: that moves first.
fn excess(desired: &Desired, observed: &Observed) -> Concern {
    let wanted = desired.instances();
    let scaling =
        |message: String| Concern::waits(RequeueClass::Active, State::Updating, reason::SCALING, message);
    let primary = observed.primary().map(|(ordinal, _)| ordinal);
    if let Some((ordinal, pod)) = observed.pods.iter().rev().find(|(ordinal, _)| **ordinal >= wanted) {
        let name = desired.instance(*ordinal);
        if pod.deleting {
            return scaling(format!("Waiting for {name} to end."));
        }
        let Some(primary) = primary else {
            return scaling(format!("Waiting for a primary before {name} is removed."));
        };
        if durability::needs_every_replica(observed) {
            return scaling(format!(
                "Waiting to remove {name}: the primary cannot reach the Kubernetes API and needs the consent of all replicas."
            ));
        }
        if primary == *ordinal {
            return scaling(format!("Moving the primary away from {name}, which is removed."));
        }
        if let Some(wait) = durability::waits_for(desired, observed, *ordinal) {
            return scaling(wait);
        }
        if wanted > 1 || primary < wanted {
            return Concern::act(Step::DeletePod(*ordinal, pod.uid.clone()));
        }
        return scaling(format!("Moving the primary before {name} is removed."));
    }
    // Without a primary, any of them may have the latest data.
    if desired.retains_volumes() || primary.is_none() {
        return Concern::fine();
    }
    let claim = observed.claims.iter().rev().find(|(ordinal, claim)| **ordinal >= wanted && !claim.deleting);
    claim.map_or_else(Concern::fine, |(ordinal, _)| Concern::act(Step::DeleteClaim(*ordinal)))
}
