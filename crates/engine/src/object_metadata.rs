//! The owners of a Secret or ConfigMap that this operator writes, and its other metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use valkeeper_api::Kind;

/// Texts of metadata by key.
type Texts = BTreeMap<String, String>;

pub(super) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|reference| reference.controller == Some(true))
}

pub(super) fn is_controlled_by(metadata: &ObjectMeta, owner: &OwnerReference) -> bool {
    controller(metadata).is_some_and(|controller| controller.uid == owner.uid)
}

/// Whether it is a reference to a resource that had the kind and the name of this one. There is only one of a
/// name, so that one is gone.
pub(super) fn is_former(reference: &OwnerReference, owner: &OwnerReference) -> bool {
    (&reference.kind, &reference.name) == (&owner.kind, &owner.name) && group(reference) == group(owner)
}

/// Whether it is a reference to the `Redis` that this resource takes over. References do not leave the namespace.
pub(super) fn is_predecessor(reference: &OwnerReference, owner: &OwnerReference) -> bool {
    reference.kind == Kind::Redis.name() && reference.name == owner.name && group(reference) == group(owner)
}

fn group(reference: &OwnerReference) -> Option<&str> {
    reference.api_version.split('/').next()
}

/// All owners that stay, and this resource.
fn owners(metadata: &ObjectMeta, owner: &OwnerReference) -> Vec<OwnerReference> {
    let others = metadata.owner_references.iter().flatten();
    // There is one controller at most.
    let others = others
        .filter(|one| one.uid != owner.uid && !is_former(one, owner) && one.controller != Some(true))
        .cloned();
    others.chain([owner.clone()]).collect()
}

/// The metadata of a new object.
pub(super) fn new_metadata(
    name: &str,
    labels: &Texts,
    annotations: &Texts,
    owner: &OwnerReference,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels.clone()).filter(|labels| !labels.is_empty()),
        annotations: Some(annotations.clone()).filter(|annotations| !annotations.is_empty()),
        owner_references: Some(vec![owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// The metadata of a merge patch of the object with `metadata`. It fails if that has changed since it was read.
pub(super) fn repaired_metadata(
    metadata: &ObjectMeta,
    (labels, left_labels): (&Texts, &BTreeSet<String>),
    (annotations, left_annotations): (&Texts, &BTreeSet<String>),
    owner: &OwnerReference,
) -> Value {
    let mut repaired = json!({
        "resourceVersion": metadata.resource_version,
        "labels": texts(labels, left_labels),
        "annotations": texts(annotations, left_annotations),
    });
    if !is_controlled_by(metadata, owner) {
        repaired["ownerReferences"] = json!(owners(metadata, owner));
    }
    repaired
}

/// Part of a merge patch: what is ours, and what we left behind goes.
pub(super) fn texts(ours: &Texts, left: &BTreeSet<String>) -> BTreeMap<String, Option<String>> {
    let removed = left.iter().map(|key| (key.clone(), None));
    ours.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).chain(removed).collect()
}

/// Whether `current` has each of these texts.
pub(super) fn contains(current: Option<&Texts>, ours: &Texts) -> bool {
    ours.iter().all(|(key, value)| current.and_then(|map| map.get(key)) == Some(value))
}
