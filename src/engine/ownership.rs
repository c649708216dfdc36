//! Whose service it is. A service is this resource's if it carries the resource's identity, or if it comes
//! from a time before such marks and the resource says that it was its own. Anything else is left alone,
//! unless the user asks for adoption; and adoption happens once, so that two resources that both ask for
//! the same service do not take it from each other for ever.

use super::{
    decide::{look, stuck},
    desired::Desired,
    observed::{Observed, ObservedService},
    report::{Ready, Report},
    step::{Decision, Pace, Step},
};
use crate::api::{
    Kind,
    names::{self, reason},
};

/// Whether the service is this resource's own.
pub(super) fn is_ours(desired: &Desired, service: &ObservedService) -> bool {
    let known = desired.initialized;
    if !desired.policies.marks_ownership {
        // The finalizer goes on only right before a service is created or adopted.
        return known || desired.has_finalizer;
    }
    match service.tags.get(names::OWNER_TAG) {
        Some(owner) => *owner == desired.uid,
        None => known,
    }
}

/// The same for a deletion, which also covers a Redis that the provider has turned into Valkey.
pub(super) fn is_ours_to_delete(desired: &Desired, service: &ObservedService) -> bool {
    let marked = service.tags.get(names::OWNER_TAG) == Some(&desired.uid);
    let same_type = service.service_type == desired.kind.service_type();
    is_ours(desired, service) && (same_type || (marked && became_valkey(desired, service)))
}

/// What stands between this resource and a service of its name; nothing when the service is its own.
pub(super) fn claim(desired: &Desired, observed: &Observed, service: &ObservedService) -> Option<Decision> {
    if service.service_type != desired.kind.service_type() {
        return Some(refuse(reason::WRONG_SERVICE_TYPE, wrong_type(desired, service)));
    }
    if is_ours(desired, service) {
        return None;
    }
    if desired.policies.adopts && !desired.initialized {
        return adopt(desired, observed, service);
    }
    let owner = match service.tags.get(names::OWNER_TAG) {
        Some(uid) => format!("belongs to another object (uid {uid})"),
        None => "was not created by this object".to_owned(),
    };
    let advice = if desired.policies.adopts {
        "It was taken over from this object; delete one of the two"
    } else {
        "To make it this object's own, set spec.adoptionPolicy to Adopt; or choose another metadata.name"
    };
    let message = format!(
        "Service {} in project {} exists already and {owner}; it is left alone. {advice}",
        desired.name, desired.project
    );
    Some(refuse(reason::NOT_OWNED, message))
}

fn adopt(desired: &Desired, observed: &Observed, service: &ObservedService) -> Option<Decision> {
    let message = format!("Adopting service {} in project {}", desired.name, desired.project);
    let report = Report::about(service, Ready::Progressing, reason::ADOPTING, message);
    if !desired.has_finalizer {
        return Some(Decision { step: Step::AddFinalizer, report });
    }
    if !observed.object_is_live {
        return Some(look(report));
    }
    if !desired.policies.marks_ownership {
        return None;
    }
    let mut tags = service.tags.clone();
    if let Some(declared) = &desired.tags {
        tags.retain(|key, _| key.starts_with(names::OWNERSHIP_TAG_PREFIX));
        tags.extend(declared.clone());
    }
    tags.insert(names::OWNER_TAG.to_owned(), desired.uid.clone());
    Some(Decision { step: Step::ReplaceTags(tags), report })
}

fn refuse(reason: &'static str, message: String) -> Decision {
    stuck(Report::new(Ready::Stuck, reason, message), Pace::Attentive)
}

fn became_valkey(desired: &Desired, service: &ObservedService) -> bool {
    desired.kind == Kind::Redis && service.service_type == Kind::Valkey.service_type()
}

fn wrong_type(desired: &Desired, service: &ObservedService) -> String {
    let (kind, name, project) = (desired.kind.name(), &desired.name, &desired.project);
    if became_valkey(desired, service) {
        return format!(
            "The provider has turned service {name} in project {project} into Valkey, as it does with Redis past its end of life; \
             data and address are the same. Annotate this Redis with {}: {}, delete it, and apply a Valkey of the same name with \
             spec.adoptionPolicy: Adopt (and connInfoSecretTarget.prefix: {} to keep the keys of its Secret)",
            names::DELETION_POLICY,
            names::DELETION_POLICY_ORPHAN,
            Kind::Redis.secret_prefix(),
        );
    }
    format!(
        "Service {name} in project {project} is of type {}, not {}; it is left alone. Delete this {kind}, and apply one of another name or the kind that fits",
        service.service_type,
        desired.kind.service_type()
    )
}
