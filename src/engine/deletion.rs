//! The end of a resource: what happens between `kubectl delete` and the release of the finalizer. A
//! service is deleted only when it is provably this object's, and the finalizer goes only when the
//! provider has confirmed that nothing is left, or when the user chose to keep the service.

use super::{
    decide::{look, stuck, wait},
    desired::Desired,
    observed::{Observed, ObservedService, Remote},
    ownership::is_ours_to_delete,
    policies::DeletionPolicy,
    report::{Ready, Report},
    step::{Decision, Pace, ServicePatch, Step},
};
use crate::api::names::reason;

pub(super) fn decide(desired: &Desired, observed: &Observed) -> Decision {
    let report =
        Report::new(Ready::Progressing, reason::DELETING, format!("Deleting service {}", desired.name));
    if !desired.has_finalizer {
        return Decision { step: Step::Done, report };
    }
    if desired.is_releasing {
        return Decision { step: Step::ReleaseFinalizer, report };
    }
    match &desired.policies.deletion {
        DeletionPolicy::Orphan => return Decision { step: Step::ReleaseFinalizer, report },
        DeletionPolicy::Unknown { place, value } => {
            let message = format!(
                "{place} is {value:?}, which is neither Orphan nor Delete; nothing is deleted until it is corrected or removed"
            );
            return stuck(Report::new(Ready::Stuck, reason::UNKNOWN_DELETION_POLICY, message), Pace::Quiet);
        }
        DeletionPolicy::Delete => {}
    }
    match &observed.remote {
        Remote::Unknown => look(report),
        Remote::Absent if observed.absence_is_certain => Decision { step: Step::ReleaseFinalizer, report },
        Remote::Absent => wait(report, Pace::Building),
        Remote::Present(service) => present(desired, observed, service, report),
    }
}

fn present(desired: &Desired, observed: &Observed, service: &ObservedService, report: Report) -> Decision {
    if !is_ours_to_delete(desired, service) {
        return Decision { step: Step::ReleaseFinalizer, report };
    }
    if let Some(decision) = protection(desired, service) {
        return decision;
    }
    if observed.deletion_requested {
        return wait(report, Pace::Building);
    }
    let step = if observed.object_is_live { Step::Delete } else { Step::Look };
    Decision { step, report }
}

/// Both edits may arrive together: protection lifted in the spec and the object deleted.
fn protection(desired: &Desired, service: &ObservedService) -> Option<Decision> {
    if desired.termination_protection == Some(true) {
        let message = format!(
            "Service {} is not deleted: spec.terminationProtection is true. Set it to false to go on",
            desired.name
        );
        return Some(stuck(
            Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message),
            Pace::Quiet,
        ));
    }
    if !service.termination_protection {
        return None;
    }
    if desired.termination_protection == Some(false) || desired.was_removed("terminationProtection") {
        let patch = ServicePatch { termination_protection: Some(false), ..ServicePatch::default() };
        let message = format!("Lifting the termination protection of service {}", desired.name);
        let report = Report::about(service, Ready::Progressing, reason::DELETING, message);
        return Some(Decision { step: Step::Update(Box::new(patch)), report });
    }
    let message = format!(
        "Service {} is not deleted: it was protected at the provider, not by this object. Set spec.terminationProtection to false to go on, or lift the protection there",
        desired.name
    );
    Some(stuck(Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message), Pace::Attentive))
}
