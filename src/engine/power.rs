//! Powering off, and being off. Off is irreversible where there is nothing to come back from, so it waits
//! for a backup unless the user accepts the loss.

use super::{
    decide::{look, settled, stuck, wait},
    desired::Desired,
    observed::{Observed, ObservedService},
    report::{Ready, Report},
    step::{Decision, Pace, ServicePatch},
    update::send,
};
use crate::api::names::reason;

/// The service runs and should not.
pub(super) fn off(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    let name = &desired.name;
    if service.termination_protection {
        let message = format!(
            "Service {name} stays on: termination protection also protects it from power-off. Set spec.terminationProtection to false to let it go off"
        );
        let report = Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message);
        return stuck(report, Pace::Attentive);
    }
    if service.backups == 0 && !desired.policies.accepts_data_loss {
        let never = if service.never_has_backups(desired.kind) {
            ", and it never will: it is a read replica, or its persistence is off. Set spec.powerOffPolicy to AcceptDataLoss if its data may be lost"
        } else {
            ""
        };
        let message = format!(
            "Service {name} will be powered off as soon as it has a backup to come back from; it has none yet{never}"
        );
        let ready = if never.is_empty() { Ready::Progressing } else { Ready::Stuck };
        return wait(Report::about(service, ready, reason::WAITING_FOR_BACKUP, message), Pace::Attentive);
    }
    let patch = ServicePatch { powered: Some(false), ..ServicePatch::default() };
    if !observed.object_is_live && observed.sent.as_ref() != Some(&patch) {
        // A cache may not have heard yet that the service is to run after all.
        let message = format!("Powering off service {name}");
        return look(Report::about(service, Ready::Progressing, reason::POWERING_OFF, message));
    }
    send(desired, observed, service, patch, reason::POWERING_OFF)
}

/// The service is off and should be.
pub(super) fn is_off(desired: &Desired, service: &ObservedService) -> Decision {
    let message =
        format!("Service {} is powered off, as spec.powered says; its Secret is kept as it is", desired.name);
    settled(desired, false, Report::about(service, Ready::Yes, reason::POWERED_OFF, message))
}

/// The service is off, should not be, and drift is only to be reported.
pub(super) fn is_off_by_others(desired: &Desired, service: &ObservedService) -> Decision {
    let message = format!(
        "Service {} was powered off at the provider, and spec.driftPolicy leaves it so; power it on there, or set the policy to Correct",
        desired.name
    );
    stuck(Report::about(service, Ready::Stuck, reason::DRIFT, message), Pace::Attentive)
}
