//! What keeps a resource from managing its user: another owner, or a service whose users are none of ours.

use super::{
    decision::{Decision, stuck},
    desired::DesiredServiceUser,
    observed::{Claim, SeenService},
};
use valkeeper_api::{
    Custom as _, Kind, ServiceUser,
    names::{self, reason},
};

/// What is said of a service whose users are none of ours.
pub(super) fn of_other_type(desired: &DesiredServiceUser, service: &SeenService) -> String {
    format!(
        "Service {} in project {} is of type {}. Only users of Valkey and Redis services are supported. To delete {} {} and keep the user, annotate it with {}={} first.",
        desired.service,
        desired.project,
        service.service_type,
        ServiceUser::NAME,
        desired.name,
        names::DELETION_POLICY,
        names::DELETION_POLICY_ORPHAN
    )
}

/// Whether users of a service of this type are ours.
pub(super) fn is_supported(service: &SeenService) -> bool {
    Kind::ALL.iter().any(|kind| kind.service_type() == service.service_type)
}

/// The user has another owner: a resource, or one that is not known here.
pub(super) fn foreign(desired: &DesiredServiceUser, other: Option<&Claim>) -> Decision {
    let DesiredServiceUser { username, service, project, .. } = desired;
    let kind = ServiceUser::NAME;
    let message = match other {
        Some(Claim { resource, .. }) => format!(
            "Cannot manage user {username} of service {service} in project {project} with {kind} {}: {resource} manages it. Delete one of the two resources.",
            desired.name
        ),
        None => format!(
            "Cannot manage user {username} of service {service} in project {project} with {kind} {}: the user exists already. Annotate {kind} {} with {}=Adopt to manage it, or create another {kind} with another spec.username.",
            desired.name,
            desired.name,
            names::ADOPTION_POLICY
        ),
    };
    stuck(reason::NOT_OWNED, message)
}
