//! The heart: from the wish and one look to the next step. One function per stage of a service's life;
//! each returns the first thing that is not as it should be.

use super::{
    connection, deletion,
    desired::{Desired, Vpc},
    diff,
    observed::{ConnectionSecret, Observed, ObservedService, Power, Remote},
    report::{Ready, Report},
    step::{Decision, Pace, ServicePatch, Step},
};
use crate::api::names::{self, reason};
use std::collections::BTreeMap;

/// The next step for `desired`, given what was seen.
pub fn decide(desired: &Desired, observed: &Observed) -> Decision {
    if desired.deleting {
        return deletion::decide(desired, observed);
    }
    if !desired.violations.is_empty() {
        return Decision {
            step: Step::Refuse(Pace::Quiet),
            report: Report::invalid_spec(&desired.violations),
        };
    }
    if let Vpc::Reference(name) = &desired.vpc {
        let message = format!(
            "spec.projectVPCRef names ProjectVPC {name}, which this version cannot follow; put the VPC's id into spec.projectVpcId instead"
        );
        return stuck(Report::new(Ready::Stuck, reason::INVALID_SPEC, message), Pace::Quiet);
    }
    match &observed.remote {
        Remote::Unknown => look(Report::new(Ready::Progressing, reason::CREATING, "Looking for the service")),
        Remote::Absent => absent(desired, observed),
        Remote::Present(service) => present(desired, observed, service),
    }
}

/// Whether the service carries this object's mark, or was this object's before marks existed.
pub(super) fn is_ours(desired: &Desired, service: &ObservedService) -> bool {
    match service.tags.get(names::OWNER_TAG) {
        Some(owner) => *owner == desired.uid,
        None => desired.initialized,
    }
}

pub(super) fn look(report: Report) -> Decision {
    Decision { step: Step::Look, report }
}

pub(super) fn stuck(report: Report, pace: Pace) -> Decision {
    Decision { step: Step::Refuse(pace), report }
}

pub(super) fn wait(report: Report, pace: Pace) -> Decision {
    Decision { step: Step::Wait(pace), report }
}

fn absent(desired: &Desired, observed: &Observed) -> Decision {
    let (kind, name, project) = (desired.kind.name(), &desired.name, &desired.project);
    if desired.initialized {
        let message = format!(
            "Service {name} in project {project} does not exist any more, and its data is gone; delete this {kind} and apply it again to get a new, empty service"
        );
        let mut report = Report::new(Ready::Stuck, reason::EXTERNAL_MISSING, message);
        report.running = Some(false);
        return stuck(report, Pace::Attentive);
    }
    let report = Report::new(
        Ready::Progressing,
        reason::CREATING,
        format!("Creating service {name} in project {project}"),
    );
    let step = if !desired.has_finalizer {
        Step::AddFinalizer
    } else if observed.object_is_live {
        Step::Create(Box::new(diff::creation(desired)))
    } else {
        Step::Look
    };
    Decision { step, report }
}

fn present(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    if let Some(refusal) = refuse_foreign(desired, service) {
        return refusal;
    }
    let progress = |reason, message: String| Report::about(service, Ready::Progressing, reason, message);
    if !desired.has_finalizer {
        return Decision {
            step: Step::AddFinalizer,
            report: progress(reason::UPDATING, "Taking the service over".to_owned()),
        };
    }
    let mut patch = diff::update(desired, service);
    if desired.powered && service.state.power() == Power::Off {
        patch.powered = Some(true);
    }
    if !patch.is_empty() {
        let reason = if patch.powered.is_some() { reason::POWERING_ON } else { reason::UPDATING };
        return send(desired, observed, service, patch, reason);
    }
    if let Some(tags) = diff::tags(desired, service) {
        return Decision {
            step: Step::ReplaceTags(tags),
            report: progress(reason::UPDATING, "Changing tags".to_owned()),
        };
    }
    match (desired.powered, service.state.power()) {
        (_, Power::Changing) => wait(building(desired, service), Pace::Building),
        (false, Power::Serving) => power_off(desired, observed, service),
        (false, Power::Off) => powered_off(desired, service),
        (true, Power::Serving) if observed.unsettled => wait(building(desired, service), Pace::Building),
        (true, _) => serving(desired, observed, service),
    }
}

/// Sends an update, once: an answer that still shows the old values is waited for, and one that shows
/// them for good is told instead of being sent over and over.
fn send(
    desired: &Desired,
    observed: &Observed,
    service: &ObservedService,
    patch: ServicePatch,
    reason: &'static str,
) -> Decision {
    let fields = patch.changed_fields().join(", ");
    if observed.sent.as_ref() != Some(&patch) {
        let report = Report::about(service, Ready::Progressing, reason, format!("Changing {fields}"));
        return Decision { step: Step::Update(Box::new(patch)), report };
    }
    if observed.unsettled || service.state.power() == Power::Changing {
        return wait(building(desired, service), Pace::Building);
    }
    let message = format!(
        "The provider accepted a change of {fields} for service {}, but still shows other values; edit the spec to try again",
        desired.name
    );
    stuck(Report::about(service, Ready::Stuck, reason::NOT_APPLIED, message), Pace::Attentive)
}

fn refuse_foreign(desired: &Desired, service: &ObservedService) -> Option<Decision> {
    let (kind, name, project) = (desired.kind.name(), &desired.name, &desired.project);
    if service.service_type != desired.kind.service_type() {
        let message = format!(
            "Service {name} in project {project} is of type {}, not {}; it is left alone. Rename this {kind}, or delete it and use the kind that fits",
            service.service_type,
            desired.kind.service_type()
        );
        return Some(stuck(Report::new(Ready::Stuck, reason::WRONG_SERVICE_TYPE, message), Pace::Attentive));
    }
    if is_ours(desired, service) {
        return None;
    }
    let owner = match service.tags.get(names::OWNER_TAG) {
        Some(uid) => format!("belongs to another object (uid {uid})"),
        None => "was not created by this object".to_owned(),
    };
    let message = format!(
        "Service {name} in project {project} exists already and {owner}; it is left alone. Choose another metadata.name, or delete that service first"
    );
    Some(stuck(Report::new(Ready::Stuck, reason::NOT_OWNED, message), Pace::Attentive))
}

fn building(desired: &Desired, service: &ObservedService) -> Report {
    let known = desired.annotations.contains_key(names::INSTANCE_RUNNING);
    let (reason, doing) = match (desired.powered, known) {
        (false, _) => (reason::POWERING_OFF, "is not ready to be powered off yet"),
        (true, true) => (reason::UPDATING, "is applying changes"),
        (true, false) => (reason::BUILDING, "is being built"),
    };
    let message = format!("Service {} {doing}; the provider says {}", desired.name, service.state.as_str());
    Report::about(service, Ready::Progressing, reason, message)
}

fn power_off(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    if service.termination_protection {
        let message = format!(
            "Service {} stays on: termination protection also protects it from power-off. Set spec.terminationProtection to false to let it go off",
            desired.name
        );
        return stuck(
            Report::about(service, Ready::Stuck, reason::TERMINATION_PROTECTED, message),
            Pace::Attentive,
        );
    }
    if service.backups == 0 {
        let message = format!(
            "Service {} is powered off as soon as it has a backup to come back from; it has none yet",
            desired.name
        );
        return wait(
            Report::about(service, Ready::Progressing, reason::WAITING_FOR_BACKUP, message),
            Pace::Attentive,
        );
    }
    let patch = ServicePatch { powered: Some(false), ..ServicePatch::default() };
    send(desired, observed, service, patch, reason::POWERING_OFF)
}

fn powered_off(desired: &Desired, service: &ObservedService) -> Decision {
    let message =
        format!("Service {} is powered off, as spec.powered says; its Secret is kept as it is", desired.name);
    settled(desired, false, Report::about(service, Ready::Yes, reason::POWERED_OFF, message))
}

fn serving(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    let about = |ready, reason, message: String| Report::about(service, ready, reason, message);
    let Some(target) = &desired.secret else {
        let message = format!("Service {} is running; its connection Secret is switched off", desired.name);
        return settled(desired, true, about(Ready::Yes, reason::RUNNING, message));
    };
    let name = &target.name;
    let Some(connection) = &service.connection else {
        let message = format!(
            "Service {} is running, but the provider does not say how to connect to it yet",
            desired.name
        );
        return wait(about(Ready::Progressing, reason::CREDENTIALS_UNAVAILABLE, message), Pace::Attentive);
    };
    match &observed.secret {
        ConnectionSecret::Unknown => {
            look(about(Ready::Progressing, reason::BUILDING, format!("Looking at Secret {name}")))
        }
        ConnectionSecret::Foreign { owner } => {
            let message = format!(
                "Secret {name} exists and {owner}; it is not overwritten. Delete it, or give this object another spec.connInfoSecretTarget.name"
            );
            stuck(about(Ready::Stuck, reason::SECRET_CONFLICT, message), Pace::Attentive)
        }
        ConnectionSecret::Ours { current: false, immutable: true } => {
            let message =
                format!("Secret {name} is immutable and outdated; delete it, and it is written anew");
            stuck(about(Ready::Stuck, reason::SECRET_IMMUTABLE, message), Pace::Attentive)
        }
        ConnectionSecret::Absent | ConnectionSecret::Ours { current: false, .. } => Decision {
            step: Step::WriteSecret(Box::new(connection::content(target, connection))),
            report: about(Ready::Progressing, reason::BUILDING, format!("Writing Secret {name}")),
        },
        ConnectionSecret::Ours { current: true, .. } => {
            let message =
                format!("Service {} is running and Secret {name} holds its connection", desired.name);
            settled(desired, true, about(Ready::Yes, reason::RUNNING, message))
        }
    }
}

/// The end of the way: only the bookkeeping annotations that other tools read may still be missing.
fn settled(desired: &Desired, running: bool, report: Report) -> Decision {
    let wanted = [
        (names::GENERATION_PROCESSED, desired.generation.to_string()),
        (names::INSTANCE_RUNNING, running.to_string()),
    ];
    let stale: BTreeMap<_, _> = wanted
        .into_iter()
        .filter(|(key, value)| desired.annotations.get(*key) != Some(value))
        .map(|(key, value)| (key, Some(value)))
        .collect();
    let step = if stale.is_empty() { Step::Done } else { Step::Annotate(stale) };
    Decision { step, report }
}
