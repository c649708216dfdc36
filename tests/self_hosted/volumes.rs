//! Volumes that get larger under load.

use crate::asking::until;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Pod},
    storage::v1::StorageClass,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use valkeeper_api::ValkeyCluster;

async fn set_size(world: &World, size: &str) {
    let patch = Patch::Merge(json!({"spec": {"persistence": {"size": size}}}));
    world.api::<ValkeyCluster>().patch("trio", &PatchParams::default(), &patch).await.unwrap();
}

/// The capacities of all claims, as the driver reports them.
async fn capacities(world: &World) -> Vec<String> {
    let claims = world.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap();
    let capacity =
        |claim: PersistentVolumeClaim| claim.status?.capacity?.get("storage").map(|size| size.0.clone());
    claims.into_iter().map(|claim| capacity(claim).unwrap_or_default()).collect()
}

async fn until_all_have(world: &World, size: &str) {
    until("the volumes have the size", async || {
        let all = capacities(world).await;
        (all.iter().all(|capacity| capacity == size)).then_some(())
    })
    .await;
}

async fn volumes_grow_under_load(world: World) {
    world.create("trio", json!({"persistence": {"mode": "AppendOnly", "size": "1Gi"}})).await;
    world.until_ready("trio").await;
    let pods = world.pod_uids().await;
    let url = world.url("trio", "leader").await;
    let writer = Writer::start(&url);
    until("writes", async || (writer.count() > 300).then_some(())).await;
    set_size(&world, "2Gi").await;
    until_all_have(&world, "2Gi").await;
    world.until_ready("trio").await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
    assert_eq!(world.pod_uids().await, pods, "no pod is replaced");
    let events = world.events().await;
    assert!(
        events.iter().any(|event| event.contains("Asked for 2Gi in volume claim data-trio-0.")),
        "{events:#?}"
    );
    // Such as after a slip: no volume shrinks, and what is asked for counts for new servers.
    set_size(&world, "1536Mi").await;
    let more = Patch::Merge(json!({"spec": {"instances": 4}}));
    world.api::<ValkeyCluster>().patch("trio", &PatchParams::default(), &more).await.unwrap();
    until("another volume", async || {
        let mut all = capacities(&world).await;
        all.sort();
        (all == ["1536Mi", "2Gi", "2Gi", "2Gi"]).then_some(())
    })
    .await;
}

/// Only a real API server knows what a storage class allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn class_without_expansion_is_named_and_stops_nothing_else() {
    let Some(mut world) = World::real().await else { return };
    let classes: Api<StorageClass> = Api::all(world.client.clone());
    let mut class = classes.get("standard").await.unwrap();
    class.metadata = serde_json::from_value(json!({"name": "fixed"})).unwrap();
    class.allow_volume_expansion = Some(false);
    classes.create(&PostParams::default(), &class).await.unwrap();
    let persistence = json!({"mode": "AppendOnly", "size": "1Gi", "storageClassName": "fixed"});
    world.create("trio", json!({"persistence": persistence})).await;
    world.until_ready("trio").await;
    set_size(&world, "2Gi").await;
    let refused = |status: &Value| {
        let message = status["Ready"]["message"].as_str().unwrap_or_default();
        status["Ready"]["reason"] == "VolumeGrowthRefused" && message.contains("data-trio-0")
    };
    let status = world.until_status("trio", "refused", refused).await;
    assert_eq!(status["Available"]["status"], "True", "{status:#}");
    let more = Patch::Merge(json!({"spec": {"instances": 4}}));
    world.api::<ValkeyCluster>().patch("trio", &PatchParams::default(), &more).await.unwrap();
    until("another server", async || world.api::<Pod>().get_opt("trio-3").await.unwrap().map(drop)).await;

    let allow = Patch::Merge(json!({"allowVolumeExpansion": true}));
    classes.patch("fixed", &PatchParams::default(), &allow).await.unwrap();
    // It would be tried again in minutes.
    world.kill_operator().await;
    world.start_operator();
    until_all_have(&world, "2Gi").await;
    world.until_ready("trio").await;
}

crate::scenarios!(volumes_grow_under_load,);
