//! Reports the state of a watch to probes and metrics: nothing yet, synced, or the cause of an interruption.

use crate::{
    controller::context::Context,
    telemetry::repeats::{Repeats, log_failure},
};
use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Event};

/// Forwards events and records the state of the watch of this `kind`.
pub(in crate::controller) fn observed<T, S>(
    watch: S,
    kind: &'static str,
    context: &Context,
    namespace: Option<&str>,
) -> impl Stream<Item = Result<Event<T>, watcher::Error>> + use<T, S>
where
    S: Stream<Item = Result<Event<T>, watcher::Error>>,
{
    let name = match namespace {
        Some(namespace) => format!("{kind} in {namespace}"),
        None => kind.to_owned(),
    };
    let (health, metrics) = (context.health.clone(), context.metrics.clone());
    let repeats = context.repeats.clone();
    health.watch(&name, Err("not synced yet".to_owned()));
    metrics.watch_synced(kind, false);
    watch.inspect(move |event| {
        log_transition(event, &name, &repeats);
        match event {
            Ok(Event::InitDone) => {
                health.watch(&name, Ok(()));
                metrics.watch_synced(kind, true);
            }
            Ok(_) => {}
            Err(error) if is_not_installed(error) => {
                let cause = "its resource definition is not installed; install the chart valkeeper-crds";
                health.watch(&name, Err(cause.to_owned()));
                metrics.watch_synced(kind, false);
            }
            Err(error) => health.watch_failed(&name, error.to_string()),
        }
    })
}

/// Logs when a watch is interrupted, when the cause changes, and when the watch continues.
fn log_transition<T>(event: &Result<Event<T>, watcher::Error>, name: &str, repeats: &Repeats) {
    let what = format!("watch of {name}");
    match event {
        // A list that begins is not an answer yet.
        Ok(Event::Init) => {}
        Ok(_) if repeats.went_well(&what).is_some() => tracing::info!(watch = name, "watch recovered"),
        Ok(_) => {}
        Err(error) => {
            let times = repeats.failed(&what, &error.to_string());
            log_failure!(times, watch = name, %error, "watch interrupted");
        }
    }
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
