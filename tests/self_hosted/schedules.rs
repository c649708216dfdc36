//! Schedules of backups, with a server that speaks S3: what is created, verified again and deleted.

use crate::asking::until;
use crate::backups::{backup_status, ended};
use crate::bucket::Bucket;
use crate::world::World;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_api::{ValkeyBackup, ValkeyCluster, ValkeyScheduledBackup};

/// Creates the schedule `hourly` with more than a spec needs.
async fn schedule(world: &World, bucket: &Bucket, more: Value) {
    let mut spec =
        json!({"clusterName": "trio", "schedule": "0 * * * *", "destination": bucket.destination()});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyScheduledBackup",
        "metadata": {"name": "hourly"}, "spec": spec,
    });
    let schedule: ValkeyScheduledBackup = serde_json::from_value(body).unwrap();
    let schedules = world.api::<ValkeyScheduledBackup>();
    schedules.create(&PostParams::default(), &schedule).await.unwrap();
}

/// As if two hours had passed: the last full hour is due.
async fn make_due(world: &World) {
    let at = chrono::Utc::now() - chrono::Duration::hours(2);
    let patch = Patch::Merge(json!({"status": {"lastScheduledAt": at}}));
    let schedules = world.api::<ValkeyScheduledBackup>();
    schedules.patch_status("hourly", &PatchParams::default(), &patch).await.unwrap();
}

async fn schedule_creates_backups_and_retention_deletes_them(mut world: World) {
    // A schedule looks when something happens, and not again and again.
    world.resync = Duration::from_hours(1);
    world.kill_operator().await;
    world.start_operator();
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    let schedules = world.api::<ValkeyScheduledBackup>();
    schedule(&world, &bucket, json!({"retention": {"keepLast": 1}})).await;
    let completed = async || -> Vec<String> {
        let labels = ListParams::default().labels("valkeeper.io/scheduled-backup=hourly");
        let backups = world.api::<ValkeyBackup>().list(&labels).await.unwrap().items;
        let is_completed = |backup: &ValkeyBackup| {
            backup.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Completed"))
        };
        backups.into_iter().filter(is_completed).filter_map(|backup| backup.metadata.name).collect()
    };
    make_due(&world).await;
    let first = until("a backup", async || completed().await.into_iter().next()).await;
    // Another one of the schedule, which an earlier hour has left.
    let mut old = world.api::<ValkeyBackup>().get(&first).await.unwrap();
    let labels = old.metadata.labels.clone();
    old.metadata = kube::core::ObjectMeta { name: Some("newer".to_owned()), labels, ..Default::default() };
    old.status = None;
    world.api::<ValkeyBackup>().create(&PostParams::default(), &old).await.unwrap();
    until("the older one is deleted", async || {
        let gone = world.api::<ValkeyBackup>().get_opt(&first).await.unwrap().is_none();
        gone.then_some(())
    })
    .await;
    let keys = bucket.keys().await;
    assert!(keys.len() == 1 && keys[0].contains("newer"), "the artefact went with it: {keys:?}");
    let status = schedules.get("hourly").await.unwrap().status.unwrap();
    assert!(status.next_scheduled_at.unwrap() > chrono::Utc::now());
    assert_eq!(status.last_successful_backup.as_deref(), Some("newer"));
}

async fn backup_is_verified_again_and_one_that_is_gone_is_refuted(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"instances": 1, "resources": {"memory": "256Mi"}})).await;
    world.until_ready("trio").await;
    bucket.back_up(&world, "one", json!({})).await;
    let first = ended(&world, "one", "Completed").await;
    assert_eq!(first["verified"], Value::Null);
    // It belongs to a schedule that wants a proof.
    let labels = json!({"metadata": {"labels": {"valkeeper.io/scheduled-backup": "hourly"}}});
    let backups = world.api::<ValkeyBackup>();
    backups.patch("one", &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    schedule(&world, &bucket, json!({"verifyEvery": "7d"})).await;
    let verified = async |succeeded: bool| {
        until("a result", async || {
            let status = backup_status(&world, "one").await;
            (status["verified"]["succeeded"] == succeeded).then_some(status)
        })
        .await
    };
    let status = verified(true).await;
    assert_eq!((&status["phase"], &status["sha256"]), (&json!("Completed"), &first["sha256"]));
    assert_eq!(status["verification"], Value::Null);
    let at = status["verified"]["at"].clone();
    until("the schedule knows it", async || {
        let schedule = world.api::<ValkeyScheduledBackup>().get("hourly").await.unwrap();
        let status = serde_json::to_value(schedule.status).unwrap();
        (status["lastVerifiedAt"] == at).then_some(())
    })
    .await;
    let fresh = |status: &Value| status["BackupFresh"]["status"] == "True";
    world.until_status("trio", "its backup is fresh", fresh).await;
    // A person asks, and what was stored is gone.
    bucket.store().delete(status["key"].as_str().unwrap()).await.unwrap();
    let ask = Patch::Merge(json!({"metadata": {"annotations": {"valkeeper.io/verify": "now"}}}));
    backups.patch("one", &PatchParams::default(), &ask).await.unwrap();
    let mut status = until("an attempt that found nothing", async || {
        let status = backup_status(&world, "one").await;
        status["verification"]["absentSince"].is_string().then_some(status)
    })
    .await;
    assert_eq!(status["verified"]["succeeded"], true, "it may be there again: {status:#}");
    // As if it had been so for hours, and the operator had noted it: what another manager owns would stay.
    status["verification"]["absentSince"] = json!(chrono::Utc::now() - chrono::Duration::hours(4));
    let body = json!({
        "apiVersion": "valkeeper.io/v1alpha1", "kind": "ValkeyBackup", "metadata": {"name": "one"}, "status": status,
    });
    let operator = PatchParams::apply("valkeeper/status").force();
    backups.patch_status("one", &operator, &Patch::Apply(body)).await.unwrap();
    let status = verified(false).await;
    assert!(status["verified"]["message"].as_str().unwrap().contains("no backup with the key"), "{status:#}");
    until("the condition says it", async || {
        let status = backup_status(&world, "one").await;
        status["conditions"].to_string().contains("VerificationFailed").then_some(())
    })
    .await;
    assert_eq!(bucket.keys().await, Vec::<String>::new(), "a verification takes no backup");
    // There is no good backup left, and it is said where people look.
    let fresh = |status: &Value| status["BackupFresh"]["status"] != "True";
    world.until_status("trio", "its backup is not fresh", fresh).await;
}

/// Backups of a deleted cluster go, of which the operator sees nothing but that another one has its name.
async fn backups_go_with_their_cluster_only_if_the_schedule_says_so(mut world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    schedule(&world, &bucket, json!({})).await;
    back_up_by_schedule(&world, &bucket, "kept").await;
    delete_and_create_again(&mut world).await;
    set_policy(&world, "Delete").await;
    let clusters = world.api::<ValkeyCluster>();
    let uid = clusters.get("trio").await.unwrap().metadata.uid;
    let schedules = world.api::<ValkeyScheduledBackup>();
    until("the schedule has noted the cluster", async || {
        let noted = schedules.get("hourly").await.unwrap().status?.cluster_uid;
        (noted == uid).then_some(())
    })
    .await;
    back_up_by_schedule(&world, &bucket, "gone").await;
    assert_eq!(bucket.keys().await.len(), 2);
    delete_and_create_again(&mut world).await;
    let backups = world.api::<ValkeyBackup>();
    until("the backup of the deleted cluster is deleted", async || {
        backups.get_opt("gone").await.unwrap().is_none().then_some(())
    })
    .await;
    back_up_by_schedule(&world, &bucket, "new").await;
    let keys = bucket.keys().await;
    assert!(keys.len() == 2 && !keys.iter().any(|key| key.contains("gone")), "{keys:?}");
    // And without another cluster of that name.
    world.delete::<ValkeyCluster>("trio").await;
    until("its backup is deleted", async || backups.get_opt("new").await.unwrap().is_none().then_some(()))
        .await;
    let keys = bucket.keys().await;
    assert!(keys.len() == 1 && keys[0].contains("kept"), "{keys:?}");
    assert!(backups.get_opt("kept").await.unwrap().is_some());
}

/// A backup of the schedule that is completed.
async fn back_up_by_schedule(world: &World, bucket: &Bucket, name: &str) {
    bucket.back_up(world, name, json!({})).await;
    let labels = json!({"metadata": {"labels": {"valkeeper.io/scheduled-backup": "hourly"}}});
    let backups = world.api::<ValkeyBackup>();
    backups.patch(name, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    ended(world, name, "Completed").await;
}

async fn set_policy(world: &World, policy: &str) {
    let patch = Patch::Merge(json!({"spec": {"whenClusterDeleted": policy}}));
    let schedules = world.api::<ValkeyScheduledBackup>();
    schedules.patch("hourly", &PatchParams::default(), &patch).await.unwrap();
}

/// The operator does not run when the cluster goes, and begins with another cluster of its name.
async fn delete_and_create_again(world: &mut World) {
    let clusters = world.api::<ValkeyCluster>();
    let uid = clusters.get("trio").await.unwrap().metadata.uid.unwrap();
    world.delete::<ValkeyCluster>("trio").await;
    until("no server runs", async || world.pods().await.is_empty().then_some(())).await;
    world.kill_operator().await;
    if clusters.get_opt("trio").await.unwrap().is_some() {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": []}}));
        let _ = clusters.patch("trio", &PatchParams::default(), &patch).await;
    }
    until("the cluster is gone", async || clusters.get_opt("trio").await.unwrap().is_none().then_some(()))
        .await;
    world.collect(&uid).await;
    world.create("trio", json!({"instances": 1})).await;
    world.start_operator();
    world.until_ready("trio").await;
}

crate::scenarios!(
    backups_go_with_their_cluster_only_if_the_schedule_says_so;
    schedule_creates_backups_and_retention_deletes_them,
    backup_is_verified_again_and_one_that_is_gone_is_refuted,
);
