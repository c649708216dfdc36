//! Volumes that are to be larger. Their drivers enlarge them, most while the server runs, some while no pod uses them.
//!
//! ```text
//!   claim asks for less ──GrowClaim──▶ driver at work ──▶ as large as asked for
//!                                          │
//!                                          └─ waits for another pod ──▶ pod replaced, as in an update
//! ```
//!
//! Guarantees: no volume is asked to shrink, whatever the spec says; a pod is replaced for its volume once for each time that
//! its driver waits for that, and a primary that is replaced after an approval only is not; a refusal stops nothing else.

use crate::concern::Concern;
use crate::desired::Desired;
use crate::names::{self, reason};
use crate::observed::{ClaimSeen, Observed};
use crate::pod_seen::PodSeen;
use crate::report::State;
use crate::settings::bytes;
use crate::step::{RequeueClass, Step};
use chrono::TimeDelta;

/// A kubelet enlarges the file system of a volume in use when it next looks at its pod, within minutes.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

fn present<'a>(desired: &Desired, observed: &'a Observed) -> impl Iterator<Item = (&'a u32, &'a ClaimSeen)> {
    observed.claims.range(..desired.instances()).filter(|(_, claim)| !claim.deleting)
}

/// Asks for larger volumes. Some drivers enlarge them only while no server runs, so this goes on then.
pub(crate) fn grow(desired: &Desired, observed: &Observed) -> Concern {
    let Some(size) = desired.volume_size().map(bytes) else { return Concern::fine() };
    // A claim that has no volume yet cannot be changed.
    let is_smaller = |claim: &ClaimSeen| claim.capacity > 0 && claim.requested < size;
    let Some((ordinal, _)) = present(desired, observed).find(|(_, claim)| is_smaller(claim)) else {
        return Concern::fine();
    };
    let Some(why) = &observed.growth_refused else { return Concern::act(Step::GrowClaim(*ordinal)) };
    // Whoever waits for a primary, or for a last backup, is to read about that.
    if observed.primary().is_none() || desired.awaits_final_backup {
        return Concern::fine();
    }
    let message = format!(
        "Cannot enlarge volume claim {}: {}. Correct that, such as allowVolumeExpansion of its storage class, or set \
         spec.persistence.size back.",
        names::claim(&desired.name, *ordinal),
        why.trim_end_matches('.')
    );
    Concern::is_stuck(RequeueClass::Steady, State::Running, reason::VOLUME_GROWTH_REFUSED, message)
}

/// Says which volume is being enlarged.
pub(crate) fn growing(desired: &Desired, observed: &Observed) -> Concern {
    let behind = present(desired, observed).find(|(_, claim)| is_growing(claim));
    behind.map_or_else(Concern::fine, |(ordinal, claim)| {
        let (name, instance) = (names::claim(&desired.name, *ordinal), desired.instance(*ordinal));
        let trouble = claim.trouble.as_ref().map(|text| format!(" It reports: {}.", text.trim_end_matches('.')));
        let pod = observed.pods.get(ordinal);
        let needs_approval = pod.is_some_and(|pod| needs_another_pod(observed, *ordinal, pod))
            && keeps_its_pod(desired, observed, *ordinal);
        let advice = needs_approval.then(|| {
            format!(
                " It waits for another pod, and spec.update.primary is Approve: delete pod {instance} at a time of your choice."
            )
        });
        let message = format!(
            "Waiting until the driver has enlarged volume claim {name}.{}{}",
            trouble.unwrap_or_default(),
            advice.unwrap_or_default()
        );
        Concern::waits(RequeueClass::Steady, State::Updating, reason::VOLUME_GROWING, message)
    })
}

/// Whether a volume is smaller than its claim asks for. One that no pod has used yet has no size.
pub fn is_growing(claim: &ClaimSeen) -> bool {
    claim.capacity > 0 && claim.capacity < claim.requested
}

/// Whether a pod is to be replaced for its volume.
pub(crate) fn waits_for_another_pod(
    desired: &Desired,
    observed: &Observed,
    ordinal: u32,
    pod: &PodSeen,
) -> bool {
    needs_another_pod(observed, ordinal, pod) && !keeps_its_pod(desired, observed, ordinal)
}

/// A primary that is replaced after an approval only. No approval names a volume.
fn keeps_its_pod(desired: &Desired, observed: &Observed, ordinal: u32) -> bool {
    desired.asks_for_approval() && observed.primary().is_some_and(|(primary, _)| primary == ordinal)
}

/// Whether the volume of a pod gets larger with another pod only. One that was created since has not helped.
fn needs_another_pod(observed: &Observed, ordinal: u32, pod: &PodSeen) -> bool {
    let claim = observed.claims.get(&ordinal).filter(|claim| is_growing(claim));
    let since = claim.and_then(|claim| claim.waits_for_pod_since);
    since.is_some_and(|since| {
        observed.now - since >= PATIENCE && pod.created.is_some_and(|created| created < since)
    })
}
