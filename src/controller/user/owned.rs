//! Which Secrets belong to a user, and whether the one with its password is to be changed.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::ResourceExt as _;
use valkeeper_api::ValkeyUser;
use valkeeper_cluster::{names::ROTATE_PASSWORD, user::rotation_request};

/// Whether an object belongs to the user.
pub(super) fn is_ours(object: &ValkeyUser, metadata: &ObjectMeta) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && Some(&owner.uid) == object.metadata.uid.as_ref())
}

/// Whether a user asks for another generated password than this.
pub(super) fn is_due(object: &ValkeyUser, secret: Option<&Secret>) -> bool {
    let noted = |secret: &Secret| secret.annotations().get(ROTATE_PASSWORD).cloned();
    rotation_request(object)
        .is_some_and(|request| secret.is_some_and(|secret| noted(secret).as_ref() != Some(request)))
}
