//! Back to aiven-operator, and forth again. What it does with an object is taken from its reconcile loop: nothing
//! while both of its annotations speak of the present generation, otherwise a create or update.

use crate::{
    vpcs::{create, until_reason},
    world::{PROJECT, World, until},
};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::{ProjectVpc, Redis, Valkey, names};

crate::scenarios![resources_go_to_aiven_operator_and_return];

/// Resources of all kinds in the namespace of the world, by name.
fn resources(world: &World) -> [(&'static str, Api<DynamicObject>); 3] {
    let api = |resource: &ApiResource| Api::namespaced_with(world.client.clone(), &world.namespace, resource);
    [
        ("cache", api(&ApiResource::erase::<Valkey>(&()))),
        ("sessions", api(&ApiResource::erase::<Redis>(&()))),
        ("net", api(&ApiResource::erase::<ProjectVpc>(&()))),
    ]
}

/// Whether aiven-operator has nothing to do for an object.
fn is_settled_for_aiven_operator(object: &DynamicObject) -> bool {
    let annotation = |name: &str| object.annotations().get(name).map(String::as_str);
    let generation = object.metadata.generation.unwrap().to_string();
    let has_finalizer = object.finalizers().iter().any(|one| one == names::FINALIZER);
    has_finalizer
        && annotation(names::GENERATION_PROCESSED) == Some(&generation)
        && annotation(names::INSTANCE_RUNNING) == Some("true")
}

async fn resources_go_to_aiven_operator_and_return(mut world: World) -> World {
    world.ready_valkey("cache", json!({"driftPolicy": "Correct", "tags": {"team": "a"}})).await;
    world.ready_redis("sessions", json!({"driftPolicy": "Correct"})).await;
    create(&world.vpcs(), "net", "10.0.0.0/24").await;
    until_reason(&world.vpcs(), "net", "Running").await;
    world.kill_operator().await;

    for (name, api) in resources(&world) {
        let object = api.get(name).await.unwrap();
        assert!(is_settled_for_aiven_operator(&object), "{name}: {:?}", object.metadata);
        write_as_aiven_operator(&api, &object).await;
    }
    let secret = world.secrets().get("cache").await.unwrap();
    let uid = world.valkeys().get("cache").await.unwrap().metadata.uid;
    let owner = secret.owner_references().first().map(|owner| &owner.uid);
    assert_eq!(owner, uid.as_ref(), "otherwise it is written again");

    let (writes, vpcs) = (world.writes(), world.provider.vpcs(PROJECT));
    world.start_operator().await;
    for (name, api) in resources(&world) {
        let read = || async { api.get(name).await.unwrap() };
        let object = until(read, is_ready).await;
        assert!(is_settled_for_aiven_operator(&object), "{name}: {:?}", object.metadata);
    }
    assert_eq!(world.writes(), writes, "nothing changed at Aiven on the way");
    assert_eq!(world.provider.vpcs(PROJECT), vpcs);
    let noted = world.vpcs().get("net").await.unwrap().status.unwrap().id;
    assert_eq!(noted.as_deref(), vpcs[0]["project_vpc_id"].as_str());
    world
}

/// An edit under aiven-operator: fields that it does not support are lost, in the spec as in the status.
async fn write_as_aiven_operator(api: &Api<DynamicObject>, object: &DynamicObject) {
    let name = object.name_any();
    let unknown = Patch::Merge(json!({"spec": {"driftPolicy": null}}));
    let mut edited = api.patch(&name, &PatchParams::default(), &unknown).await.unwrap();
    let generation = edited.metadata.generation.unwrap().to_string();
    edited.annotations_mut().insert(names::GENERATION_PROCESSED.to_owned(), generation);
    let mut written = api.replace(&name, &PostParams::default(), &edited).await.unwrap();
    let condition = |type_: &str, reason: &str| json!({"type": type_, "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let before = written.data["status"].clone();
    let mut status = json!({
        "state": before["state"],
        "conditions": [condition("Initialized", "CreatedOrUpdated"), condition("Running", "CheckRunning")],
    });
    if let Some(id) = before.get("id") {
        status["id"] = id.clone();
    }
    written.data["status"] = status;
    api.replace_status(&name, &PostParams::default(), &written).await.unwrap();
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    let generation = object.metadata.generation;
    conditions.into_iter().flatten().any(|entry: &Value| {
        entry["type"] == "Ready"
            && entry["status"] == "True"
            && entry["observedGeneration"].as_i64() == generation
    })
}
