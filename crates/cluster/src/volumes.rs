//! Volumes that are to be larger. Their drivers enlarge them, most while the server runs, some while no pod uses them.
//!
//! ```text
//!   claim asks for less ──GrowClaim──▶ driver at work ──▶ as large as asked for
//!                                          │
//!                                          └─ waits for another pod ──▶ pod replaced, as in an update
//! ```
//!
//! Guarantees: no volume is asked to shrink, whoever enlarged it; a pod is replaced for its volume once for each time that
//! its driver waits for that; a refusal stops nothing else.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::{self, reason};
use crate::observed::{ClaimSeen, Observed, PodSeen};
use crate::report::State;
use crate::settings::bytes;
use crate::step::{RequeueClass, Step};
use chrono::TimeDelta;

/// A driver that enlarges a volume in use says for a moment as well that it waits for a pod.
const PATIENCE: TimeDelta = TimeDelta::minutes(1);

/// Bytes that each volume should have, if there are any.
fn size(desired: &Desired) -> Option<u64> {
    desired.spec.persistence.as_ref()?.size.as_deref().map(bytes)
}

fn present<'a>(desired: &Desired, observed: &'a Observed) -> impl Iterator<Item = (&'a u32, &'a ClaimSeen)> {
    observed.claims.range(..desired.instances()).filter(|(_, claim)| !claim.deleting)
}

/// Asks for larger volumes. Some drivers enlarge them only while no server runs, so this goes on then.
pub(crate) fn grow(desired: &Desired, observed: &Observed) -> Concern {
    let Some(size) = size(desired) else { return Concern::fine() };
    let smaller = present(desired, observed).find(|(_, claim)| claim.requested < size);
    let Some((ordinal, _)) = smaller else { return Concern::fine() };
    let Some(why) = &observed.growth_refused else { return Concern::act(Step::GrowClaim(*ordinal)) };
    let message = format!(
        "Cannot enlarge volume claim {}: {}. Set allowVolumeExpansion in its storage class, or restore a backup into a \
         cluster with larger volumes.",
        names::claim(&desired.name, *ordinal),
        why.trim_end_matches('.')
    );
    Concern::is_stuck(RequeueClass::Steady, State::Running, reason::VOLUME_GROWTH_REFUSED, message)
}

/// Says which volume is being enlarged.
pub(crate) fn growing(desired: &Desired, observed: &Observed) -> Concern {
    let behind = present(desired, observed).find(|(_, claim)| is_growing(claim));
    behind.map_or_else(Concern::fine, |(ordinal, claim)| {
        let trouble =
            claim.trouble.as_ref().map(|text| format!(" It reports: {}.", text.trim_end_matches('.')));
        let message = format!(
            "Waiting until the driver has enlarged volume claim {}.{}",
            names::claim(&desired.name, *ordinal),
            trouble.unwrap_or_default()
        );
        Concern::waits(RequeueClass::Active, State::Updating, reason::VOLUME_GROWING, message)
    })
}

/// Whether a volume is smaller than its claim asks for. One that no pod has used yet has no size.
pub fn is_growing(claim: &ClaimSeen) -> bool {
    claim.capacity > 0 && claim.capacity < claim.requested
}

/// Whether the volume of a pod gets larger with another pod only. One that was created since has not helped.
pub(crate) fn waits_for_another_pod(observed: &Observed, ordinal: u32, pod: &PodSeen) -> bool {
    let claim = observed.claims.get(&ordinal).filter(|claim| is_growing(claim));
    let since = claim.and_then(|claim| claim.waits_for_pod_since);
    since.is_some_and(|since| {
        observed.now - since >= PATIENCE && pod.created.is_some_and(|created| created < since)
    })
}
