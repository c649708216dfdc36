//! From a watch to turns. One object that cannot be decoded gets a condition and is left out, instead of
//! stopping the watch for all.

use super::{
    cached::Cached,
    context::Context,
    malformed,
    reconcile::{self, Place, Reconciled},
    turns::{Request, Turns},
    watched::Watched,
};
use crate::api::Custom;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{
    Api,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Objects per page of the first list.
const PAGE: u32 = 100;
/// Undecodable objects that may wait for their condition.
const WAITING: usize = 64;

/// Watches one kind in one namespace (`None`: in all) and takes turns until `shutdown`.
pub(super) async fn keep<K: Reconciled>(
    context: Arc<Context>,
    namespace: Option<String>,
    shutdown: CancellationToken,
) {
    let api: Api<DeserializeGuard<K>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (malformed, mut to_mark) = mpsc::channel::<InvalidObject>(WAITING);
    let client = context.client.clone();
    let marking = async move {
        // The mark itself changes the object, and brings it back here.
        let mut marked = HashSet::new();
        while let Some(object) = to_mark.recv().await {
            if marked.insert((object.metadata.uid.clone(), object.metadata.generation)) {
                malformed::mark::<K>(&client, &object).await;
            }
        }
    };
    let watch = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let watch = super::sync::observed(watch, K::NAME, &context, namespace.as_deref());
    let (wakes, mut woken) = mpsc::unbounded_channel();
    let woken = futures::stream::poll_fn(move |cx| woken.poll_recv(cx)).map(Request::One);
    let gone = context.clone();
    let mut watched = Watched::new(move |object| gone.forget(object.uid(), object.name()));
    let place = Arc::new(Place { store: watched.store(), wakes });
    let watched = decode(watch, malformed).filter_map(move |event| std::future::ready(watched.hear(event)));
    let turns = Turns::new(move |reference, call| {
        reconcile::turn(context.clone(), place.clone(), reference, call).boxed()
    });
    let turns = turns.give(futures::stream::select(woken, watched), shutdown);
    futures::future::join(turns, marking).await;
}

/// Takes undecodable objects out of the events and sends them to be marked.
fn decode<K: Custom>(
    watch: impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
    malformed: mpsc::Sender<InvalidObject>,
) -> impl Stream<Item = Result<Event<Cached<K>>, watcher::Error>> {
    watch.filter_map(move |event| {
        let set_aside = |object: InvalidObject| {
            tracing::warn!(kind = K::NAME, name = object.metadata.name, "object cannot be decoded");
            // When too many wait, the next list brings this one again.
            drop(malformed.try_send(object));
            None
        };
        let keep = |object: K| {
            let cached = Cached::of(object);
            cached.inspect_err(|error| tracing::error!(kind = K::NAME, %error, "object cannot be kept")).ok()
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
