//! Clusters that are deleted after a last backup, in a server that speaks S3.

use crate::asking::{ask, until};
use crate::bucket::Bucket;
use crate::world::World;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use valkeeper_api::{ValkeyBackup, ValkeyCluster};

/// Creates the cluster `trio` with one server and a value, whose deletion waits for a backup, which a pod of its own
/// verifies for want of memory.
async fn create(world: &World, destination: &Value) -> String {
    let last = json!({"destination": destination, "verify": true});
    world.create("trio", json!({"instances": 1, "finalBackup": last})).await;
    world.until_ready("trio").await;
    let url = world.url("trio", "leader").await;
    until("a write", async || ask(&url, &["SET", "k", "v"]).await.filter(|answer| answer == "OK")).await;
    url
}

/// The only backup, when it is there.
async fn last_backup(world: &World) -> ValkeyBackup {
    until("a backup", async || {
        let backups = world.api::<ValkeyBackup>().list(&ListParams::default()).await.unwrap();
        backups.items.into_iter().next()
    })
    .await
}

async fn until_gone(world: &World) {
    let gone = async || world.cluster("trio").await.is_none().then_some(());
    let found = tokio::time::timeout(crate::world::PATIENCE, until("the cluster is gone", gone)).await;
    if found.is_err() {
        world.explain("trio").await;
        panic!("the cluster is never gone: {:#}", world.status("trio").await);
    }
}

async fn deletion_waits_for_the_final_backup(mut world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    let url = create(&world, &bucket.destination()).await;
    // Nothing is backed up without its key.
    world.delete::<k8s_openapi::api::core::v1::Secret>("s3").await;
    world.delete::<ValkeyCluster>("trio").await;
    let waits = |status: &Value| {
        let message = status["Ready"]["message"].as_str().unwrap_or_default();
        status["Ready"]["reason"] == "FinalBackup" && message.contains("Secret s3 does not exist")
    };
    let status = world.until_status("trio", "waiting for its backup", waits).await;
    assert_eq!(status["Available"]["status"], "True", "{status:#}");
    // It is a cluster like any other until then, whatever becomes of the operator.
    world.kill_operator().await;
    world.start_operator();
    until("a write", async || ask(&url, &["SET", "later", "v"]).await.filter(|answer| answer == "OK")).await;
    assert!(world.cluster("trio").await.is_some() && bucket.keys().await.is_empty());
    bucket.create_secret(&world).await;
    until("data on its way", async || {
        let backup = last_backup(&world).await;
        backup.status.and_then(|status| status.instance)
    })
    .await;
    world.kill_operator().await;
    world.start_operator();
    until_gone(&world).await;
    let backup = last_backup(&world).await;
    let status = backup.status.unwrap();
    assert!(status.verified.is_some_and(|verified| verified.succeeded));
    let manifest = bucket.store().manifest(&status.key.unwrap()).await.unwrap().unwrap();
    assert_eq!(manifest.key_count(), Some(2), "what was written before and after the request");
    assert_eq!(bucket.keys().await.len(), 1);
    assert!(world.pods().await.is_empty());
}

async fn final_backup_that_fails_is_retried_by_a_user(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    let mut nowhere = bucket.destination();
    nowhere["s3"]["bucket"] = "nowhere".into();
    create(&world, &nowhere).await;
    world.delete::<ValkeyCluster>("trio").await;
    let failed = |status: &Value| status["Ready"]["reason"] == "FinalBackupFailed";
    let status = world.until_status("trio", "stalled", failed).await;
    let message = status["Ready"]["message"].as_str().unwrap();
    assert!(message.contains("NoSuchBucket") && message.contains("kubectl delete vkb"), "{message}");
    assert_eq!(status["Available"]["status"], "True", "{status:#}");
    // Another attempt goes where the spec says now.
    let first = last_backup(&world).await.metadata;
    world.change("trio", json!({"powered": false})).await;
    let off = |status: &Value| {
        let message = status["Ready"]["message"].as_str().unwrap_or_default();
        failed(status) && message.contains("spec.powered: true")
    };
    world.until_status("trio", "stalled without a server", off).await;
    world
        .change("trio", json!({"powered": true, "finalBackup": {"destination": bucket.destination()}}))
        .await;
    world.delete::<ValkeyBackup>(first.name.as_deref().unwrap()).await;
    until_gone(&world).await;
    assert_eq!(bucket.keys().await.len(), 1);
    assert_ne!(last_backup(&world).await.metadata.uid, first.uid);
}

async fn final_backup_is_skipped_by_annotation(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    let mut nowhere = bucket.destination();
    nowhere["s3"]["bucket"] = "nowhere".into();
    create(&world, &nowhere).await;
    world.delete::<ValkeyCluster>("trio").await;
    let failed = |status: &Value| status["Ready"]["reason"] == "FinalBackupFailed";
    let status = world.until_status("trio", "stalled", failed).await;
    let message = status["Ready"]["message"].as_str().unwrap();
    let command = "kubectl annotate vkc -n default trio valkeeper.io/skip-final-backup=true";
    assert!(message.ends_with(command), "{message}");
    let skip = json!({"metadata": {"annotations": {"valkeeper.io/skip-final-backup": "true"}}});
    let clusters = world.api::<ValkeyCluster>();
    clusters.patch("trio", &PatchParams::default(), &Patch::Merge(skip)).await.unwrap();
    until_gone(&world).await;
    assert!(bucket.keys().await.is_empty());
}

crate::scenarios!(
    deletion_waits_for_the_final_backup;
    final_backup_that_fails_is_retried_by_a_user,
    final_backup_is_skipped_by_annotation,
);
