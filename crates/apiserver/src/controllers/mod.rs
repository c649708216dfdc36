//! The controllers of a cluster in the background: garbage collection, the end of namespaces and of CRDs. Every
//! change is processed once, in order; nothing polls.

mod claims;
mod collector;
mod definitions;
mod namespaces;

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use self::collector::Dependents;
use crate::api::Api;
use crate::failure::GroupResource;
use crate::protocol::request::Target;
use crate::registry::Resource;
use crate::storage::object::Object;
use crate::storage::store::{Change, Key};
use crate::write::delete::{DeleteOptions, Propagation};

/// Works until the server stops.
pub(crate) async fn run(api: Arc<Api>, mut changes: UnboundedReceiver<Change>) {
    let mut dependents = Dependents::default();
    loop {
        let change = tokio::select! {
            () = api.stop.cancelled() => return,
            change = changes.recv() => change,
        };
        let Some(change) = change else { return };
        dependents.note(&change);
        dependents.collect(&api, &change);
        namespaces::follow(&api, &change);
        claims::follow(&api, &change);
        definitions::follow(&api, &change);
    }
}

/// The object at a place of a resource that is served.
fn target(api: &Api, resource: &GroupResource, key: &Key) -> Option<Target> {
    api.registry.catalog().get(resource).map(|resource| target_of(resource, key))
}

fn target_of(resource: &Arc<Resource>, key: &Key) -> Target {
    Target {
        namespace: resource.namespaced.then(|| key.namespace.clone()),
        name: Some(key.name.clone()),
        resource: Arc::clone(resource),
        version: 0,
        subresource: None,
    }
}

fn delete(api: &Api, target: &Target, object: &Object, propagation: Option<Propagation>) {
    if let Err(failure) = api.delete(target, &DeleteOptions::of(object, propagation)) {
        // It is gone or another one has its name: both are what is wanted.
        tracing::debug!(name = target.name(), code = %failure.code(), "not deleted");
    }
}
