//! The owner of a service. A service is this resource's if it carries the resource's identity. It also is if it
//! predates ownership tags and the resource states that it was its own. Any other service stays unchanged, unless the
//! user requests adoption.

use super::{desired::Desired, observed::ObservedService};
use valkeeper_api::{Kind, names};

/// Whether the service is this resource's own.
pub(super) fn is_ours(desired: &Desired, service: &ObservedService) -> bool {
    let known = desired.initialized;
    if !desired.policies.marks_ownership {
        // The finalizer is added only right before a service is created or adopted.
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
    if desired.policies.observes && !marked {
        return false;
    }
    is_ours(desired, service) && (same_type || (marked && became_valkey(desired, service)))
}

pub(super) fn became_valkey(desired: &Desired, service: &ObservedService) -> bool {
    desired.kind == Kind::Redis && service.service_type == Kind::Valkey.service_type()
}
