//! Objects of any kind by `kind/name`, as `kubectl` names them.

use crate::world::{World, merge, minimal_spec};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{ProjectVpc, Redis, Valkey};

fn api<'o>(world: &World, object: &'o str) -> (Api<DynamicObject>, &'o str) {
    let (kind, name) = object.split_once('/').unwrap();
    let resource = match kind {
        "valkey" => ApiResource::erase::<Valkey>(&()),
        "redis" => ApiResource::erase::<Redis>(&()),
        "projectvpc" => ApiResource::erase::<ProjectVpc>(&()),
        other => panic!("{other} is none of the kinds"),
    };
    (Api::namespaced_with(world.client.clone(), &world.namespace, &resource), name)
}

/// Creates an object; `spec` is merged over a minimal one.
pub(super) async fn create(world: &World, kind: &str, name: &str, spec: Value) {
    let mut all = minimal_spec();
    merge(&mut all, spec);
    let object =
        json!({"apiVersion": "aiven.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": all});
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let place = format!("{}/{name}", kind.to_lowercase());
    api(world, &place).0.create(&PostParams::default(), &object).await.unwrap();
}

pub(super) async fn edit(world: &World, object: &str, spec: Value) {
    patch(world, object, json!({"spec": spec})).await;
}

pub(super) async fn annotate(world: &World, object: &str, annotations: Value) {
    patch(world, object, json!({"metadata": {"annotations": annotations}})).await;
}

async fn patch(world: &World, object: &str, patch: Value) {
    let (api, name) = api(world, object);
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

pub(super) async fn delete(world: &World, object: &str) {
    let (api, name) = api(world, object);
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

/// What the API server holds; none when there is no such object.
pub(super) async fn read(world: &World, object: &str) -> Option<Value> {
    let (api, name) = api(world, object);
    api.get_opt(name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
}

/// A Secret of another owner.
pub(super) async fn secret(world: &World, name: &str) {
    let secret = serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"other": "x"}}));
    world.secrets().create(&PostParams::default(), &secret.unwrap()).await.unwrap();
}
