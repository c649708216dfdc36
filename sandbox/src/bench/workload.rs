//! The applied resources, and edits that are timed until their first request to the provider.

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::time::Duration;
use valkeeper_api::Valkey;
use valkeeper_testbed::provider::ProviderHandle;

/// Namespace of everything.
pub(crate) const NAMESPACE: &str = "default";
/// The token that the provider accepts.
pub(crate) const TOKEN: &str = "bench-token";
/// How many requests are in progress at a time while resources are applied.
const APPLIERS: usize = 32;
/// Longest wait for one edit to reach the provider.
const PATIENCE: Duration = Duration::from_mins(1);

/// The name of project number `index`.
pub(crate) fn project(index: usize) -> String {
    format!("project-{index}")
}

/// The name of resource number `index` of a batch.
pub(crate) fn name(batch: &str, index: usize) -> String {
    format!("{batch}-{index:05}")
}

/// Creates the Secret with the token.
pub(crate) async fn create_token(client: &Client) -> anyhow::Result<()> {
    let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let secret =
        serde_json::from_value(json!({"metadata": {"name": "token"}, "stringData": {"token": TOKEN}}))?;
    api.create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// Creates `count` resources, as `kubectl apply` would, as fast as the API server takes them.
pub(crate) async fn apply(client: &Client, batch: &str, count: usize, projects: usize) -> anyhow::Result<()> {
    let api: Api<Valkey> = Api::namespaced(client.clone(), NAMESPACE);
    stream::iter(0..count)
        .map(|index| {
            let api = api.clone();
            let name = name(batch, index);
            async move {
                let spec = json!({
                    "project": project(index % projects), "plan": "startup-4", "cloudName": "google-europe-west1",
                    "authSecretRef": {"name": "token", "key": "token"},
                    "connInfoSecretTarget": {"name": format!("{name}-connection")},
                    "maintenanceWindowDow": "sunday", "maintenanceWindowTime": "10:00:00",
                    "userConfig": {"valkey_maxmemory_policy": "allkeys-lru", "valkey_timeout": 300},
                    "tags": {"team": "bench"},
                });
                let annotation = json!({"kubectl.kubernetes.io/last-applied-configuration": spec.to_string()});
                let body = json!({
                    "apiVersion": "aiven.io/v1alpha1", "kind": "Valkey",
                    "metadata": {"name": name, "annotations": annotation}, "spec": spec,
                });
                let valkey: Valkey = serde_json::from_value(body)?;
                api.create(&PostParams::default(), &valkey).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(APPLIERS)
        .try_collect()
        .await
}

/// Changes the tags of a resource.
pub(crate) async fn edit(client: &Client, name: &str, round: &str) -> anyhow::Result<()> {
    let api: Api<Valkey> = Api::namespaced(client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"tags": {"team": "bench", "round": round}}}));
    api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// How long one edit took, both from the moment in which it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimedEdit {
    /// Until the API server had answered.
    pub(crate) accepted: Duration,
    /// Until the provider's first request about it.
    pub(crate) reacted: Duration,
}

/// Edits resources one after the other.
pub(crate) async fn timed_edits(
    client: &Client,
    provider: &ProviderHandle,
    names: &[String],
    round: &str,
) -> anyhow::Result<Vec<TimedEdit>> {
    let mut times = Vec::with_capacity(names.len());
    let mut before = 0;
    for name in names {
        before = provider.requests_after(before).last().map_or(before, |request| request.sequence);
        let begun = Utc::now();
        edit(client, name, round).await?;
        let accepted = (Utc::now() - begun).to_std().unwrap_or_default();
        times.push(TimedEdit { accepted, reacted: first_request(provider, name, before, begun).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(times)
}

async fn first_request(provider: &ProviderHandle, name: &str, before: u64, begun: DateTime<Utc>) -> Duration {
    let ending = format!("/service/{name}");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let requests = provider.requests_after(before);
        if let Some(request) = requests.iter().find(|request| request.path.contains(&ending)) {
            return (request.time - begun).to_std().unwrap_or_default();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    PATIENCE
}

/// The time that the fraction `part` of `times` does not exceed.
pub(crate) fn quantile(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a small index"
    )]
    let index = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}
