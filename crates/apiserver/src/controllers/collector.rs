//! Garbage collection by owner references: in the background, in the foreground, or releasing orphans.
//! An owner of a kind that is not served is left alone, and so are its dependents.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::{delete, target, target_of};
use crate::api::Api;
use crate::failure::GroupResource;
use crate::protocol::request::Target;
use crate::storage::object::{Metadata, Object};
use crate::storage::store::{Change, Key};
use crate::write::delete::{FOREGROUND, ORPHAN, Propagation, release};

type Place = (GroupResource, Key);

/// The dependents of every owner, by the owner's uid.
#[derive(Debug, Default)]
pub(super) struct Dependents(HashMap<String, BTreeSet<Place>>);

/// State of an owner.
enum Owner {
    Present,
    Absent,
    /// Being deleted, after its dependents.
    Waiting,
    /// Of a kind that is not served.
    Unknown,
}

impl Dependents {
    pub(super) fn note(&mut self, change: &Change) {
        let place = (change.resource.clone(), change.key.clone());
        for uid in owner_uids(change.previous.as_deref()) {
            if let Some(places) = self.0.get_mut(uid) {
                places.remove(&place);
                if places.is_empty() {
                    self.0.remove(uid);
                }
            }
        }
        if !change.deleted {
            for uid in owner_uids(Some(&change.object)) {
                self.0.entry(uid.to_owned()).or_default().insert(place.clone());
            }
        }
    }

    /// Does what follows from a change.
    pub(super) fn collect(&self, api: &Api, change: &Change) {
        let object = &change.object;
        if change.deleted {
            for place in self.of(object) {
                self.check(api, &place);
            }
        } else {
            let place = (change.resource.clone(), change.key.clone());
            if !object.value.owners().is_empty() {
                self.check(api, &place);
            }
            if object.value.deleting()
                && let Some(target) = target(api, &place.0, &place.1)
            {
                self.work_off(api, &target, object);
            }
        }
        // An owner may have waited for this one.
        let before = change.previous.as_deref().map_or(&[][..], |previous| previous.value.owners());
        for reference in before {
            if let Some((target, owner)) = find_owner(api, &change.key.namespace, reference) {
                self.work_off(api, &target, &owner);
            }
        }
    }

    fn of(&self, owner: &Object) -> Vec<Place> {
        self.0.get(owner.value.meta("uid")).into_iter().flatten().cloned().collect()
    }

    /// Works off the finalizers that concern dependents.
    fn work_off(&self, api: &Api, target: &Target, owner: &Object) {
        let finalizers = owner.value.finalizers();
        if !owner.value.deleting() {
            return;
        }
        let uid = owner.value.meta("uid");
        if finalizers.contains(&ORPHAN) {
            for (resource, key) in self.of(owner) {
                if let Some(target) = super::target(api, &resource, &key) {
                    disown(api, &target, |reference| reference["uid"] == uid);
                }
            }
            release(api, target, ORPHAN);
        } else if finalizers.contains(&FOREGROUND) {
            for place in self.of(owner) {
                self.check(api, &place);
            }
            let blocks = |(resource, key): &Place| {
                let found = api.store.get(resource, key);
                found.is_some_and(|found| {
                    let mut references = found.value.owners().iter();
                    references.any(|found| found["uid"] == uid && found["blockOwnerDeletion"] == true)
                })
            };
            if !self.of(owner).iter().any(blocks) {
                release(api, target, FOREGROUND);
            }
        }
    }

    /// Deletes a dependent without owners, or drops deleted owners.
    fn check(&self, api: &Api, place: &Place) {
        let Some(target) = target(api, &place.0, &place.1) else { return };
        let Some(object) = api.store.get(&place.0, &place.1) else { return };
        if object.value.deleting() {
            return;
        }
        let owners = object.value.owners();
        let states: Vec<Owner> =
            owners.iter().map(|reference| state(api, &place.1.namespace, reference)).collect();
        let unknown = states.iter().any(|state| matches!(state, Owner::Unknown));
        if unknown || states.iter().all(|state| matches!(state, Owner::Present)) {
            return;
        }
        if states.iter().any(|state| matches!(state, Owner::Present)) {
            return disown(api, &target, |reference| {
                !matches!(state(api, &place.1.namespace, reference), Owner::Present)
            });
        }
        let waiting = states.iter().any(|state| matches!(state, Owner::Waiting));
        let foreground = waiting && !self.of(&object).is_empty();
        delete(api, &target, &object, foreground.then_some(Propagation::Foreground));
    }
}

fn owner_uids(object: Option<&Object>) -> impl Iterator<Item = &str> {
    let owners = object.map_or(&[][..], |object| object.value.owners());
    owners.iter().filter_map(|reference| reference["uid"].as_str())
}

fn state(api: &Api, namespace: &str, reference: &Value) -> Owner {
    let catalog = api.registry.catalog();
    let (group, kind) = kind_of(reference);
    let unknown =
        catalog.of_kind(group, kind).is_none_or(|resource| resource.namespaced && namespace.is_empty());
    match find_owner(api, namespace, reference) {
        _ if unknown => Owner::Unknown,
        None => Owner::Absent,
        Some((_, owner)) if owner.value.deleting() && owner.value.finalizers().contains(&FOREGROUND) => {
            Owner::Waiting
        }
        Some(_) => Owner::Present,
    }
}

fn kind_of(reference: &Value) -> (&str, &str) {
    let api_version = reference["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    (group, reference["kind"].as_str().unwrap_or_default())
}

fn find_owner(api: &Api, namespace: &str, reference: &Value) -> Option<(Target, Arc<Object>)> {
    let catalog = api.registry.catalog();
    let (group, kind) = kind_of(reference);
    let resource = catalog.of_kind(group, kind)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    let key = Key::new(namespace, reference["name"].as_str()?);
    let owner = api.store.get(&resource.storage, &key)?;
    (owner.value.meta("uid") == reference["uid"].as_str()?).then(|| (target_of(resource, &key), owner))
}

/// Removes owner references.
fn disown(api: &Api, target: &Target, gone: impl Fn(&Value) -> bool) {
    api.amend(target, |object| {
        let kept: Vec<Value> = object.owners().iter().filter(|reference| !gone(reference)).cloned().collect();
        let metadata = object.meta_mut();
        if kept.is_empty() {
            metadata.remove("ownerReferences");
        } else {
            metadata.insert("ownerReferences".to_owned(), kept.into());
        }
    });
}
