//! Drift and edits: which differences are sent, which are only reported, and how.

use super::{
    concern::{Concern, Finding},
    desired::Desired,
    difference,
    report::DriftSeen,
    step::RequeueClass,
};
use valkeeper_api::{names::reason, status::DriftedField};

/// More fields than this are counted, not listed.
const MAX_REPORTED: usize = 20;

/// What becomes of the differences of one concern.
pub(super) struct Plan<'d, D> {
    /// Those that are sent.
    pub(super) sent: Vec<&'d D>,
    /// Those of them that were changed externally at the provider.
    pub(super) drift: Vec<&'d D>,
    /// Those that are left as they are.
    pub(super) left: Vec<&'d D>,
}

impl<'d, D> Plan<'d, D> {
    pub(super) fn of(
        desired: &Desired,
        differences: impl Iterator<Item = &'d D>,
        path: impl Fn(&D) -> &str,
    ) -> Self {
        let mut plan = Self { sent: Vec::new(), drift: Vec::new(), left: Vec::new() };
        for one in differences {
            let is_edit = desired.is_edit(path(one));
            if desired.policies.observes || !(is_edit || desired.policies.corrects_drift) {
                plan.left.push(one);
                continue;
            }
            plan.sent.push(one);
            if !is_edit {
                plan.drift.push(one);
            }
        }
        plan
    }

    /// Whether nothing is sent but what was changed at the provider.
    pub(super) fn is_drift(&self) -> bool {
        !self.sent.is_empty() && self.drift.len() == self.sent.len()
    }
}

/// Drift that is being changed back.
pub(super) fn corrected(fields: impl Iterator<Item = DriftedField>) -> Option<DriftSeen> {
    seen(fields, true)
}

/// The report of differences that stay. One that only keeps a resource from its declared state is drift; for a
/// resource that only observes, it is the result.
pub(super) fn reported(desired: &Desired, fields: impl Iterator<Item = DriftedField>) -> Concern {
    let Some(drift) = seen(fields, false) else { return Concern::fine() };
    if !desired.policies.observes {
        return Concern { drift: Some(drift), ..Concern::fine() };
    }
    let message = format!(
        "Service {} differs from the spec and is only observed: {}. To apply the spec, set spec.adoptionPolicy: Adopt.",
        desired.name,
        difference::summary(&drift.fields)
    );
    Concern {
        drift: Some(drift),
        ..Concern::is_stuck(reason::OBSERVING, message, RequeueClass::AwaitingSpecChange)
    }
}

/// Marks a concern that changes nothing but drift.
pub(super) fn named(concern: Concern, is_drift: bool, drift: Option<DriftSeen>) -> Concern {
    let (true, Some(drift), Some(finding), Some(_)) = (is_drift, &drift, &concern.finding, &concern.step)
    else {
        return Concern { drift: drift.filter(|_| concern.step.is_some()), ..concern };
    };
    let message = format!("Reverting what was changed at Aiven: {}.", difference::summary(&drift.fields));
    let finding = Finding { reason: reason::DRIFT, message, ..finding.clone() };
    Concern { finding: Some(finding), drift: Some(drift.clone()), ..concern }
}

fn seen(fields: impl Iterator<Item = DriftedField>, corrected: bool) -> Option<DriftSeen> {
    let fields: Vec<_> = fields.take(MAX_REPORTED).collect();
    (!fields.is_empty()).then_some(DriftSeen { corrected, fields })
}
