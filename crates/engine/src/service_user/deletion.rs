//! The end of a `ServiceUser`. Its user is deleted, and the finalizer is released when reads show that it is gone. A user
//! that another resource manages as well stays, and so does the one that each service has.

use super::{
    decision::{Decision, stuck},
    desired::DesiredServiceUser,
    observed::{Claims, ObservedServiceUser, SeenService, ServiceOfUser, UserOfService},
    obstacles::{is_supported, of_other_type},
    step::{ServiceUserStep, ServiceUserTarget},
};
use crate::{
    observed::Power,
    policies::{DeletionPolicy, unknown_deletion},
    report::{Ready, Report},
    step::RequeueClass,
    token_release,
};
use valkeeper_api::{
    Custom as _, ServiceUser,
    names::{self, reason},
};

pub(super) fn decide(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> Decision {
    let DesiredServiceUser { username, service, name, .. } = desired;
    let message = format!("Deleting user {username} of service {service}.");
    let report = Report::new(Ready::Progressing, reason::DELETING, message);
    if !desired.has_finalizer {
        return (ServiceUserStep::Requeue(RequeueClass::AwaitingSpecChange), report);
    }
    let is_requested = desired.requested && !observed.creation_was_refused;
    let nothing_to_delete = desired.is_built_in() || !(desired.created || is_requested);
    match &desired.policies.deletion {
        _ if desired.is_releasing => return release(desired, observed, report),
        DeletionPolicy::Orphan => return release(desired, observed, report),
        DeletionPolicy::Unknown { place, value } => {
            let message = unknown_deletion(&format!("{} {name}", ServiceUser::NAME), place, value);
            let report = Report::new(Ready::Stuck, reason::UNKNOWN_DELETION_POLICY, message);
            return (ServiceUserStep::Requeue(RequeueClass::AwaitingSpecChange), report);
        }
        DeletionPolicy::Delete if nothing_to_delete => return release(desired, observed, report),
        DeletionPolicy::Delete => {}
    }
    match &observed.service {
        None => (ServiceUserStep::Observe(ServiceUserTarget::Service), report),
        Some(ServiceOfUser::Absent) => gone(desired, observed, report),
        Some(ServiceOfUser::Present(service)) => of_service(desired, observed, service, report),
    }
}

fn of_service(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    report: Report,
) -> Decision {
    if !is_supported(service) {
        return stuck(reason::WRONG_SERVICE_TYPE, of_other_type(desired, service));
    }
    let why = match (service.state.power(), &service.user) {
        (Power::Off, _) => "is powered off",
        // What a service shows before it is complete proves no absence.
        (Power::Changing, UserOfService::Absent) => "is being rebuilt",
        (_, UserOfService::Unlisted) => "does not list its users",
        (Power::Serving, UserOfService::Absent) => return gone(desired, observed, report),
        (_, UserOfService::Present(_)) => return present(desired, observed, report),
    };
    let message = format!(
        "{} Service {} {why}; its users can be deleted when it runs. {}",
        report.message,
        desired.service,
        without_user(desired)
    );
    let report = Report { message, reason: reason::SERVICE_NOT_READY, ..report };
    (ServiceUserStep::Requeue(RequeueClass::AwaitingExternal), report)
}

/// How to give up the user.
fn without_user(desired: &DesiredServiceUser) -> String {
    format!(
        "To delete {} {} without its user, annotate it with {}={}.",
        ServiceUser::NAME,
        desired.name,
        names::DELETION_POLICY,
        names::DELETION_POLICY_ORPHAN
    )
}

fn present(desired: &DesiredServiceUser, observed: &ObservedServiceUser, report: Report) -> Decision {
    if observed.deletion_requested {
        return (ServiceUserStep::Requeue(RequeueClass::Building), report);
    }
    match &observed.claims {
        Claims::Unknown => return (ServiceUserStep::Observe(ServiceUserTarget::Claims), report),
        // It would take the credentials away that the other one has given to its applications.
        Claims::Other(_) => return release(desired, observed, report),
        Claims::None => {}
    }
    if !observed.object_is_live {
        return (ServiceUserStep::Observe(ServiceUserTarget::Object), report);
    }
    (ServiceUserStep::Delete, report)
}

fn gone(desired: &DesiredServiceUser, observed: &ObservedServiceUser, report: Report) -> Decision {
    if observed.absence_is_certain {
        return release(desired, observed, report);
    }
    let message = format!(
        "{} Aiven does not show it. The operator reads again automatically before it concludes that the user is gone. {}",
        report.message,
        without_user(desired)
    );
    (ServiceUserStep::Requeue(RequeueClass::Building), Report { message, ..report })
}

/// A cached object may be from before the note of what has to be deleted.
fn release(desired: &DesiredServiceUser, observed: &ObservedServiceUser, report: Report) -> Decision {
    if !observed.object_is_live {
        return (ServiceUserStep::Observe(ServiceUserTarget::Object), report);
    }
    let step = token_release::release(observed.held_names.as_ref(), desired.is_releasing).into();
    (step, report)
}
