//! Maintenance that a user wants now: the updates that wait for their window are applied at once.
//!
//! Guarantees: one value of the annotation starts maintenance once, unless its note in the status is lost, as in a crash; a
//! resource that is new or was restored starts none for the value that it came with.

use super::{
    concern::Concern,
    desired::Desired,
    observed::{Observed, ObservedService, Power},
    request::Target,
    step::Step,
};
use valkeeper_api::{
    ManagedService,
    names::{self, reason},
};

/// The request of the resource that no maintenance was started for so far.
pub(super) fn request<K: ManagedService>(object: &K) -> Option<String> {
    let request = object.meta().annotations.as_ref()?.get(names::APPLY_MAINTENANCE)?;
    // A backup of the cluster keeps annotations, and drops the status.
    let handled = object.status()?.last_handled_apply_maintenance.as_ref();
    (!request.is_empty() && handled != Some(request)).then(|| request.clone())
}

/// Starts it while the service runs; what else changes comes first.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let waits = observed.unsettled || service.state.power() != Power::Serving || !desired.powered;
    let Some(request) = &desired.maintenance_request else { return Concern::fine() };
    let is_invalid = !desired.violations.is_empty();
    if observed.maintenance_started || waits || is_invalid || desired.policies.observes {
        return Concern::fine();
    }
    let message = format!(
        "Starting the maintenance of service {}, as annotation {} asks.",
        desired.name,
        names::APPLY_MAINTENANCE
    );
    let step = if observed.object_is_live {
        Step::StartMaintenance(request.clone())
    } else {
        // The cache may not show yet that the request was withdrawn.
        Step::Observe(Target::Object)
    };
    Concern::act(step, reason::UPDATING, message)
}
