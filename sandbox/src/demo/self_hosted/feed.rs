//! The operator's reports about the cluster: its events, as `kubectl get events` shows them, and its status. Nothing
//! else is shown.

use super::super::manifests::NAMESPACE;
use super::super::screen::Screen;
use super::{PACE, PATIENCE};
use anyhow::bail;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use std::collections::BTreeSet;
use tokio::time::Instant;
use valkeeper_api::{ClusterStatus, ValkeyCluster};

/// What was shown.
pub(super) struct Feed {
    client: Client,
    name: String,
    shown: BTreeSet<String>,
}

/// Whether the operator reports the newest spec as ready.
pub(super) fn is_ready(status: &ClusterStatus) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

impl Feed {
    pub(super) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned(), shown: BTreeSet::new() }
    }

    /// Shows what is new until the status fits.
    pub(super) async fn until(
        &mut self,
        screen: &Screen,
        what: &str,
        fits: impl Fn(&ClusterStatus) -> bool,
    ) -> anyhow::Result<ClusterStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.update(screen).await?;
            let object = self.object().await?;
            let generation = object.metadata.generation;
            let status = object.status.unwrap_or_default();
            if status.observed_generation == generation && fits(&status) {
                // Events that arrived while the status was read.
                self.update(screen).await?;
                return Ok(status);
            }
            if Instant::now() > deadline {
                let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
                let text = ready.map_or("nothing", |condition| condition.message.as_str());
                bail!("{} is not {what}; the operator says: {text}", self.name);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Shows changes until it is dropped.
    pub(super) async fn watch(&mut self, screen: &Screen) -> anyhow::Result<()> {
        loop {
            self.update(screen).await?;
            tokio::time::sleep(PACE).await;
        }
    }

    /// The instances as the status lists them.
    pub(super) async fn table(&self, screen: &Screen) -> anyhow::Result<()> {
        let status = self.object().await?.status.unwrap_or_default();
        screen.heading(&format!("$ kubectl get vkc {} -o yaml, the instances in its status", self.name));
        for instance in status.instances {
            let node = instance.node.unwrap_or_default();
            let synced = if instance.synced { "synced" } else { "" };
            screen.line(&format!("  {:12} {:8} {:8} {synced}", instance.name, instance.role, node));
        }
        Ok(())
    }

    async fn object(&self) -> anyhow::Result<ValkeyCluster> {
        let api: Api<ValkeyCluster> = Api::namespaced(self.client.clone(), NAMESPACE);
        Ok(api.get(&self.name).await?)
    }

    async fn update(&mut self, screen: &Screen) -> anyhow::Result<()> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut events = api.list(&ListParams::default()).await?.items;
        events.retain(|event| {
            let about = event.regarding.as_ref().and_then(|regarding| regarding.kind.as_deref());
            about == Some("ValkeyCluster")
        });
        events.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        for event in events {
            if self.shown.insert(event.name_any()) {
                screen.progress(&self.name, &event.note.unwrap_or_default());
            }
        }
        Ok(())
    }
}
