//! The view of the API for a controller or a kubelet: stores that watches keep up to date, and one signal for every
//! change. A store is complete before a caller gets it.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Pause after a watch that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts watches and collects their changes.
#[derive(Debug)]
pub(super) struct Views {
    changed: Arc<watch::Sender<u64>>,
    tasks: JoinSet<()>,
}

impl Views {
    pub(super) fn new() -> Self {
        Self { changed: Arc::new(watch::Sender::new(0)), tasks: JoinSet::new() }
    }

    /// Changes with each change of any store.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A store of what `api` lists.
    pub(super) async fn watch<K>(&mut self, api: Api<K>, config: watcher::Config) -> anyhow::Result<Store<K>>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
        K::DynamicType: Default + Eq + Hash + Clone,
    {
        let (store, writer) = reflector::store();
        let changed = Arc::clone(&self.changed);
        self.tasks.spawn(async move {
            let events = watcher(api, config).reflect(writer);
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                match event {
                    Ok(_) => changed.send_modify(|count| *count = count.wrapping_add(1)),
                    Err(error) => {
                        tracing::debug!(%error, "watch interrupted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        store.wait_until_ready().await?;
        Ok(store)
    }
}

/// Waits for a change, or until `pause` has elapsed: a failed action is retried.
pub(super) async fn changed(changes: &mut watch::Receiver<u64>, pause: Duration) {
    // Changes come in bursts.
    const BURST: Duration = Duration::from_millis(2);
    if let Ok(Err(_)) = tokio::time::timeout(pause, changes.changed()).await {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(BURST).await;
    changes.mark_unchanged();
}
