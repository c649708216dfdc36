//! From a watch to turns. One object that cannot be decoded gets a condition and is left out, instead of
//! stopping the watch for all.

use super::{
    cached::{self, Cached},
    context::Context,
    malformed,
    reconcile::{self, Place, Reconciled},
    relist,
};
use crate::api::Custom;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::{
    Api, ResourceExt as _,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _, applier,
        controller::{Action, Config, ReconcileRequest},
        reflector::{self, ObjectRef},
        watcher::{self, Event, watcher},
    },
};
use std::{collections::HashSet, convert::Infallible, sync::Arc};
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
    let (filled, ended) = (store.clone(), shutdown.clone());
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
    let (wake, mut woken) = mpsc::unbounded_channel::<ObjectRef<Cached<K>>>();
    let woken = futures::stream::poll_fn(move |cx| woken.poll_recv(cx)).map(|object| Ok(object.into()));
    let forgetting = context.clone();
    let gone = context.clone();
    let forget = move |object: &Cached<K>| gone.forget(&object.uid().unwrap_or_default(), &object.name_any());
    let watched = relist::watched(decode(watch, malformed), store.clone(), forget)
        .reflect(writer)
        .filter_map(move |event| std::future::ready(request(&forgetting, event)));
    let requests = futures::stream::select(woken, watched).take_until(shutdown.cancelled_owned());
    let turns = applier(
        {
            let place = Arc::new(Place { store: store.clone(), wake });
            move |object, context: Arc<Context>| {
                Box::pin(reconcile::turn(context, place.clone(), object).map_ok_infallible())
            }
        },
        |_, error: &Infallible, _| match *error {},
        context,
        store,
        requests,
        Config::default(),
    )
    .for_each(|_| async {});
    // An applier whose store never filled waits for it even after its queue has ended.
    let never_started = async {
        ended.cancelled().await;
        if filled.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    let turns = async {
        tokio::select! {
            () = turns => {}
            () = never_started => {}
        }
    };
    futures::future::join(turns, marking).await;
}

/// Gives a turn's result the shape that the applier wants: turns do not fail, they report.
trait MapOkInfallible: Future<Output = Action> + Sized {
    async fn map_ok_infallible(self) -> Result<Action, Infallible> {
        Ok(self.await)
    }
}

impl<F: Future<Output = Action>> MapOkInfallible for F {}

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

fn request<K: Custom>(
    context: &Context,
    event: Result<Event<Cached<K>>, watcher::Error>,
) -> Option<Result<ReconcileRequest<Cached<K>>, Infallible>> {
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => {
            Some(Ok(ReconcileRequest::from(cached::reference(&object))))
        }
        Ok(Event::Delete(object)) => {
            context.forget(&object.uid().unwrap_or_default(), &object.name_any());
            None
        }
        _ => None,
    }
}
