//! From a watch to objects that can be kept. One that cannot be decoded is set aside to get a condition, instead of
//! stopping the watch for all.

use super::cached::Cached;
use futures::{Stream, StreamExt as _};
use kube::{
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::watcher::{self, Event},
};
use tokio::sync::mpsc;
use valkeeper_api::Custom;

/// Takes undecodable objects out of the events and sends them to be marked.
pub(in crate::controller) fn decode<K: Custom>(
    watch: impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
    malformed: mpsc::UnboundedSender<InvalidObject>,
) -> impl Stream<Item = Result<Event<Cached<K>>, watcher::Error>> {
    watch.filter_map(move |event| {
        let set_aside = |object: InvalidObject| {
            tracing::warn!(kind = K::NAME, name = object.metadata.name, "cannot decode object");
            // The receiver is gone only while the program ends.
            drop(malformed.send(object));
            None
        };
        let keep = |object: K| {
            let cached = Cached::of(object);
            cached.inspect_err(|error| tracing::error!(kind = K::NAME, %error, "cannot cache object")).ok()
        };
        let event = match event {
            Ok(Event::Apply(DeserializeGuard(Ok(object)))) => keep(object).map(Event::Apply).map(Ok),
            Ok(Event::InitApply(DeserializeGuard(Ok(object)))) => keep(object).map(Event::InitApply).map(Ok),
            Ok(Event::Delete(DeserializeGuard(Ok(object)))) => keep(object).map(Event::Delete).map(Ok),
            Ok(
                Event::Apply(DeserializeGuard(Err(object))) | Event::InitApply(DeserializeGuard(Err(object))),
            ) => set_aside(object),
            Ok(Event::Delete(DeserializeGuard(Err(_)))) => None,
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Err(error) => Some(Err(error)),
        };
        async { event }
    })
}
