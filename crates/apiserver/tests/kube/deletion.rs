//! Deletion: finalizers, owners, namespaces.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::{Cluster, code, config_map, eventually};

#[tokio::test]
async fn an_object_with_finalizers_waits_for_them() {
    let cluster = Cluster::start().await;
    let api = cluster.config_maps();
    cluster.create("c").await;
    let finalizers = |names: &[&str]| Patch::Merge(json!({"metadata": {"finalizers": names}}));
    api.patch("c", &PatchParams::default(), &finalizers(&["example.com/hold"])).await.unwrap();
    let pending = api.delete("c", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(pending.metadata.deletion_timestamp.is_some());
    let more = finalizers(&["example.com/hold", "example.com/more"]);
    assert_eq!(code(api.patch("c", &PatchParams::default(), &more).await).0, 422);
    api.patch("c", &PatchParams::default(), &finalizers(&[])).await.unwrap();
    assert!(api.get_opt("c").await.unwrap().is_none());
}

#[tokio::test]
async fn dependents_go_after_their_owner() {
    let cluster = Cluster::start().await;
    let owner = cluster.create("owner").await;
    cluster.dependent("mine", &owner).await;
    cluster.config_maps().delete("owner", &DeleteParams::background()).await.unwrap();
    eventually("collected", async || cluster.secrets().get_opt("mine").await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_foreground_deletion_deletes_dependents_first() {
    let cluster = Cluster::start().await;
    let owner = cluster.create("owner").await;
    cluster.dependent("mine", &owner).await;
    let hold = Patch::Merge(json!({"metadata": {"finalizers": ["example.com/hold"]}}));
    cluster.secrets().patch("mine", &PatchParams::default(), &hold).await.unwrap();
    cluster.config_maps().delete("owner", &DeleteParams::foreground()).await.unwrap();
    let deleting =
        async || cluster.secrets().get("mine").await.unwrap().metadata.deletion_timestamp.is_some();
    eventually("dependent is being deleted", deleting).await;
    assert!(cluster.config_maps().get_opt("owner").await.unwrap().is_some());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster.secrets().patch("mine", &PatchParams::default(), &release).await.unwrap();
    eventually("owner is gone", async || cluster.config_maps().get_opt("owner").await.unwrap().is_none())
        .await;
}

#[tokio::test]
async fn an_orphaning_deletion_releases_dependents() {
    let cluster = Cluster::start().await;
    let owner = cluster.create("owner").await;
    cluster.dependent("mine", &owner).await;
    cluster.config_maps().delete("owner", &DeleteParams::orphan()).await.unwrap();
    eventually("owner is gone", async || cluster.config_maps().get_opt("owner").await.unwrap().is_none())
        .await;
    assert!(cluster.secrets().get("mine").await.unwrap().owner_references().is_empty());
}

#[tokio::test]
async fn a_namespace_goes_after_its_contents() {
    let cluster = Cluster::start().await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let inside: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "n");
    let mut held = config_map("held", &[]);
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    inside.create(&PostParams::default(), &held).await.unwrap();
    namespaces.delete("n", &DeleteParams::default()).await.unwrap();
    let late = inside.create(&PostParams::default(), &config_map("late", &[])).await;
    let (code, message) = code(late);
    assert_eq!(code, 403);
    assert!(message.contains("because it is being terminated"), "{message}");
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    inside.patch("held", &PatchParams::default(), &release).await.unwrap();
    eventually("namespace is gone", async || namespaces.get_opt("n").await.unwrap().is_none()).await;
}
