//! What a resource may do with an existing service of its name: keep it as its own, adopt it, or leave it unchanged
//! and report the reason. Adoption happens once, so that two resources that request the same service do not take it
//! from each other forever.

use super::{
    concern::Concern,
    desired::Desired,
    difference, drift, existence, handover, handover_report, migration,
    observed::{Observed, ObservedService},
    ownership::{became_valkey, is_ours},
    recording,
    request::Target,
    step::{RequeueClass, Step},
    tags,
};
use valkeeper_api::names::{self, reason};

/// What a resource may do with a service of its name.
pub(super) enum Claim {
    /// Everything: it is its own.
    Ours,
    /// Make it its own.
    Adopts(Concern),
    /// Nothing.
    Refused(Concern),
}

/// What this resource may do with the service.
pub(super) fn claim(desired: &Desired, observed: &Observed, service: &ObservedService) -> Claim {
    if let Some(concern) = handover::concern(desired, observed, service) {
        let possible = desired.violations.is_empty();
        return if possible { Claim::Adopts(concern) } else { Claim::Refused(Concern::fine()) };
    }
    if handover::is_over(desired, observed, service) {
        return Claim::Refused(handover_report::migrated(desired));
    }
    if service.service_type != desired.kind.service_type() {
        return refuse(reason::WRONG_SERVICE_TYPE, wrong_type(desired, observed, service));
    }
    if is_ours(desired, service) {
        return Claim::Ours;
    }
    if desired.policies.observes {
        return Claim::Refused(observed_only(desired, service));
    }
    if desired.policies.adopts && !desired.initialized_in_status && desired.violations.is_empty() {
        return adopt(desired, observed).map_or(Claim::Ours, Claim::Adopts);
    }
    let owner = owner(observed, service)
        .unwrap_or_else(|| format!("was not created by this {}", desired.kind.name()));
    let kind = desired.kind.name();
    let advice = if desired.policies.adopts {
        "That resource adopted it. Delete one of the two resources."
    } else {
        "Choose another metadata.name, or set spec.adoptionPolicy: Adopt to manage it from here."
    };
    let message = format!(
        "Cannot manage service {name} in project {} with {kind} {name}: the service exists already and {owner}. {advice}",
        desired.project,
        name = desired.name
    );
    refuse(reason::NOT_OWNED, message)
}

/// One step after the other: what is declared is written down before the mark makes the service this resource's,
/// so that no difference from before is ever taken for an edit.
fn adopt(desired: &Desired, observed: &Observed) -> Option<Concern> {
    let adopted = recording::adopted(desired);
    let step = if !desired.has_finalizer {
        Step::AddFinalizer(existence::notes(desired, false))
    } else if !observed.object_is_live {
        Step::Observe(Target::Object)
    } else if !desired.policies.marks_ownership {
        return None;
    } else if desired.record.is_none() || !recording::is(desired, &adopted) {
        Step::Record { declared: adopted, migration: migration::remembered(desired, observed) }
    } else {
        Step::PatchTags([(names::OWNER_TAG.to_owned(), Some(desired.uid.clone()))].into())
    };
    let message = format!("Adopting service {} in project {}.", desired.name, desired.project);
    Some(Concern::act(step, reason::ADOPTING, message))
}

fn observed_only(desired: &Desired, service: &ObservedService) -> Concern {
    let settings = difference::settings(desired, service).into_iter().map(|one| one.drifted_field());
    let tags = tags::differences(desired, service).into_iter().map(|one| one.drifted_field());
    let concern = drift::reported(desired, settings.chain(tags));
    if concern.finding.is_some() {
        return concern;
    }
    let message = format!(
        "Service {} in project {} is as the spec declares and is only observed. To manage it from here, set spec.adoptionPolicy: Adopt.",
        desired.name, desired.project
    );
    Concern::is_stuck(reason::OBSERVING, message, RequeueClass::AwaitingSpecChange)
}

fn refuse(reason: &'static str, message: String) -> Claim {
    Claim::Refused(Concern::is_stuck(reason, message, RequeueClass::AwaitingExternal))
}

/// The other owner of the service, as a phrase.
fn owner(observed: &Observed, service: &ObservedService) -> Option<String> {
    let uid = service.tags.get(names::OWNER_TAG)?;
    Some(match &observed.owner {
        Some(name) => format!("belongs to {name}"),
        None => format!(
            "belongs to a resource with uid {uid}, which is not in this cluster or not visible to the operator"
        ),
    })
}

fn wrong_type(desired: &Desired, observed: &Observed, service: &ObservedService) -> String {
    let (kind, name, project) = (desired.kind.name(), &desired.name, &desired.project);
    let is_marked_otherwise = service.tags.get(names::OWNER_TAG).is_some_and(|uid| *uid != desired.uid);
    if let Some(owner) = owner(observed, service).filter(|_| is_marked_otherwise) {
        return format!(
            "Cannot manage service {name} in project {project} with {kind} {name}: the service is of type {} and {owner}. Delete {kind} {name}, and apply one of another name.",
            service.service_type
        );
    }
    if became_valkey(desired, service) {
        return format!(
            "Aiven upgraded service {name} in project {project} to Valkey; data and address are unchanged. Apply a Valkey {name} with \
             spec.migrateFrom.redis: {name}, which takes over the service and its Secret. Then delete this Redis."
        );
    }
    format!(
        "Cannot manage service {name} in project {project} with {kind} {name}: the service is of type {}, not {}. Delete {kind} {name}, and apply one of another name or of the kind that fits.",
        service.service_type,
        desired.kind.service_type()
    )
}
