//! The end of a namespace: its contents are deleted, and the namespace once it is empty.

use serde_json::json;

use super::{delete, target, target_of};
use crate::api::Api;
use crate::failure::GroupResource;
use crate::storage::object::Metadata;
use crate::storage::store::{Change, Key, Refusal};

pub(super) fn follow(api: &Api, change: &Change) {
    let namespaces = GroupResource::new("", "namespaces");
    if change.resource == namespaces {
        let newly = change.previous.as_ref().is_some_and(|previous| !previous.value.deleting());
        if change.deleted || !change.object.value.deleting() || !newly {
            return;
        }
        empty(api, &change.key.name);
        finish(api, &namespaces, &change.key.name);
    } else if change.deleted
        && api.store.check_namespace(&change.key.namespace) == Err(Refusal::NamespaceTerminating)
    {
        finish(api, &namespaces, &change.key.namespace);
    }
}

fn empty(api: &Api, namespace: &str) {
    let catalog = api.registry.catalog();
    for resource in catalog.iter().filter(|resource| resource.namespaced && resource.storage == resource.id) {
        for object in api.store.list(&resource.storage, Some(namespace)).0 {
            delete(api, &target_of(resource, &Key::of(&object.value)), &object, None);
        }
    }
}

fn finish(api: &Api, namespaces: &GroupResource, name: &str) {
    if !api.store.is_namespace_empty(name) {
        return;
    }
    if let Some(target) = target(api, namespaces, &Key::new("", name)) {
        api.amend(&target, |namespace| namespace["spec"] = json!({}));
    }
}
