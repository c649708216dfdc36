//! Watches Secrets where `--watch-secrets` allows it: their metadata alone, so that what they hold never gets
//! here, and of that nothing is kept but versions of Secrets on which a resource depends.

use super::sync;
use crate::controller::{
    context::Context,
    secret_tracker::{SecretKey, SecretTracker},
};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use std::{collections::HashSet, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What probes, metrics and logs call this watch.
const NAME: &str = "Secret";
/// Secrets per page of a list.
const PAGE: u32 = 100;

/// Watches the Secrets of one namespace (`None`: of all) until `shutdown`.
pub(in crate::controller) async fn keep(
    context: Arc<Context>,
    namespace: Option<String>,
    shutdown: CancellationToken,
) {
    let Some(tracker) = &context.secret_tracker else { return };
    let api: Api<PartialObjectMeta<Secret>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let watch = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let watch = sync::observed(watch, NAME, &context, namespace.as_deref());
    let watch = watch.take_until(shutdown.cancelled_owned());
    follow(watch, tracker, namespace.as_deref(), || context.token_reads.forget()).await;
}

/// Forwards what the watch shows; calls `reread` when a token may have changed.
async fn follow(
    watch: impl Stream<Item = Result<Event<PartialObjectMeta<Secret>>, watcher::Error>>,
    tracker: &SecretTracker,
    namespace: Option<&str>,
    reread: impl Fn(),
) {
    let mut listed = HashSet::new();
    let mut watch = std::pin::pin!(watch);
    while let Some(event) = watch.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(secret)) => {
                let key = key(&secret);
                report(tracker, &key, &secret, false, &reread);
                if tracker.concerns(&key) {
                    listed.insert(key);
                }
            }
            Ok(Event::InitDone) => tracker.listed(namespace, &std::mem::take(&mut listed)),
            Ok(Event::Apply(secret)) => report(tracker, &key(&secret), &secret, false, &reread),
            Ok(Event::Delete(secret)) => report(tracker, &key(&secret), &secret, true, &reread),
            Err(_) => {}
        }
    }
}

fn report(
    tracker: &SecretTracker,
    key: &SecretKey,
    secret: &PartialObjectMeta<Secret>,
    gone: bool,
    reread: &impl Fn(),
) {
    let version = crate::cluster::version(secret);
    if tracker.changed(key, version, gone) {
        reread();
    }
}

fn key(secret: &PartialObjectMeta<Secret>) -> SecretKey {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}
