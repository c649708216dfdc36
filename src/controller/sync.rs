//! Tells probes and metrics how far a watch is: nothing yet, all objects known, or what stands in its way.

use super::context::Context;
use crate::api::Custom;
use futures::{Stream, StreamExt as _};
use kube::{
    core::DeserializeGuard,
    runtime::watcher::{self, Event},
};

/// Passes events on and notes what they say about the watch itself.
pub(super) fn observed<K: Custom, S>(
    watch: S,
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>> + use<K, S>
where
    S: Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>>,
{
    let name = match namespace {
        Some(namespace) => format!("{} in {namespace}", K::NAME),
        None => K::NAME.to_owned(),
    };
    let (health, metrics) = (context.health.clone(), context.metrics.clone());
    health.watch(&name, Err("not synced yet".to_owned()));
    metrics.watch_synced(K::NAME, false);
    watch.inspect(move |event| match event {
        Ok(Event::InitDone) => {
            health.watch(&name, Ok(()));
            metrics.watch_synced(K::NAME, true);
        }
        Ok(_) => {}
        Err(error) if is_not_installed(error) => {
            let cause = "its resource definition is not installed; install the chart valkeeper-crds";
            health.watch(&name, Err(cause.to_owned()));
            metrics.watch_synced(K::NAME, false);
        }
        Err(error) => health.watch_failed(&name, error.to_string()),
    })
}

fn is_not_installed(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => return false,
    };
    code == 404
}
