//! What was sent and does not show yet.

use super::{
    desired::Desired,
    difference,
    observed::{ObservedService, Power},
    request::{ServicePatch, TagPatch},
    tags,
};

/// The requested updates and changes of tags, together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// Of the service.
    pub patch: ServicePatch,
    /// Of its tags.
    pub tags: TagPatch,
}

impl Sent {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.patch.is_empty() && self.tags.is_empty()
    }

    /// Both; for a field in both, `later` wins.
    #[must_use]
    pub fn and(&self, later: &Self) -> Self {
        let mut tags = self.tags.clone();
        tags.extend(later.tags.clone());
        Self { patch: self.patch.and(&later.patch), tags }
    }

    /// The part of it that `other` requests as well.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let tags = self.tags.iter().filter(|(key, value)| other.tags.get(*key) == Some(value));
        Self {
            patch: self.patch.common(&other.patch),
            tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

/// Everything in which `service` is not what `desired` declares.
pub fn outstanding(desired: &Desired, service: &ObservedService) -> Sent {
    let powered = match service.state.power() {
        Power::Changing => None,
        Power::Serving => Some(true),
        Power::Off => Some(false),
    };
    let powered = powered.filter(|on| *on != desired.powered).map(|_| desired.powered);
    let patch = difference::patch(&difference::settings(desired, service), desired, service);
    Sent { patch: ServicePatch { powered, ..patch }, tags: tags::patch(&tags::differences(desired, service)) }
}
