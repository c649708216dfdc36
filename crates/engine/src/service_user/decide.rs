//! The next step for a `ServiceUser`.

use super::{
    decision::{self, Decision, stuck},
    deletion,
    desired::DesiredServiceUser,
    existing,
    observed::{Claims, ObservedServiceUser, SeenService, SeenServiceUser, ServiceOfUser, UserOfService},
    obstacles::{foreign, is_supported, of_other_type},
    status::Note,
    step::{ServiceUserStep, ServiceUserTarget},
};
use crate::{
    observed::Power,
    report::{Ready, Report},
    step::RequeueClass,
};
use valkeeper_api::{Custom as _, ServiceUser, names::reason};

/// The next step for `desired`, and what may be reported before it is done.
pub fn decide(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> Decision {
    if desired.policies.paused {
        return paused(desired);
    }
    if desired.deleting {
        return deletion::decide(desired, observed);
    }
    if !desired.violations.is_empty() {
        let step = ServiceUserStep::Requeue(RequeueClass::AwaitingSpecChange);
        return (step, Report::invalid_spec(&desired.violations));
    }
    match &observed.service {
        None => (ServiceUserStep::Observe(ServiceUserTarget::Service), creating(desired)),
        Some(ServiceOfUser::Absent) if desired.created && !observed.absence_is_certain => {
            doubtful(desired, "service")
        }
        Some(ServiceOfUser::Absent) => waits(desired, "does not exist"),
        Some(ServiceOfUser::Present(service)) => of_service(desired, observed, service),
    }
}

fn paused(desired: &DesiredServiceUser) -> Decision {
    let report = Report::paused(&format!("Reconciliation of {} {}", ServiceUser::NAME, desired.name));
    (ServiceUserStep::Requeue(RequeueClass::AwaitingSpecChange), report)
}

fn of_service(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
) -> Decision {
    if !is_supported(service) {
        return other_type(desired, service);
    }
    if !desired.has_finalizer {
        return (ServiceUserStep::AddFinalizer, creating(desired));
    }
    match (&service.user, service.state.power()) {
        (_, Power::Off) if desired.created => powered_off(desired),
        (_, Power::Off) => waits(desired, "is powered off"),
        (UserOfService::Unlisted, _) if desired.created => doubtful(desired, "user"),
        (UserOfService::Unlisted, _) => waits(desired, "does not list its users yet"),
        (UserOfService::Present(user), _) => present(desired, observed, service, user),
        (UserOfService::Absent, Power::Changing) => waits(desired, "is being built"),
        (UserOfService::Absent, Power::Serving) => absent(desired, observed),
    }
}

/// Users of other types have other Secrets; nothing is written to such a resource but its status.
fn other_type(desired: &DesiredServiceUser, service: &SeenService) -> Decision {
    stuck(reason::WRONG_SERVICE_TYPE, of_other_type(desired, service))
}

/// A user of a service that is powered off is as it was.
fn powered_off(desired: &DesiredServiceUser) -> Decision {
    let DesiredServiceUser { username, service, .. } = desired;
    let message = format!(
        "Service {service} is powered off. User {username} is compared and updated when the service runs again."
    );
    let report = Report::new(Ready::Unchanged, reason::SERVICE_NOT_READY, message);
    (ServiceUserStep::Requeue(RequeueClass::AwaitingExternal), report)
}

fn waits(desired: &DesiredServiceUser, why: &str) -> Decision {
    let DesiredServiceUser { username, service, project, .. } = desired;
    let what = if desired.created { "User" } else { "Creating user" };
    let message = format!(
        "{what} {username} waits for service {service} in project {project}, which {why}. The operator continues automatically when the service runs."
    );
    decision::waits(reason::SERVICE_NOT_READY, message)
}

pub(super) fn creating(desired: &DesiredServiceUser) -> Report {
    let DesiredServiceUser { username, service, project, .. } = desired;
    let message = format!("Creating user {username} of service {service} in project {project}.");
    Report::new(Ready::Progressing, reason::CREATING, message)
}

fn present(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    user: &SeenServiceUser,
) -> Decision {
    if desired.created {
        if desired.requested || !desired.is_recorded {
            return (ServiceUserStep::Note(Note::Created), existing::ready(desired));
        }
        return existing::decide(desired, observed, service, user);
    }
    if desired.requested && observed.creation_was_refused {
        return (ServiceUserStep::Note(Note::Refused), creating(desired));
    }
    let consents = desired.is_built_in() || desired.policies.adopts;
    if !desired.requested && (desired.policies.observes || !consents) {
        return foreign(desired, None);
    }
    match &observed.claims {
        Claims::Unknown => (ServiceUserStep::Observe(ServiceUserTarget::Claims), creating(desired)),
        Claims::Other(claim) if claim.comes_first => foreign(desired, Some(claim)),
        Claims::Other(_) | Claims::None => (ServiceUserStep::Note(Note::Created), creating(desired)),
    }
}

fn absent(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> Decision {
    let report = creating(desired);
    if desired.is_built_in() {
        return waits(desired, "does not show this user yet");
    }
    if desired.requested && observed.creation_was_refused {
        return (ServiceUserStep::Note(Note::Refused), report);
    }
    if !observed.token_is_held {
        return (existing::hold(desired), report);
    }
    if !observed.object_is_live {
        return (ServiceUserStep::Observe(ServiceUserTarget::Object), report);
    }
    match &observed.claims {
        Claims::Unknown => return (ServiceUserStep::Observe(ServiceUserTarget::Claims), report),
        Claims::Other(claim) if claim.comes_first => return foreign(desired, Some(claim)),
        Claims::Other(_) | Claims::None => {}
    }
    match (desired.created, desired.requested, observed.absence_is_certain) {
        (false, false, _) | (true, false, true) => (ServiceUserStep::Note(Note::Requested), report),
        (_, true, true) => (ServiceUserStep::Create, report),
        (true, _, false) => doubtful(desired, "user"),
        (false, true, false) => {
            let message = format!(
                "{} The result of the last request is not known yet. The operator retries automatically when the user does not appear.",
                report.message
            );
            (ServiceUserStep::Requeue(RequeueClass::Building), Report { message, ..report })
        }
    }
}

/// One read shows less than the one before, which may be its fault. What was true before may well still be.
fn doubtful(desired: &DesiredServiceUser, what: &str) -> Decision {
    let DesiredServiceUser { username, service, project, .. } = desired;
    let message = format!(
        "Aiven does not show the {what} of {} {} (user {username} of service {service} in project {project}). The operator reads again automatically before it draws a conclusion.",
        ServiceUser::NAME,
        desired.name
    );
    let report = Report::new(Ready::Unchanged, reason::EXTERNAL_MISSING, message);
    (ServiceUserStep::Requeue(RequeueClass::Building), report)
}
