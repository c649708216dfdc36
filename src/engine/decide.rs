//! The heart: from the wish and one look to the next step. One function per stage of a service's life;
//! each returns the first thing that is not as it should be.

use super::{
    connection, deletion,
    desired::Desired,
    diff, migration, network,
    observed::{ConnectionSecret, Observed, ObservedService, Power, Remote},
    ownership, power,
    report::{Ready, Report},
    source,
    step::{Decision, Pace, Step},
    update,
};
use crate::api::names::{self, reason};
use std::collections::BTreeMap;

/// The next step for `desired`, given what was seen.
pub fn decide(desired: &Desired, observed: &Observed) -> Decision {
    let resolved = network::resolved(desired, observed);
    let desired = resolved.as_ref().unwrap_or(desired);
    let mut decision = network::complete(desired, observed, next(desired, observed));
    if observed.listed && !decision.step.suits_a_listing() {
        // A list only says where to look: whatever matters is decided on the service itself.
        decision.step = Step::Look;
    }
    if matches!(decision.step, Step::Done) && migration::is_under_way(observed) {
        decision.step = Step::Wait(Pace::Attentive);
    }
    decision.report.password_exposed = desired.password_in_spec;
    decision.report.migration = migration::note(desired, observed, &decision.step);
    decision
}

fn next(desired: &Desired, observed: &Observed) -> Decision {
    if desired.policies.paused {
        let message =
            format!("Nothing is written for this object until annotation {} is removed", names::PAUSED);
        let report = Report { paused: true, ..Report::new(Ready::Unchanged, reason::PAUSED, message) };
        return stuck(report, Pace::Quiet);
    }
    if desired.deleting {
        return deletion::decide(desired, observed);
    }
    if !desired.violations.is_empty() {
        return Decision {
            step: Step::Refuse(Pace::Quiet),
            report: Report::invalid_spec(&desired.violations),
        };
    }
    match &observed.remote {
        Remote::Unknown => look(Report::new(Ready::Progressing, reason::CREATING, "Looking for the service")),
        Remote::Absent => absent(desired, observed),
        Remote::Present(service) => present(desired, observed, service),
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
    if desired.initialized && !desired.policies.recreates {
        let message = format!(
            "Service {name} in project {project} does not exist any more, and its data is gone; set spec.recreatePolicy to Always to get a new, empty service, or delete this {kind}"
        );
        let mut report = Report::new(Ready::Stuck, reason::EXTERNAL_MISSING, message);
        report.running = Some(false);
        return stuck(report, Pace::Attentive);
    }
    if let Some(decision) = network::obstacle(desired, observed) {
        return decision;
    }
    if let Some(decision) = source::obstacle(desired, observed) {
        return decision;
    }
    let report = Report::new(
        Ready::Progressing,
        reason::CREATING,
        format!("Creating service {name} in project {project}"),
    );
    let step = if !desired.has_finalizer {
        Step::AddFinalizer
    } else if !observed.token_is_held {
        Step::HoldToken
    } else if observed.object_is_live {
        Step::Create(Box::new(diff::creation(desired)))
    } else {
        Step::Look
    };
    Decision { step, report }
}

fn present(desired: &Desired, observed: &Observed, service: &ObservedService) -> Decision {
    if let Some(decision) = ownership::claim(desired, observed, service) {
        return decision;
    }
    if !desired.has_finalizer {
        let message = format!("Taking over service {}", desired.name);
        let report = Report::about(service, Ready::Progressing, reason::ADOPTING, message);
        return Decision { step: Step::AddFinalizer, report };
    }
    if !observed.token_is_held {
        let report = Report::about(service, Ready::Progressing, reason::UPDATING, "Holding the token Secret");
        return Decision { step: Step::HoldToken, report };
    }
    let drift = match update::next(desired, observed, service) {
        Err(decision) => return *decision,
        Ok(drift) => drift,
    };
    let mut decision = match (desired.powered, service.state.power()) {
        (_, Power::Changing) => wait(update::building(desired, observed, service), Pace::Building),
        (false, Power::Serving) => power::off(desired, observed, service),
        (false, Power::Off) => power::is_off(desired, service),
        (true, Power::Serving) if observed.unsettled => {
            wait(update::building(desired, observed, service), Pace::Building)
        }
        (true, Power::Serving) => serving(desired, observed, service),
        (true, Power::Off) => power::is_off_by_others(desired, service),
    };
    decision.report.drift = decision.report.drift.or(drift);
    decision
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
pub(super) fn settled(desired: &Desired, running: bool, report: Report) -> Decision {
    let wanted = [
        (names::GENERATION_PROCESSED, Some(desired.generation.to_string())),
        (names::INSTANCE_RUNNING, Some(running.to_string())),
        (names::TOKEN_SECRET, desired.token_secret.clone()),
    ];
    let mut stale = BTreeMap::from(wanted);
    if desired.status_has_declarations {
        stale.insert(names::DECLARED_FIELDS, None);
    }
    stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());
    // Worth a note on the way, not a write of its own.
    let new_token = !desired.annotations.contains_key(names::TOKEN_SECRET);
    let can_wait = |key: &str| key == names::DECLARED_FIELDS || (key == names::TOKEN_SECRET && new_token);
    if stale.keys().all(|key| can_wait(key)) {
        stale.clear();
    }
    let step = if stale.is_empty() { Step::Done } else { Step::Annotate(stale) };
    Decision { step, report }
}
