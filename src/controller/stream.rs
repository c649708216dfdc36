//! From a watch to turns. One object that cannot be decoded gets a condition and is left out, instead of
//! stopping the watch for all.

use super::{
    cached::Cached,
    context::Context,
    malformed,
    reconcile::{self, Place, Reconciled},
    turns::{Request, Turns},
};
use crate::api::Custom;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{
    Api,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Lookup as _, ObjectRef, Store, store::Writer},
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
    let (store, writer) = reflector::store::<Cached<K>>();
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
    let watch = super::sync::observed::<K, _>(watch, &context, namespace.as_deref());
    let (wakes, mut woken) = mpsc::unbounded_channel();
    let woken = futures::stream::poll_fn(move |cx| woken.poll_recv(cx)).map(Request::One);
    let mut news = News { context: context.clone(), store: store.clone(), writer, listed: Vec::new() };
    let watched = decode(watch, malformed).filter_map(move |event| std::future::ready(news.hear(event)));
    let place = Arc::new(Place { store, wakes });
    let turns = Turns::new(move |reference, call| {
        reconcile::turn(context.clone(), place.clone(), reference, call).boxed()
    });
    let turns = turns.give(futures::stream::select(woken, watched), shutdown);
    futures::future::join(turns, marking).await;
}

/// What a watch tells: kept in the store, and turned into requests.
struct News<K: Custom> {
    context: Arc<Context>,
    store: Store<Cached<K>>,
    writer: Writer<Cached<K>>,
    listed: Vec<ObjectRef<Cached<K>>>,
}

impl<K: Custom> News<K> {
    fn hear(&mut self, event: Result<Event<Cached<K>>, watcher::Error>) -> Option<Request<K>> {
        let event = event.ok()?;
        let before = matches!(event, Event::InitDone).then(|| self.store.state());
        self.writer.apply_watcher_event(&event);
        match event {
            Event::Apply(object) => Some(Request::One(Arc::new(object.to_object_ref(())))),
            Event::Delete(object) => {
                self.context.forget(object.uid(), object.name());
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
                before.into_iter().flatten().for_each(|object| self.forget_if_gone(&object));
                Some(Request::All(std::mem::take(&mut self.listed)))
            }
        }
    }

    /// What went while the watch was interrupted, nobody tells.
    fn forget_if_gone(&self, object: &Cached<K>) {
        let now = self.store.get(&object.to_object_ref(()));
        if now.is_none_or(|now| now.uid() != object.uid()) {
            self.context.forget(object.uid(), object.name());
        }
    }
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
            Err(error) => {
                tracing::warn!(kind = K::NAME, %error, "watch interrupted");
                Some(Err(error))
            }
        };
        async { event }
    })
}
