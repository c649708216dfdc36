//! Backups that no instance has the memory to verify: a pod of its own reads them.

use crate::asking::until;
use crate::backups::{backup_status, ended};
use crate::bucket::Bucket;
use crate::world::World;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use valkeeper_api::ValkeyBackup;

/// Where the operator did not see it end.
async fn ended_pod(world: &World) -> Pod {
    until("the pod has ended", async || {
        let found = verification_pods(world).await;
        let has_ended = |pod: &Pod| pod.status.clone()?.phase.filter(|phase| phase == "Succeeded");
        found.into_iter().find(|pod| has_ended(pod).is_some())
    })
    .await
}

async fn verification_pods(world: &World) -> Vec<Pod> {
    let labels = ListParams::default().labels("valkeeper.io/verifies-backups-of=trio");
    world.api::<Pod>().list(&labels).await.unwrap().items
}

async fn until_verified(world: &World, request: &Value) -> Value {
    let status = until("it is verified, and no pod is left", async || {
        let status = backup_status(world, "one").await;
        let answered = status["verified"]["request"] == *request && status["verified"]["succeeded"] == true;
        (answered && verification_pods(world).await.is_empty()).then_some(status)
    });
    status.await
}

async fn backup_without_room_is_verified_in_a_pod_of_its_own(mut world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.set_secret("right", "ENCRYPTION_KEY", &"a".repeat(64)).await;
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    bucket.back_up(&world, "one", json!({"destination": bucket.encrypted("right"), "verify": true})).await;
    ended(&world, "one", "Completed").await;
    until("the pod", async || (!verification_pods(&world).await.is_empty()).then_some(())).await;
    // What it found is in its status, whoever looks.
    world.kill_operator().await;
    let pod = ended_pod(&world).await;
    world.start_operator();
    let status = until_verified(&world, &Value::Null).await;
    assert_eq!(status["verification"], Value::Null, "{status:#}");
    until("it says that it is ready", async || {
        let conditions = backup_status(&world, "one").await["conditions"].to_string();
        conditions.contains("BackupCompleted").then_some(())
    })
    .await;
    // The key is mounted, and the bucket's as well.
    let text = serde_json::to_string(&pod).unwrap();
    assert!(!text.contains(&"a".repeat(64)) && !text.contains(valkeeper_testbed::s3::KEY.1), "{text}");
    assert!(pod.labels().get("valkeeper.io/cluster").is_none());

    let ask = Patch::Merge(json!({"metadata": {"annotations": {"valkeeper.io/verify": "again"}}}));
    world.api::<ValkeyBackup>().patch("one", &PatchParams::default(), &ask).await.unwrap();
    until_verified(&world, &json!("again")).await;
    let events = world.events().await;
    assert!(!events.iter().any(|event| event.contains("VerificationPostponed")), "{events:#?}");
}

async fn pod_of_its_own_has_the_identity_of_the_cluster(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.api::<Secret>().delete("s3", &DeleteParams::default()).await.unwrap();
    let label = json!({"azure.workload.identity/use": "true"});
    world.create("trio", json!({"instances": 1, "workloadIdentity": {"podLabels": label}})).await;
    world.until_ready("trio").await;
    bucket.back_up(&world, "one", json!({"destination": bucket.for_pods(), "verify": true})).await;
    let pod = until("the pod", async || verification_pods(&world).await.into_iter().next()).await;
    assert_eq!(pod.labels()["azure.workload.identity/use"], "true");
    until_verified(&world, &Value::Null).await;
}

crate::scenarios!(
    backup_without_room_is_verified_in_a_pod_of_its_own;
    pod_of_its_own_has_the_identity_of_the_cluster,
);
