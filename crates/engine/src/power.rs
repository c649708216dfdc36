//! Whether the service runs. Powering off is irreversible where there is nothing to come back from, so it
//! waits for a backup unless the user accepts the loss.

use super::{
    concern::Concern,
    desired::Desired,
    drift,
    observed::{Observed, ObservedService, Power},
    report::DriftSeen,
    request::{ServicePatch, Target},
    scheduled_power::ScheduledPower,
    step::{RequeueClass, Step},
    violations::{self, Part},
};
use valkeeper_api::{
    names::{self, reason},
    status::DriftedField,
};

/// The step and the report for the state of the service.
pub(super) fn concern(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    if violations::concern(desired, Part::Power) {
        return Concern::fine();
    }
    match (desired.powered, service.state.power()) {
        (_, Power::Changing) => building(desired, observed, service),
        (false, Power::Serving) => off(desired, observed, service),
        (false, Power::Off) => is_off(desired),
        (true, Power::Serving) if observed.unsettled => building(desired, observed, service),
        (true, Power::Serving) => runs(desired),
        (true, Power::Off) => on(desired, observed, service),
    }
}

/// The request to override the schedule is over: it is removed before anything follows from that. While the service
/// changes, users may make the same request again, which would not differ from this one.
pub(super) fn request(desired: &Desired) -> Concern {
    let is_over = |schedule: &ScheduledPower| schedule.override_is_over && schedule.is_recorded;
    if !desired.schedule.as_ref().is_some_and(is_over) || !desired.annotations.contains_key(names::POWER) {
        return Concern::fine();
    }
    let reason = if desired.powered { reason::POWERING_ON } else { reason::POWERING_OFF };
    let message = format!("The override of the power schedule of service {} is over.", desired.name);
    Concern::act(Step::Annotate([(names::POWER, None)].into()), reason, message)
}

/// The report while the provider works.
pub(super) fn building(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let known = desired.annotations.contains_key(names::INSTANCE_RUNNING);
    let power = observed.sent.as_ref().and_then(|patch| patch.powered);
    let (reason, doing) = match (desired.powered, power, known) {
        (false, Some(false), _) => (reason::POWERING_OFF, "is being powered off"),
        (false, _, _) => (reason::BUILDING, "is not ready to be powered off yet"),
        (true, Some(true), _) => (reason::POWERING_ON, "is being powered on"),
        (true, _, true) => (reason::UPDATING, "is applying changes"),
        (true, _, false) => (reason::BUILDING, "is being built"),
    };
    let message = format!("Service {} {doing} (state {}).", desired.name, service.state.as_str());
    Concern::waits(reason, message, RequeueClass::Building)
}

fn runs(desired: &Desired) -> Concern {
    let name = &desired.name;
    let message = match &desired.secret {
        Some(target) => {
            format!("Service {name} is running. Secret {} holds its connection.", target.name)
        }
        None => format!("Service {name} is running. Its connection Secret is disabled."),
    };
    Concern::holds(reason::RUNNING, message)
}

fn is_off(desired: &Desired) -> Concern {
    let message = format!(
        "Service {} is powered off, as {} declares{}. Its Secret is unchanged.",
        desired.name,
        cause(desired),
        until(desired)
    );
    Concern::holds(reason::POWERED_OFF, message)
}

/// The service runs and should not.
fn off(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let name = &desired.name;
    if service.termination_protection {
        let message = format!(
            "Cannot power off service {name}: termination protection also blocks power-off. To power it off, set spec.terminationProtection: false."
        );
        return Concern::is_stuck(reason::TERMINATION_PROTECTED, message, RequeueClass::AwaitingExternal);
    }
    if service.backups == 0 && !desired.policies.accepts_data_loss {
        return waits_for_backup(desired, service);
    }
    let patch = powered(false);
    if observed.was_sent(&patch) {
        // A last backup is taken first, and the provider calls it running until then.
        return building(desired, observed, service);
    }
    let message = match desired.schedule {
        Some(_) => format!("Powering off service {name}, as {} declares.", cause(desired)),
        None => format!("Powering off service {name}."),
    };
    if !observed.object_is_live {
        // The cache may not show yet that the service is to run after all.
        return Concern::act(Step::Observe(Target::Object), reason::POWERING_OFF, message);
    }
    send(desired, service, patch, reason::POWERING_OFF, message)
}

fn waits_for_backup(desired: &Desired, service: &ObservedService) -> Concern {
    let name = &desired.name;
    if service.never_has_backups(desired.kind) {
        let message = format!(
            "Cannot power off service {name}: it never gets a backup to restore from, because it is a read replica or its persistence is off. If its data may be lost, set spec.powerOffPolicy: AcceptDataLoss."
        );
        return Concern::is_stuck(reason::WAITING_FOR_BACKUP, message, RequeueClass::AwaitingExternal);
    }
    let message = format!(
        "Waiting to power off service {name} until its first backup exists, from which it is restored."
    );
    Concern::waits(reason::WAITING_FOR_BACKUP, message, RequeueClass::AwaitingExternal)
}

/// The service is off and should run.
fn on(desired: &Desired, observed: &Observed, service: &ObservedService) -> Concern {
    let name = &desired.name;
    let patch = powered(true);
    if observed.was_sent(&patch) {
        if observed.unsettled {
            return building(desired, observed, service);
        }
        let message = format!(
            "Cannot power on service {name}: Aiven accepted the request and still shows the service powered off. To retry, edit the spec."
        );
        return Concern::is_stuck(reason::NOT_APPLIED, message, RequeueClass::AwaitingExternal);
    }
    let message = match desired.schedule {
        Some(_) => format!("Powering on service {name}, as {} declares.", cause(desired)),
        None => format!("Powering on service {name}."),
    };
    send(desired, service, patch, reason::POWERING_ON, message)
}

/// Where it is declared whether the service runs.
fn cause(desired: &Desired) -> String {
    match &desired.schedule {
        Some(schedule) if schedule.is_overridden => format!("annotation {}", names::POWER),
        Some(_) => "spec.powerSchedule".to_owned(),
        None => "spec.powered".to_owned(),
    }
}

/// When the schedule powers the service on again, as a phrase.
fn until(desired: &Desired) -> String {
    let next = desired.schedule.as_ref().and_then(|schedule| schedule.status.next_on);
    next.map(|next| format!(" until {}", next.format("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default()
}

fn send(
    desired: &Desired,
    service: &ObservedService,
    patch: ServicePatch,
    reason: &'static str,
    message: String,
) -> Concern {
    let drift = DriftedField {
        field: "spec.powered".to_owned(),
        declared: desired.powered.to_string(),
        found: (service.state.power() == Power::Serving).to_string(),
    };
    let is_edit = desired.is_edit("powered");
    if desired.policies.observes {
        return drift::reported(desired, [drift].into_iter());
    }
    if !is_edit && !desired.policies.corrects_drift {
        return left_so(desired, drift);
    }
    let corrected = drift::corrected([drift].into_iter().filter(|_| !is_edit));
    drift::named(Concern::act(Step::Update(Box::new(patch)), reason, message), !is_edit, corrected)
}

/// The service was switched externally at the provider, and drift is only reported.
fn left_so(desired: &Desired, drift: DriftedField) -> Concern {
    let was = if desired.powered { "off" } else { "on" };
    let message = format!(
        "Service {} was powered {was} at Aiven, and spec.driftPolicy: Report leaves it so. Change it at Aiven, or set spec.driftPolicy: Correct.",
        desired.name
    );
    let drift = Some(DriftSeen { corrected: false, fields: vec![drift] });
    Concern { drift, ..Concern::is_stuck(reason::DRIFT, message, RequeueClass::AwaitingExternal) }
}

fn powered(on: bool) -> ServicePatch {
    ServicePatch { powered: Some(on), ..ServicePatch::default() }
}
