//! Bringing an existing service to what the spec declares: the next update or replacement of tags, the
//! difference between drift and news of the spec, and what to say while the provider works on it.

use super::{
    decide::{stuck, wait},
    desired::Desired,
    diff, drift,
    observed::{Observed, ObservedService, Power},
    report::{DriftSeen, Ready, Report},
    step::{Decision, Pace, ServicePatch, Step},
};
use crate::api::names::{self, reason};

/// The next change of the service, or nothing and the drift that is only to be reported.
pub(super) fn next(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
) -> Result<Option<DriftSeen>, Box<Decision>> {
    let mut patch = diff::update(desired, service);
    if desired.powered && service.state.power() == Power::Off {
        patch.powered = Some(true);
    }
    if patch.disk_space_mb.is_some() && service.disk_is_managed {
        return Err(Box::new(disk_refusal(desired, service)));
    }
    let tags = diff::tags(desired, service);
    let drifted = drift::fields(desired, service, &patch, tags.as_ref());
    if !drifted.is_empty() && !desired.policies.corrects_drift {
        return Ok(Some(DriftSeen { corrected: false, fields: drifted }));
    }
    let seen = (!drifted.is_empty()).then_some(DriftSeen { corrected: true, fields: drifted });
    let decision = if !patch.is_empty() {
        let reason = if patch.powered.is_some() { reason::POWERING_ON } else { reason::UPDATING };
        send(desired, observed, service, patch, reason)
    } else if let Some(tags) = tags {
        let message = format!("Changing tags of service {}", desired.name);
        let report = Report::about(service, Ready::Progressing, reason::UPDATING, message);
        Decision { step: Step::ReplaceTags(tags), report }
    } else {
        return Ok(None);
    };
    Err(Box::new(with_drift(decision, seen)))
}

/// Sends an update, once: an answer that still shows the old values is waited for, and one that shows
/// them for good is told instead of being sent over and over.
pub(super) fn send(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    patch: ServicePatch,
    reason: &'static str,
) -> Decision {
    let fields = patch.changed_fields().join(", ");
    if observed.sent.as_ref() != Some(&patch) {
        let message = match patch.powered {
            Some(false) => format!("Powering off service {}", desired.name),
            Some(true) => format!("Powering on service {}", desired.name),
            None => format!("Changing {fields} of service {}", desired.name),
        };
        let report = Report::about(service, Ready::Progressing, reason, message);
        return Decision { step: Step::Update(Box::new(patch)), report };
    }
    if observed.unsettled || service.state.power() == Power::Changing {
        return wait(building(desired, observed, service), Pace::Building);
    }
    // A last backup is taken first, and the provider calls it running until then.
    if patch.powered == Some(false) {
        return wait(building(desired, observed, service), Pace::Building);
    }
    let message = format!(
        "The provider accepted a change of {fields} for service {}, but still shows other values; edit the spec to try again",
        desired.name
    );
    stuck(Report::about(service, Ready::Stuck, reason::NOT_APPLIED, message), Pace::Attentive)
}

/// What to say while the provider works.
pub(super) fn building(desired: &Desired, observed: &Observed, service: &ObservedService) -> Report {
    let known = desired.annotations.contains_key(names::INSTANCE_RUNNING);
    let power = observed.sent.as_ref().and_then(|patch| patch.powered);
    let (reason, doing) = match (desired.powered, power, known) {
        (false, Some(false), _) => (reason::POWERING_OFF, "is being powered off"),
        (false, _, _) => (reason::BUILDING, "is not ready to be powered off yet"),
        (true, Some(true), _) => (reason::POWERING_ON, "is being powered on"),
        (true, _, true) => (reason::UPDATING, "is applying changes"),
        (true, _, false) => (reason::BUILDING, "is being built"),
    };
    let message = format!("Service {} {doing}; the provider says {}", desired.name, service.state.as_str());
    Report::about(service, Ready::Progressing, reason, message)
}

fn with_drift(mut decision: Decision, seen: Option<DriftSeen>) -> Decision {
    if let Some(seen) = seen {
        if !decision.step.ends_the_pass() {
            decision.report.reason = reason::DRIFT;
            decision.report.message =
                format!("Changing back what was changed at the provider: {}", drift::summary(&seen.fields));
        }
        decision.report.drift = Some(seen);
    }
    decision
}

fn disk_refusal(desired: &Desired, service: &ObservedService) -> Decision {
    let message = format!(
        "spec.disk_space cannot be applied: an autoscaler integration manages the disk of service {}. Remove the field, or the integration",
        desired.name
    );
    stuck(Report::about(service, Ready::Stuck, reason::DISK_SPACE_MANAGED, message), Pace::Attentive)
}
