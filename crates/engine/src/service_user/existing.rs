//! A user that is this resource's own: token, password, access control, Secret and bookkeeping, each on its own. What one
//! of them waits for, or was refused, holds up no other.

use super::{
    access::{Comparison, compare},
    connection,
    decision::{Decision, stuck, waits},
    desired::DesiredServiceUser,
    observed::{Claims, ObservedServiceUser, SeenService, SeenServiceUser},
    obstacles::foreign,
    password,
    status::Note,
    step::{ServiceUserStep, ServiceUserTarget},
};
use crate::{
    observed::Power,
    report::{Ready, Report},
    step::RequeueClass,
    token_release,
};
use std::collections::BTreeMap;
use valkeeper_api::names::{self, reason};

pub(super) fn decide(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    user: &SeenServiceUser,
) -> Decision {
    if !observed.token_is_held {
        return (hold(desired), ready(desired));
    }
    let parts = [
        change(desired, observed, service, password::step(desired, observed, service, user)),
        change(desired, observed, service, access(desired, observed, user)),
        connection::step(desired, observed, service, user),
        bookkeeping(desired, observed),
    ];
    let mut findings = Vec::new();
    for (step, report) in parts.into_iter().flatten() {
        match step {
            ServiceUserStep::Requeue(class) => findings.push((class, report)),
            step => return (step, seen(report)),
        }
    }
    let soonest = findings.iter().map(|(class, _)| *class).min();
    let stuck = findings.iter().position(|(_, report)| report.ready == Ready::Stuck).unwrap_or_default();
    let report = findings.into_iter().nth(stuck).map_or_else(|| ready(desired), |(_, report)| seen(report));
    (ServiceUserStep::Requeue(soonest.unwrap_or(RequeueClass::AwaitingSpecChange)), report)
}

/// A change of the user, unless the service takes none now, or another resource is to make it.
fn change(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    service: &SeenService,
    decision: Option<Decision>,
) -> Option<Decision> {
    let (step, report) = decision?;
    if !matches!(step, ServiceUserStep::SetPassword | ServiceUserStep::SetAccessControl) {
        return Some((step, report));
    }
    if service.state.power() != Power::Serving {
        let message = format!("{} Service {} is being rebuilt.", report.message, desired.service);
        return Some(waits(reason::UPDATING, message));
    }
    if observed.is_invisible {
        let message = format!("{} Aiven does not show the user yet.", report.message);
        return Some(waits(reason::UPDATING, message));
    }
    match &observed.claims {
        Claims::Unknown => Some((ServiceUserStep::Observe(ServiceUserTarget::Claims), report)),
        Claims::Other(claim) if claim.comes_first => Some(foreign(desired, Some(claim))),
        Claims::Other(_) | Claims::None => Some((step, report)),
    }
}

/// The next step to keep the token Secret from deletion.
pub(super) fn hold(desired: &DesiredServiceUser) -> ServiceUserStep {
    let note = token_release::missing_note(desired.token_secret.as_deref(), &desired.annotations);
    note.map_or(ServiceUserStep::AddTokenFinalizer, ServiceUserStep::Annotate)
}

pub(super) fn ready(desired: &DesiredServiceUser) -> Report {
    let DesiredServiceUser { username, service, .. } = desired;
    let message = format!("User {username} of service {service} is as declared.");
    seen(Report::new(Ready::Yes, reason::RUNNING, message))
}

/// The report about a user that exists.
pub(super) fn seen(report: Report) -> Report {
    Report { initialized: true, running: Some(true), ..report }
}

fn access(
    desired: &DesiredServiceUser,
    observed: &ObservedServiceUser,
    user: &SeenServiceUser,
) -> Option<Decision> {
    let declared = desired.access.as_ref()?;
    let DesiredServiceUser { username, .. } = desired;
    if let Some(answer) = &observed.access_refused {
        let message = format!(
            "Cannot set the access control of user {username}. Aiven answered: {}. Correct spec.accessControl, or the permissions of the token.",
            answer.trim_end_matches('.')
        );
        return Some(stuck(reason::PROVIDER_REJECTED, message));
    }
    let comparison = compare(declared, &user.access, desired.sent.as_ref(), observed.access_is_pending);
    let (reason, message) = match comparison {
        Comparison::Same => return None,
        Comparison::Pending => {
            let message = format!("Waiting until Aiven shows the access control of user {username}.");
            return Some(waits(reason::UPDATING, message));
        }
        Comparison::Normalized(record) => {
            return Some((ServiceUserStep::Note(Note::Access(record)), ready(desired)));
        }
        Comparison::NotApplied => {
            let message = format!(
                "Aiven accepted the access control of user {username} and did not change it. Compare spec.accessControl with the rules in the Aiven Console, and correct one of them."
            );
            return Some(stuck(reason::NOT_APPLIED, message));
        }
        Comparison::Edited => (reason::UPDATING, format!("Updating the access control of user {username}.")),
        Comparison::Drifted => (
            reason::DRIFT,
            format!("Reverting the access control of user {username}, which was changed at Aiven."),
        ),
    };
    Some((ServiceUserStep::SetAccessControl, Report::new(Ready::Progressing, reason, message)))
}

/// The bookkeeping annotations that are not up to date: those that aiven-operator knows a user by, and the token Secret.
fn bookkeeping(desired: &DesiredServiceUser, observed: &ObservedServiceUser) -> Option<Decision> {
    let mut stale = BTreeMap::from([
        (names::GENERATION_PROCESSED, Some(desired.generation.to_string())),
        (names::INSTANCE_RUNNING, Some(true.to_string())),
        (names::TOKEN_SECRET, desired.token_secret.clone()),
    ]);
    stale.retain(|key, value| desired.annotations.get(*key) != value.as_ref());
    if stale.is_empty() {
        return None;
    }
    let (current, held) = (desired.token_secret.as_deref(), observed.held_names.as_ref());
    // A token Secret that an annotation names is released before the annotation is removed.
    let first = token_release::before_note(current, &desired.annotations, held);
    let step = first.map_or(ServiceUserStep::Annotate(stale), ServiceUserStep::from);
    Some((step, ready(desired)))
}
