//! From a watch to turns. One object that cannot be decoded gets a condition and is left out, instead of
//! stopping the watch for all; what the cache keeps of the others is pruned to what decisions need.

use super::{
    context::Context,
    reconcile::{self, Place},
};
use crate::{
    api::{
        GROUP, ManagedService, VERSION,
        names::{condition, reason},
    },
    cluster::{bounded, managers},
};
use futures::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _, applier,
        controller::{Action, Config, ReconcileRequest},
        reflector::{self, ObjectRef},
        watcher::{self, Event, watcher},
    },
};
use serde_json::json;
use std::{collections::HashSet, convert::Infallible, sync::Arc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Annotation that repeats the whole manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Objects per page of the first list.
const PAGE: u32 = 100;
/// Undecodable objects that may wait for their condition.
const WAITING: usize = 64;

/// Watches one kind in one namespace (`None`: in all) and takes turns until `shutdown`.
pub(super) async fn keep<K: ManagedService>(
    context: Arc<Context>,
    namespace: Option<String>,
    shutdown: CancellationToken,
) {
    let api: Api<DeserializeGuard<K>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (store, writer) = reflector::store::<K>();
    let (filled, ended) = (store.clone(), shutdown.clone());
    let (malformed, mut to_mark) = mpsc::channel::<InvalidObject>(WAITING);
    let client = context.client.clone();
    let marking = async move {
        // The mark itself changes the object, and brings it back here.
        let mut marked = HashSet::new();
        while let Some(object) = to_mark.recv().await {
            if marked.insert((object.metadata.uid.clone(), object.metadata.generation)) {
                mark_malformed::<K>(&client, object).await;
            }
        }
    };
    let watch = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let watch = super::sync::observed::<K, _>(watch, &context, namespace.as_deref());
    let (wake, mut woken) = mpsc::unbounded_channel::<ObjectRef<K>>();
    let woken = futures::stream::poll_fn(move |cx| woken.poll_recv(cx)).map(|object| Ok(object.into()));
    let forgetting = context.clone();
    let watched = decode(watch, malformed)
        .modify(prune)
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
fn decode<K: ManagedService>(
    watch: impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
    malformed: mpsc::Sender<InvalidObject>,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> {
    watch.filter_map(move |event| {
        let set_aside = |object: InvalidObject| {
            tracing::warn!(kind = K::KIND.name(), name = object.metadata.name, "object cannot be decoded");
            // When too many wait, the next list brings this one again.
            drop(malformed.try_send(object));
            None
        };
        let event = match event {
            Ok(Event::Apply(DeserializeGuard(Ok(object)))) => Some(Ok(Event::Apply(object))),
            Ok(Event::InitApply(DeserializeGuard(Ok(object)))) => Some(Ok(Event::InitApply(object))),
            Ok(Event::Delete(DeserializeGuard(Ok(object)))) => Some(Ok(Event::Delete(object))),
            Ok(
                Event::Apply(DeserializeGuard(Err(object))) | Event::InitApply(DeserializeGuard(Err(object))),
            ) => set_aside(object),
            Ok(Event::Delete(DeserializeGuard(Err(_)))) => None,
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Err(error) => {
                tracing::warn!(kind = K::KIND.name(), %error, "watch interrupted");
                Some(Err(error))
            }
        };
        async { event }
    })
}

/// Bookkeeping of the API server and of kubectl makes up most of an object's size.
pub(super) fn prune<K: ManagedService>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

fn request<K: ManagedService>(
    context: &Context,
    event: Result<Event<K>, watcher::Error>,
) -> Option<Result<ReconcileRequest<K>, Infallible>> {
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => {
            Some(Ok(ReconcileRequest::from(ObjectRef::from_obj(&object))))
        }
        Ok(Event::Delete(object)) => {
            context.forget(&object.uid().unwrap_or_default(), &object.name_any());
            None
        }
        _ => None,
    }
}

async fn mark_malformed<K: ManagedService>(client: &Client, object: InvalidObject) {
    let ObjectMeta { name: Some(name), namespace: Some(namespace), uid, generation, .. } = object.metadata
    else {
        return;
    };
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": K::KIND.name(),
        "metadata": {"name": name, "uid": uid},
        "status": {"conditions": [{
            "type": condition::READY,
            "status": "False",
            "reason": reason::MALFORMED,
            "message": format!("The object cannot be read: {}. Correct it with kubectl edit", object.error),
            "observedGeneration": generation,
            "lastTransitionTime": now,
        }]},
    });
    let api: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), &namespace);
    let parameters = PatchParams::apply(managers::STATUS).force();
    let patch = Patch::Apply(body);
    let call = api.patch_status(&name, &parameters, &patch);
    if let Err(error) = bounded(|| format!("marking {} {name}", K::KIND.name()), call).await {
        tracing::warn!(%error, "cannot tell that an object is malformed");
    }
}
