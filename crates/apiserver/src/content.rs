//! The whole content of a server, in a form that outlives it. A server started with it continues where the other one
//! ended, with the same objects and versions. Watches from the time of the other server must restart.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::api::Api;
use crate::failure::GroupResource;
use crate::storage::object::{Metadata, Object, Shape};
use crate::storage::store::Store;

/// The objects of a server by a key that orders them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// The revision of the latest write.
    pub revision: u64,
    /// The objects.
    pub objects: BTreeMap<String, StoredObject>,
}

/// An object with the shape it was stored in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredObject {
    group: String,
    plural: String,
    revision: u64,
    epoch: u64,
    version: usize,
    value: Value,
}

impl Content {
    pub(super) fn of(store: &Store) -> Self {
        let (revision, objects) = store.dump();
        let entry = |(resource, object): (GroupResource, std::sync::Arc<Object>)| {
            let value = &object.value;
            let (namespace, name) = (value.meta("namespace"), value.meta("name"));
            let key = format!("{}/{}/{namespace}/{name}", resource.group, resource.plural);
            let stored = StoredObject {
                group: resource.group,
                plural: resource.plural,
                revision: object.revision,
                epoch: object.shape.epoch,
                version: object.shape.version,
                value: value.clone(),
            };
            (key, stored)
        };
        Self { revision, objects: objects.into_iter().map(entry).collect() }
    }

    pub(super) fn restore(self, api: &Api) {
        let object = |stored: StoredObject| {
            let shape = Shape { epoch: stored.epoch, version: stored.version };
            let resource = GroupResource { group: stored.group, plural: stored.plural };
            (resource, Object::new(stored.value, stored.revision, shape))
        };
        api.store.load(self.revision, self.objects.into_values().map(object).collect());
        api.establish_definitions();
    }
}
