//! The events of a watch: kept in the store, and converted to requests. After an interruption, reconciliations begin
//! only when the new list is complete. A resource deleted meanwhile has no event and is only missing from that list;
//! the `forget` callback then drops its state.

use super::cached::Cached;
use crate::controller::schedule::scheduler::Request;
use kube::runtime::{
    reflector::{self, Lookup as _, ObjectRef, Store, store::Writer},
    watcher::{self, Event},
};
use std::sync::Arc;
use valkeeper_api::Custom;

/// The resources of one watch.
pub(in crate::controller) struct Watched<K: Custom, F> {
    store: Store<Cached<K>>,
    writer: Writer<Cached<K>>,
    listed: Vec<ObjectRef<Cached<K>>>,
    forget: F,
}

impl<K: Custom, F: Fn(&Cached<K>)> Watched<K, F> {
    /// An empty store; it calls `forget` for each resource that is gone.
    pub(in crate::controller) fn new(forget: F) -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer, listed: Vec::new(), forget }
    }

    /// Where they can be read.
    pub(in crate::controller) fn store(&self) -> Store<Cached<K>> {
        self.store.clone()
    }

    /// Takes an event in.
    pub(in crate::controller) fn handle(
        &mut self,
        event: Result<Event<Cached<K>>, watcher::Error>,
    ) -> Option<Request<K>> {
        let event = event.ok()?;
        let before = matches!(event, Event::InitDone).then(|| self.store.state());
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Apply(object) => Some(Request::One(Arc::new(object.to_object_ref(())))),
            Event::Delete(object) => {
                (self.forget)(&object);
                None
            }
            Event::Init => {
                self.listed.clear();
                None
            }
            Event::InitApply(object) => {
                self.listed.push(object.to_object_ref(()));
                None
            }
            Event::InitDone => {
                let gone = before.into_iter().flatten().filter(|object| !self.has(object));
                gone.for_each(|object| (self.forget)(&object));
                Some(Request::All(std::mem::take(&mut self.listed)))
            }
        }
    }

    fn has(&self, object: &Cached<K>) -> bool {
        self.store.get(&object.to_object_ref(())).is_some_and(|now| now.uid() == object.uid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use serde_json::json;
    use valkeeper_api::Valkey;

    fn valkey(name: &str) -> Cached<Valkey> {
        let manifest = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
            "metadata": {"name": name, "namespace": "team", "uid": format!("uid-of-{name}")},
            "spec": {"project": "p", "plan": "startup-4"},
        });
        Cached::of(serde_json::from_value(manifest).unwrap()).unwrap()
    }

    #[test]
    fn resource_deleted_during_watch_outage_leaves_the_count() {
        let metrics = Metrics::new();
        for name in ["kept", "gone"] {
            metrics.fleet().reported(&format!("uid-of-{name}"), "Valkey", "True", "Running");
        }
        let exported = metrics.clone();
        let mut watched = Watched::new(move |object: &Cached<Valkey>| exported.fleet().forget(object.uid()));
        let both = [Event::Init, Event::InitApply(valkey("kept")), Event::InitApply(valkey("gone"))];
        assert!(
            both.into_iter().all(|event| watched.handle(Ok(event)).is_none()),
            "the list is not complete"
        );
        let requests = watched.handle(Ok(Event::InitDone));
        assert!(matches!(requests, Some(Request::All(all)) if all.len() == 2));
        for event in [Event::Init, Event::InitApply(valkey("kept")), Event::InitDone] {
            watched.handle(Ok(event));
        }
        let text = metrics.render().unwrap();
        assert!(text.contains("{kind=\"Valkey\",ready=\"True\",reason=\"Running\"} 1"), "{text}");
    }
}
