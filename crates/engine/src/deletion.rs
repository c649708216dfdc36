//! The end of a resource: what happens between `kubectl delete` and the release of the finalizer. A
//! service is deleted only when it is provably this object's, and the finalizer goes only when the
//! provider has confirmed that nothing is left, or when the user chose to keep the service.

use super::{
    desired::Desired,
    handover,
    observed::{Observed, ObservedService, Remote},
    ownership::is_ours_to_delete,
    policies::{DeletionPolicy, unknown_deletion},
    report::{Ready, Report},
    request::{ServicePatch, Target},
    step::{Decision, RequeueClass, Step},
    token_release,
};
use valkeeper_api::names::reason;

pub(super) fn decide(desired: &Desired, observed: &Observed) -> Decision {
    let report =
        Report::new(Ready::Progressing, reason::DELETING, format!("Deleting service {}.", desired.name));
    if !desired.has_finalizer {
        return Decision { step: Step::Done, report };
    }
    if desired.is_releasing {
        return release(desired, observed, report);
    }
    match &desired.policies.deletion {
        DeletionPolicy::Orphan => {
            return match handover::before_orphaning(desired, observed) {
                Some(first) => for_successor(first),
                None => release(desired, observed, report),
            };
        }
        DeletionPolicy::Unknown { place, value } => {
            let message = unknown_deletion(&format!("service {}", desired.name), place, value);
            let report = Report::new(Ready::Stuck, reason::UNKNOWN_DELETION_POLICY, message);
            return stuck(report, RequeueClass::AwaitingSpecChange);
        }
        DeletionPolicy::Delete => {}
    }
    match &observed.remote {
        Remote::Unknown => Decision { step: Step::Observe(Target::Service), report },
        Remote::Absent | Remote::Present(_) if may_appear(desired, observed) => {
            wait(late(desired), RequeueClass::Building)
        }
        Remote::Absent if observed.absence_is_certain => release(desired, observed, report),
        Remote::Absent => wait(report, RequeueClass::Building),
        Remote::Present(service) => present(desired, observed, service, report),
    }
}

/// Nothing is left at the provider that is this resource's, or the user chose to keep it.
fn release(desired: &Desired, observed: &Observed, report: Report) -> Decision {
    let step = token_release::release(observed.held_names.as_ref(), desired.is_releasing).into();
    Decision { step, report }
}

/// Whether the resource has to stay because of its own requests, although its service does not exist. A request that
/// creates it may still take effect, and one that changes or deletes it would hit the next service of its name.
fn may_appear(desired: &Desired, observed: &Observed) -> bool {
    let seen = matches!(&observed.remote, Remote::Present(service) if is_ours_to_delete(desired, service));
    observed.requests_may_take_effect && !seen
}

fn late(desired: &Desired) -> Report {
    let message = format!(
        "Service {} does not exist, and earlier requests may still take effect. The operator waits until they cannot. No action is needed.",
        desired.name
    );
    Report::new(Ready::Progressing, reason::DELETING, message)
}

fn stuck(report: Report, requeue: RequeueClass) -> Decision {
    Decision { step: Step::Refuse(requeue), report }
}

fn wait(report: Report, requeue: RequeueClass) -> Decision {
    Decision { step: Step::Wait(requeue), report }
}

fn present(desired: &Desired, observed: &Observed, service: &ObservedService, report: Report) -> Decision {
    let is_deleted = is_ours_to_delete(desired, service);
    if let Some(first) = handover::before_deletion(desired, observed, service, is_deleted) {
        return for_successor(first);
    }
    if !is_deleted {
        return release(desired, observed, report);
    }
    if let Some(decision) = protection(desired, service) {
        return decision;
    }
    if observed.deletion_requested {
        return wait(report, RequeueClass::Building);
    }
    let step = if observed.object_is_live { Step::Delete } else { Step::Observe(Target::Object) };
    Decision { step, report }
}

fn for_successor((step, message): (Step, String)) -> Decision {
    Decision { step, report: Report::new(Ready::Progressing, reason::DELETING, message) }
}

/// Both edits may arrive together: protection lifted in the spec and the object deleted.
fn protection(desired: &Desired, service: &ObservedService) -> Option<Decision> {
    if desired.termination_protection == Some(true) {
        let message = format!(
            "Cannot delete service {}: spec.terminationProtection is true. To delete it, set spec.terminationProtection: false.",
            desired.name
        );
        return Some(stuck(
            Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message),
            RequeueClass::AwaitingSpecChange,
        ));
    }
    if !service.termination_protection {
        return None;
    }
    if desired.termination_protection == Some(false) || desired.was_removed("terminationProtection") {
        let patch = ServicePatch { termination_protection: Some(false), ..ServicePatch::default() };
        let message = format!("Removing the termination protection of service {}.", desired.name);
        let report = Report::about(service, Ready::Progressing, reason::DELETING, message);
        return Some(Decision { step: Step::Update(Box::new(patch)), report });
    }
    let message = format!(
        "Cannot delete service {}: it was protected at Aiven, not by the spec. To delete it, set spec.terminationProtection: false, or remove the protection at Aiven.",
        desired.name
    );
    Some(stuck(
        Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message),
        RequeueClass::AwaitingExternal,
    ))
}
