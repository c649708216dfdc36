//! Custom resources and their definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::discovery::{ApiGroup, Discovery};
use serde_json::{Value, json};

use crate::{Cluster, code, eventually};

#[tokio::test]
async fn a_stale_resource_version_is_a_conflict() {
    let cluster = Cluster::start().await;
    let old = cluster.create("c").await;
    let mut new = old.clone();
    new.data = Some([("a".to_owned(), "2".to_owned())].into());
    cluster.config_maps().replace("c", &PostParams::default(), &new).await.unwrap();
    let (code, message) = code(cluster.config_maps().replace("c", &PostParams::default(), &old).await);
    assert_eq!(code, 409);
    assert!(message.contains("the object has been modified"), "{message}");
}

/// Defines widgets and gives the API to them.
async fn widgets(cluster: &Cluster, default_replicas: Option<u64>) -> Api<DynamicObject> {
    let mut replicas = json!({"type": "integer"});
    if let Some(default) = default_replicas {
        replicas["default"] = default.into();
    }
    let schema = json!({
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "string"}, "replicas": replicas}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let apply = PatchParams::apply("test");
    definitions.patch("widgets.example.com", &apply, &Patch::Apply(definition)).await.unwrap();
    Api::namespaced_with(cluster.client.clone(), "default", &resource())
}

fn resource() -> ApiResource {
    ApiResource {
        group: "example.com".to_owned(),
        version: "v1".to_owned(),
        api_version: "example.com/v1".to_owned(),
        kind: "Widget".to_owned(),
        plural: "widgets".to_owned(),
    }
}

fn widget(spec: &Value) -> DynamicObject {
    DynamicObject::new("w", &resource()).data(json!({"spec": spec}))
}

#[tokio::test]
async fn a_definition_is_served_as_soon_as_it_is_written() {
    let cluster = Cluster::start().await;
    let api = widgets(&cluster, Some(2)).await;
    let created = api.create(&PostParams::default(), &widget(&json!({"size": "M"}))).await.unwrap();
    assert_eq!(created.data["spec"]["replicas"], 2);
}

#[tokio::test]
async fn stored_objects_follow_a_changed_definition() {
    let cluster = Cluster::start().await;
    let api = widgets(&cluster, None).await;
    let created = api.create(&PostParams::default(), &widget(&json!({}))).await.unwrap();
    assert_eq!(created.data["spec"], json!({}));
    widgets(&cluster, Some(7)).await;
    assert_eq!(api.get("w").await.unwrap().data["spec"], json!({"replicas": 7}));
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let cluster = Cluster::start().await;
    let api = widgets(&cluster, Some(2)).await;
    let created = api.create(&PostParams::default(), &widget(&json!({"size": "M"}))).await.unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    let both = Patch::Merge(json!({"spec": {"size": "L"}, "status": {"state": "x"}}));
    let spec = api.patch("w", &PatchParams::default(), &both).await.unwrap();
    assert_eq!((spec.metadata.generation, &spec.data["status"]), (Some(2), &Value::Null));
    let both = Patch::Merge(json!({"spec": {"size": "S"}, "status": {"state": "x"}}));
    let status = api.patch_status("w", &PatchParams::default(), &both).await.unwrap();
    assert_eq!(status.metadata.generation, Some(2));
    assert_eq!((&status.data["spec"]["size"], &status.data["status"]["state"]), (&json!("L"), &json!("x")));
}

#[tokio::test]
async fn a_new_object_has_the_default_of_its_status_and_no_other() {
    let cluster = Cluster::start().await;
    let api = widgets(&cluster, None).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let default = json!([{"op": "add", "value": {"seen": -1},
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/default"}]);
    let patch = Patch::<()>::Json(serde_json::from_value(default).unwrap());
    definitions.patch("widgets.example.com", &PatchParams::default(), &patch).await.unwrap();
    let mut new = widget(&json!({}));
    new.data["status"] = json!({"seen": 5});
    let created = api.create(&PostParams::default(), &new).await.unwrap();
    assert_eq!(created.data["status"], json!({"seen": -1}));
    assert_eq!(api.get("w").await.unwrap().data["status"], json!({"seen": -1}));
    let owned = serde_json::to_value(created.metadata.managed_fields).unwrap();
    assert!(!owned.to_string().contains("f:status"), "{owned}");
}

#[tokio::test]
async fn a_whole_number_is_served_without_a_fraction() {
    let cluster = Cluster::start().await;
    let widgets = widgets(&cluster, None).await;
    let whole = widgets.create(&PostParams::default(), &widget(&json!({"replicas": 5.0}))).await.unwrap();
    assert_eq!(whole.data["spec"]["replicas"].to_string(), "5");
    let patch = Patch::Merge(json!({"spec": {"replicas": 6e0}}));
    let name = whole.metadata.name.unwrap();
    let patched = widgets.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data["spec"]["replicas"].to_string(), "6");
    let patch = Patch::Merge(json!({"spec": {"replicas": 6.5}}));
    let (code, _) = code(widgets.patch(&name, &PatchParams::default(), &patch).await);
    assert_eq!(code, 422);
}

#[tokio::test]
async fn the_objects_of_a_definition_go_before_it() {
    let cluster = Cluster::start().await;
    let api = widgets(&cluster, Some(2)).await;
    let mut held = widget(&json!({}));
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    definitions.delete("widgets.example.com", &DeleteParams::default()).await.unwrap();
    let deleting = async || api.get("w").await.unwrap().metadata.deletion_timestamp.is_some();
    eventually("object is being deleted", deleting).await;
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("w", &PatchParams::default(), &release).await.unwrap();
    let gone = async || definitions.get_opt("widgets.example.com").await.unwrap().is_none();
    eventually("definition is gone", gone).await;
    assert_eq!(code(api.list(&ListParams::default()).await).0, 404);
}

#[tokio::test]
async fn both_forms_of_discovery_list_what_is_served() {
    let cluster = Cluster::start().await;
    widgets(&cluster, None).await;
    let plain = Discovery::new(cluster.client.clone()).run().await.unwrap();
    let aggregated = Discovery::new(cluster.client.clone()).run_aggregated().await.unwrap();
    let kinds = |discovery: &Discovery| {
        let groups = discovery.groups().flat_map(ApiGroup::recommended_resources);
        let mut kinds: Vec<String> =
            groups.map(|(resource, _)| format!("{}/{}", resource.api_version, resource.plural)).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&plain), kinds(&aggregated));
    assert!(kinds(&plain).contains(&"example.com/v1/widgets".to_owned()));
}
