//! Watches and lists: order, resumption, expiry, selection, pages.

use futures::{StreamExt as _, TryStreamExt as _, pin_mut};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use serde_json::json;
use valkeeper_apiserver::KubeOptions;

use crate::{Cluster, code};

#[tokio::test]
async fn a_watch_continues_where_it_ended() {
    let cluster = Cluster::start().await;
    let version = cluster.create("a").await.resource_version().unwrap();
    cluster.create("b").await;
    cluster.config_maps().delete("a", &DeleteParams::default()).await.unwrap();
    let events = cluster.config_maps().watch(&WatchParams::default(), &version).await.unwrap().take(2);
    let seen: Vec<String> = events
        .map_ok(|event| match event {
            WatchEvent::Added(object) => format!("+{}", object.name_any()),
            WatchEvent::Deleted(object) => format!("-{}", object.name_any()),
            other => format!("{other:?}"),
        })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["+b", "-a"]);
}

#[tokio::test]
async fn a_forgotten_version_is_gone() {
    let cluster = Cluster::start().await;
    let version = cluster.create("a").await.resource_version().unwrap();
    cluster.create("b").await;
    cluster.server.compact();
    let events = cluster.config_maps().watch(&WatchParams::default(), &version).await.unwrap();
    pin_mut!(events);
    let WatchEvent::Error(status) = events.next().await.unwrap().unwrap() else { panic!("no error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn watch_behind_the_history_receives_expired() {
    let cluster = Cluster::with(KubeOptions { history: 2, ..KubeOptions::default() }).await;
    let version = cluster.create("a").await.resource_version().unwrap();
    for name in ["b", "c", "d"] {
        cluster.create(name).await;
    }
    let events = cluster.config_maps().watch(&WatchParams::default(), &version).await.unwrap();
    pin_mut!(events);
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Error(status) if status.code == 410));
}

#[tokio::test]
async fn an_object_that_leaves_the_selection_is_deleted_to_the_watch() {
    let cluster = Cluster::start().await;
    let label = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"app": value}}}));
    let version = cluster.create("a").await.resource_version().unwrap();
    for value in ["x", "y"] {
        cluster.config_maps().patch("a", &PatchParams::default(), &label(value)).await.unwrap();
    }
    let selected = WatchParams::default().labels("app=x");
    let events = cluster.config_maps().watch(&selected, &version).await.unwrap();
    pin_mut!(events);
    assert!(matches!(events.next().await.unwrap().unwrap(), WatchEvent::Added(_)));
    let WatchEvent::Deleted(last) = events.next().await.unwrap().unwrap() else { panic!("not deleted") };
    assert_eq!(last.labels()["app"], "x");
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_bookmark() {
    let cluster = Cluster::start().await;
    cluster.create("a").await;
    let events = watcher(cluster.config_maps(), watcher::Config::default().streaming_lists());
    pin_mut!(events);
    let mut initial = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap() {
            watcher::Event::Init => {}
            watcher::Event::InitApply(object) => initial.push(object.name_any()),
            watcher::Event::InitDone => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(initial, ["a"]);
    cluster.create("b").await;
    assert!(
        matches!(events.next().await.unwrap().unwrap(), watcher::Event::Apply(object) if object.name_any() == "b")
    );
}

#[tokio::test]
async fn pages_show_one_state_although_objects_change() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        cluster.create(name).await;
    }
    let first = cluster.config_maps().list(&ListParams::default().limit(1)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    cluster.config_maps().delete("b", &DeleteParams::default()).await.unwrap();
    cluster.create("d").await;
    let next = first.metadata.continue_.unwrap();
    let rest =
        cluster.config_maps().list(&ListParams::default().limit(5).continue_token(&next)).await.unwrap();
    let names: Vec<String> = rest.iter().map(kube::ResourceExt::name_any).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    cluster.server.compact();
    cluster.create("e").await;
    let list = cluster.config_maps().list(&ListParams::default().limit(1).continue_token(&next)).await;
    assert_eq!(code(list).0, 410);
}

#[tokio::test]
async fn a_stopped_server_ends_its_watches() {
    let cluster = Cluster::start().await;
    let events = cluster.config_maps().watch(&WatchParams::default(), "0").await.unwrap();
    pin_mut!(events);
    cluster.server.shutdown().await;
    while let Some(Ok(_)) = events.next().await {}
}
