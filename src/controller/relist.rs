//! What a watch that was interrupted did not show: a resource that was deleted meanwhile leaves no event, it
//! is only missing from the next list. Whoever remembers something of it is told.

use super::cached::Cached;
use crate::api::Custom;
use futures::{Stream, StreamExt as _};
use kube::{
    ResourceExt as _,
    runtime::{
        reflector::Store,
        watcher::{self, Event},
    },
};
use std::collections::HashSet;

/// Passes events on, before they reach `store`, and calls `forget` for each resource that a whole new list
/// does not have any more.
pub(super) fn watched<K: Custom, S>(
    events: S,
    store: Store<Cached<K>>,
    forget: impl Fn(&Cached<K>),
) -> impl Stream<Item = Result<Event<Cached<K>>, watcher::Error>>
where
    S: Stream<Item = Result<Event<Cached<K>>, watcher::Error>>,
{
    let mut listed = HashSet::new();
    events.inspect(move |event| match event {
        Ok(Event::Init) => listed.clear(),
        Ok(Event::InitApply(object)) => drop(listed.insert(object.uid())),
        Ok(Event::InitDone) => {
            let listed = std::mem::take(&mut listed);
            for gone in store.state_filter(|object| !listed.contains(&object.uid())) {
                forget(&gone);
            }
        }
        _ => {}
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Valkey, telemetry::metrics::Metrics};
    use kube::runtime::{WatchStreamExt as _, reflector};
    use serde_json::json;

    fn valkey(name: &str) -> Cached<Valkey> {
        let manifest = json!({
            "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
            "metadata": {"name": name, "namespace": "team", "uid": format!("uid-of-{name}")},
            "spec": {"project": "p", "plan": "startup-4"},
        });
        Cached::of(serde_json::from_value(manifest).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_resource_that_was_deleted_while_the_watch_was_down_is_not_counted_any_more() {
        let metrics = Metrics::new();
        for name in ["kept", "gone"] {
            metrics.fleet().reported(&format!("uid-of-{name}"), "Valkey", "True", "Running");
        }
        let events = [
            Event::Init,
            Event::InitApply(valkey("kept")),
            Event::InitApply(valkey("gone")),
            Event::InitDone,
            Event::Init,
            Event::InitApply(valkey("kept")),
            Event::InitDone,
        ];
        let (store, writer) = reflector::store();
        let told = metrics.clone();
        let forget = move |object: &Cached<Valkey>| told.fleet().forget(&object.uid().unwrap());
        let events = futures::stream::iter(events.map(Ok));
        watched(events, store, forget).reflect(writer).for_each(|_| async {}).await;
        let text = metrics.render().unwrap();
        assert!(text.contains("{kind=\"Valkey\",ready=\"True\",reason=\"Running\"} 1"), "{text}");
    }
}
