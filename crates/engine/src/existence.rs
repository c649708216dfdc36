//! The service exists: what has to be there before it is created, and the request that creates it.

use super::{
    concern::{Concern, Concerns},
    config_map_concern, creation,
    desired::Desired,
    handover_report, migration, network,
    observed::Observed,
    request::Target,
    secret, source,
    step::{RequeueClass, Step},
    token, violations,
};
use std::collections::BTreeMap;
use valkeeper_api::names::{self, reason};

/// What is to be done where there is no service.
pub(super) fn concerns(desired: &Desired, observed: &Observed) -> Concerns {
    let mut concerns = vec![violations::told(desired)];
    if desired.was_taken_over {
        concerns.push(handover_report::migrated(desired));
    } else if desired.initialized && !observed.absence_is_certain {
        concerns.push(unproven(desired));
    } else if desired.initialized && !desired.policies.recreates {
        concerns.push(missing(desired));
    } else if desired.takes_over && !desired.initialized {
        concerns.push(handover_report::nothing_to_take_over(desired));
    } else if desired.policies.observes {
        concerns.push(nothing_to_observe(desired));
    } else if desired.violations.is_empty() {
        concerns.extend([
            network::concern(desired, observed),
            source::concern(desired, observed),
            migration::password(desired, observed, None),
            secret::before_creation(desired, observed),
            config_map_concern::before_creation(desired, observed),
        ]);
    }
    let mut concerns = Concerns(concerns.into_iter().map(|one| one.unless_refused(observed)).collect());
    // Whatever is said speaks against it.
    if concerns.are_fine() && !desired.was_taken_over {
        concerns.0.push(created(desired, observed));
    }
    concerns
}

/// The finalizer of a resource whose service exists.
pub(super) fn finalizer(desired: &Desired) -> Concern {
    if desired.has_finalizer {
        return Concern::fine();
    }
    let message = format!("Adopting service {}.", desired.name);
    Concern::act(Step::AddFinalizer(notes(desired, false)), reason::ADOPTING, message)
}

/// What is written down along with the finalizer, which saves a write of its own: the token to hold, and what
/// the request that creates the service is going to declare.
pub(super) fn notes(desired: &Desired, creates: bool) -> BTreeMap<&'static str, String> {
    let token = desired.token_secret.clone().map(|name| (names::TOKEN_SECRET, name));
    let declared = creates.then(|| (names::DECLARED_FIELDS, desired.declarations()));
    token.into_iter().chain(declared).collect()
}

/// What is true of the resource stays true until the absence of its service is certain.
fn unproven(desired: &Desired) -> Concern {
    let message = format!(
        "Aiven reports that service {} in project {} does not exist. The operator waits for proof. No action is needed.",
        desired.name, desired.project
    );
    Concern::remains(reason::EXTERNAL_MISSING, message, RequeueClass::Building)
}

fn missing(desired: &Desired) -> Concern {
    let (kind, name, project) = (desired.kind.name(), &desired.name, &desired.project);
    let message = format!(
        "Service {name} in project {project} does not exist anymore, and its data is gone. To get a new, empty service, set spec.recreatePolicy: Always; otherwise delete {kind} {name}."
    );
    Concern::is_stuck(reason::EXTERNAL_MISSING, message, RequeueClass::AwaitingExternal)
}

fn nothing_to_observe(desired: &Desired) -> Concern {
    let message = format!(
        "Service {} in project {} does not exist, and spec.adoptionPolicy: Observe creates none. Correct metadata.name or spec.project, or remove the policy.",
        desired.name, desired.project
    );
    Concern::is_stuck(reason::OBSERVING, message, RequeueClass::AwaitingExternal)
}

fn created(desired: &Desired, observed: &Observed) -> Concern {
    let step = if !desired.has_finalizer {
        Step::AddFinalizer(notes(desired, true))
    } else if !observed.token_is_held {
        token::hold(desired)
    } else if observed.object_is_live {
        Step::Create(Box::new(creation::request(desired)))
    } else {
        Step::Observe(Target::Object)
    };
    let message = format!("Creating service {} in project {}.", desired.name, desired.project);
    Concern::act(step, reason::CREATING, message)
}
