//! Writes: optimistic locking, server-side apply, events.

use k8s_openapi::api::core::v1::{Event, Service};
use k8s_openapi::api::events;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::{Cluster, code, config_map};

#[tokio::test]
async fn a_write_without_effect_changes_nothing() {
    let cluster = Cluster::start().await;
    let first = cluster.create("c").await;
    let patch = Patch::Merge(json!({"data": {"a": "1"}}));
    let second = cluster.config_maps().patch("c", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn appliers_own_the_fields_they_apply() {
    let cluster = Cluster::start().await;
    let api = cluster.config_maps();
    let one = PatchParams::apply("one");
    let two = PatchParams::apply("two");
    api.patch("c", &one, &Patch::Apply(config_map("c", &[("a", "1"), ("b", "1")]))).await.unwrap();
    let conflict = api.patch("c", &two, &Patch::Apply(config_map("c", &[("a", "2")]))).await;
    assert_eq!(
        code(conflict),
        (409, "Apply failed with 1 conflict: conflict with \"one\": .data.a".to_owned())
    );
    api.patch("c", &two.force(), &Patch::Apply(config_map("c", &[("a", "2")]))).await.unwrap();
    let left = api.patch("c", &one, &Patch::Apply(config_map("c", &[]))).await.unwrap();
    assert_eq!(left.data, Some([("a".to_owned(), "2".to_owned())].into()));
}

#[tokio::test]
async fn an_apply_with_a_uid_does_not_create() {
    let cluster = Cluster::start().await;
    let mut config = config_map("c", &[]);
    config.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let result = cluster.config_maps().patch("c", &PatchParams::apply("one"), &Patch::Apply(config)).await;
    let (code, message) = code(result);
    assert_eq!(code, 409);
    assert!(message.contains("uid mismatch"), "{message}");
}

#[tokio::test]
async fn both_apis_show_the_same_events() {
    let cluster = Cluster::start().await;
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), "default");
    let event = json!({
        "metadata": {"name": "e"}, "reason": "Tested", "message": "hello", "type": "Normal",
        "involvedObject": {"kind": "ConfigMap", "name": "c", "namespace": "default"},
    });
    events.create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
    let newer: Api<events::v1::Event> = Api::namespaced(cluster.client.clone(), "default");
    let found = newer.list(&ListParams::default().fields("regarding.name=c")).await.unwrap();
    assert_eq!(found.items[0].note.as_deref(), Some("hello"));
}

#[tokio::test]
async fn concurrent_patches_of_one_object_all_take_effect() {
    let cluster = Cluster::start().await;
    cluster.create("c").await;
    let patches = (0..50).map(|index| {
        let api = cluster.config_maps();
        let patch = Patch::Merge(json!({"data": {format!("k{index}"): "v"}}));
        async move { api.patch("c", &PatchParams::default(), &patch).await.unwrap() }
    });
    futures::future::join_all(patches).await;
    assert_eq!(cluster.config_maps().get("c").await.unwrap().data.unwrap().len(), 51);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let cluster = Cluster::start().await;
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let created = cluster.config_maps().create(&dry_run, &config_map("c", &[])).await.unwrap();
    assert!(created.metadata.uid.is_some());
    assert!(cluster.config_maps().get_opt("c").await.unwrap().is_none());
}

#[tokio::test]
async fn ports_of_a_service_merge_by_their_default_protocol() {
    let cluster = Cluster::start().await;
    let api: Api<Service> = Api::namespaced(cluster.client.clone(), "default");
    let apply = PatchParams::apply("one");
    let service = |ports: &[u16]| {
        let ports: Vec<_> =
            ports.iter().map(|port| json!({"port": port, "name": format!("p{port}")})).collect();
        Patch::Apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports},
        }))
    };
    api.patch("s", &apply, &service(&[80, 81])).await.unwrap();
    let left = api.patch("s", &apply, &service(&[81, 82])).await.unwrap();
    let ports: Vec<i32> = left.spec.unwrap().ports.unwrap().iter().map(|port| port.port).collect();
    assert_eq!(ports, [81, 82]);
}

#[tokio::test]
async fn a_name_is_generated_from_its_prefix() {
    let cluster = Cluster::start().await;
    let mut new = config_map("", &[]);
    new.metadata.generate_name = Some("gen-".to_owned());
    let name =
        cluster.config_maps().create(&PostParams::default(), &new).await.unwrap().metadata.name.unwrap();
    assert!(name.starts_with("gen-") && name.len() == 9, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn services_created_at_once_have_addresses_of_their_own() {
    let cluster = Cluster::start().await;
    let api: Api<Service> = Api::namespaced(cluster.client.clone(), "default");
    let created = (0..40).map(|number| {
        let api = api.clone();
        async move {
            let spec =
                json!({"metadata": {"name": format!("s-{number}")}, "spec": {"ports": [{"port": 80}]}});
            let service: Service = serde_json::from_value(spec).unwrap();
            let created = api.create(&PostParams::default(), &service).await.unwrap();
            created.spec.unwrap().cluster_ip.unwrap()
        }
    });
    let addresses: std::collections::BTreeSet<String> =
        futures::future::join_all(created).await.into_iter().collect();
    assert_eq!(addresses.len(), 40);
}
