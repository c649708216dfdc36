//! Backups without keys: in a bucket that knows the pods of the cluster, and in a volume of them.

use crate::asking::until;
use crate::backups::{backup_status, ended};
use crate::bucket::{Bucket, create_backup, until_deleted};
use crate::world::World;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, ServiceAccount};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use valkeeper_api::{ValkeyBackup, ValkeyCluster};

/// A cluster whose pods have an identity, and a bucket without a Secret.
async fn with_identity(world: &World) -> Option<Bucket> {
    let bucket = Bucket::start(world).await?;
    world.api::<Secret>().delete("s3", &DeleteParams::default()).await.unwrap();
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backups"});
    let label = json!({"azure.workload.identity/use": "true"});
    let identity = json!({"serviceAccountAnnotations": role, "podLabels": label});
    let resources = json!({"memory": "256Mi"});
    world.create("trio", json!({"instances": 1, "resources": resources, "workloadIdentity": identity})).await;
    world.until_ready("trio").await;
    Some(bucket)
}

async fn pods_with_an_identity_need_no_secret(world: World) {
    let Some(bucket) = with_identity(&world).await else { return };
    let account = world.api::<ServiceAccount>().get("trio").await.unwrap();
    assert_eq!(account.annotations()["eks.amazonaws.com/role-arn"], "arn:aws:iam::1:role/backups");
    let pod = world.api::<Pod>().get("trio-0").await.unwrap();
    assert_eq!(pod.labels()["azure.workload.identity/use"], "true");

    let more = json!({"destination": bucket.for_pods(), "verify": true, "deletionPolicy": "Delete"});
    bucket.back_up(&world, "one", more).await;
    let status = ended(&world, "one", "Completed").await;
    assert_eq!(status["verified"]["succeeded"], true, "{status:#}");
    assert!(world.identity.given() > 0, "the instance asked for its identity");
    let source = json!({"source": {"destination": bucket.for_pods(), "key": status["key"]}});
    world.create("copy", json!({"instances": 1, "bootstrap": {"backup": source}})).await;
    world.until_ready("copy").await;

    // Its instance deletes it: the operator has no identity at the store.
    world.delete::<ValkeyBackup>("one").await;
    until_deleted(&world, "one").await;
    assert_eq!(bucket.keys().await, Vec::<String>::new());
}

async fn what_only_pods_may_delete_waits_for_one(world: World) {
    let Some(bucket) = with_identity(&world).await else { return };
    bucket
        .back_up(&world, "one", json!({"destination": bucket.for_pods(), "deletionPolicy": "Delete"}))
        .await;
    ended(&world, "one", "Completed").await;
    world.delete::<ValkeyCluster>("trio").await;
    until("the pod is gone", async || {
        world.api::<Pod>().get_opt("trio-0").await.unwrap().is_none().then_some(())
    })
    .await;
    world.delete::<ValkeyBackup>("one").await;
    until("it says what is missing", async || {
        let status = backup_status(&world, "one").await.to_string();
        status.contains("Only the pods of ValkeyCluster trio may use the store").then_some(())
    })
    .await;
    let retain = Patch::Merge(json!({"spec": {"deletionPolicy": "Retain"}}));
    world.api::<ValkeyBackup>().patch("one", &PatchParams::default(), &retain).await.unwrap();
    until_deleted(&world, "one").await;
    assert_eq!(bucket.keys().await.len(), 1, "it is left there");
}

async fn volume_keeps_backups_of_several_clusters(world: World) {
    let claim = json!({
        "metadata": {"name": "backups"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let claim: PersistentVolumeClaim = serde_json::from_value(claim).unwrap();
    world.api::<PersistentVolumeClaim>().create(&PostParams::default(), &claim).await.unwrap();
    world.create("trio", json!({"resources": {"memory": "256Mi"}})).await;
    world.until_ready("trio").await;
    let destination = json!({"volume": {"claimName": "backups", "prefix": "team/caches"}});
    create_backup(
        &world,
        "one",
        json!({"destination": destination, "verify": true, "deletionPolicy": "Delete"}),
    )
    .await;
    until("it says what is missing", async || {
        let status = backup_status(&world, "one").await.to_string();
        status.contains("ValkeyCluster trio does not mount claim backups").then_some(())
    })
    .await;
    // Pods that have no volume yet are replaced; the backup goes on by itself.
    let volume = Patch::Merge(json!({"spec": {"backupVolume": {"claimName": "backups"}}}));
    world.api::<ValkeyCluster>().patch("trio", &PatchParams::default(), &volume).await.unwrap();
    let status = ended(&world, "one", "Completed").await;
    assert_eq!(status["verified"]["succeeded"], true, "{status:#}");

    let source = json!({"source": {"destination": destination, "key": status["key"]}});
    let copy =
        json!({"instances": 1, "backupVolume": {"claimName": "backups"}, "bootstrap": {"backup": source}});
    world.create("copy", copy).await;
    world.until_ready("copy").await;
    world.delete::<ValkeyBackup>("one").await;
    until_deleted(&world, "one").await;
    // Nothing is left of it: another cluster finds no backup there.
    world.create("late", json!({"instances": 1, "backupVolume": {"claimName": "backups"}, "bootstrap": {"backup": source}})).await;
    until("the restoration fails", async || {
        let cluster = world.api::<ValkeyCluster>().get("late").await.unwrap();
        let status = serde_json::to_string(&cluster.status).unwrap();
        status.contains("there is no backup with this key").then_some(())
    })
    .await;
}

crate::scenarios!(
    pods_with_an_identity_need_no_secret;
    what_only_pods_may_delete_waits_for_one,
    volume_keeps_backups_of_several_clusters,
);
