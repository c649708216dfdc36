//! What a `ProjectVPC` requests, and the record of earlier reconciliations in its status and annotations.

use super::observed::{ACTIVE, SeenVpc};
use crate::{
    policies::{Defaults, Policies},
    spec::is_releasing,
    token_release,
};
use std::collections::BTreeMap;
use valkeeper_api::{ProjectVpc, names, policies::Policies as Declared};

/// The desired state of a VPC.
#[derive(Clone, Debug)]
pub struct DesiredVpc {
    /// Name of the object.
    pub name: String,
    /// Project of the VPC.
    pub project: String,
    /// `metadata.generation` of the spec this was read from.
    pub generation: i64,
    /// The Secret with the token, if the object names one.
    pub token_secret: Option<String>,
    /// The object is being deleted, and its VPC is gone or left: only the token and the object are still held.
    pub is_releasing: bool,
    /// The identifier that was noted.
    pub id: Option<String>,
    pub(super) cloud: String,
    pub(super) cidr: String,
    pub(super) deleting: bool,
    pub(super) has_finalizer: bool,
    pub(super) policies: Policies,
    pub(super) annotations: BTreeMap<String, String>,
    /// A VPC was requested, and the result is unknown.
    pub(super) requested: bool,
    /// The VPC was active when it was last seen.
    pub(super) was_active: bool,
}

impl DesiredVpc {
    /// Reads a `ProjectVPC`.
    pub fn of(object: &ProjectVpc, defaults: Defaults) -> Self {
        let (meta, spec) = (&object.metadata, &object.spec);
        let status = object.status.as_ref();
        let annotations = meta.annotations.clone().unwrap_or_default();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            project: spec.project.clone(),
            generation: meta.generation.unwrap_or_default(),
            token_secret: spec.auth_secret_ref.as_ref().map(|reference| reference.name.clone()),
            is_releasing: is_releasing(meta),
            id: status.and_then(|status| status.id.clone()).filter(|id| !id.is_empty()),
            cloud: spec.cloud_name.clone(),
            cidr: spec.network_cidr.clone(),
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: names::has_finalizer(meta),
            policies: Policies::of(&Declared::default(), &annotations, defaults),
            annotations,
            requested: status.is_some_and(|status| status.creation_requested),
            was_active: status.is_some_and(|status| status.state.as_deref() == Some(ACTIVE)),
        }
    }

    /// The names of the Secrets with its token: of today, and of before it was edited.
    pub fn token_secrets(&self) -> impl Iterator<Item = &str> {
        let current = self.token_secret.as_deref();
        current.into_iter().chain(token_release::former(current, &self.annotations))
    }

    /// Whether a VPC matches this object.
    pub(super) fn fits(&self, vpc: &SeenVpc) -> bool {
        vpc.cloud == self.cloud && vpc.cidr == self.cidr
    }
}
