//! Backups in a server that speaks S3, and clusters that are made of them.

use crate::asking::{ask, until};
use crate::bucket::{Bucket, until_deleted};
use crate::world::{World, named};
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use valkeeper_api::ValkeyBackup;
use valkeeper_testbed::{
    node::NodeFault,
    s3::{Fault, KEY, Wire},
};

pub(crate) async fn backup_status(world: &World, name: &str) -> Value {
    let backup = world.api::<ValkeyBackup>().get_opt(name).await.unwrap();
    serde_json::to_value(backup.and_then(|backup| backup.status)).unwrap()
}

pub(crate) async fn ended(world: &World, name: &str, phase: &str) -> Value {
    let mut last = Value::Null;
    let found = tokio::time::timeout(crate::world::PATIENCE, async {
        loop {
            last = backup_status(world, name).await;
            if last["phase"] == phase {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    if found.await.is_err() {
        world.explain("trio").await;
        panic!("backup {name} is never {phase}: {last:#}");
    }
    last
}

/// How many of the writer's values there are, if they are those up to some moment and no others.
async fn history(url: &str) -> u64 {
    let count: u64 = until("an answer", async || ask_number(url).await).await;
    let all: Vec<u64> = (1..=count).collect();
    assert_eq!(missing(&all, url).await, Vec::<u64>::new(), "a gap in the history");
    count
}

async fn ask_number(url: &str) -> Option<u64> {
    let client = redis::Client::open(url).ok()?;
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    redis::cmd("DBSIZE").query_async(&mut connection).await.ok()
}

async fn backup_under_load_is_verified_and_restored(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"resources": {"memory": "256Mi"}})).await;
    world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 300).then_some(())).await;
    let before = writer.count() as u64;
    bucket.back_up(&world, "one", json!({"verify": true})).await;
    let status = ended(&world, "one", "Completed").await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(status["verified"]["succeeded"], true, "{status:#}");
    assert!(["trio-1", "trio-2"].contains(&status["instance"].as_str().unwrap()), "a replica: {status:#}");
    let manifest = bucket.store().manifest(status["key"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(status["sha256"], manifest.sha256.as_str());
    assert_eq!(status["replicationOffset"].as_u64(), Some(manifest.replication_offset));
    assert_eq!(status["keys"].as_u64(), manifest.key_count());
    for (name, persistence) in [
        ("memory", json!(null)),
        ("snapshot", json!({"mode": "Snapshot", "size": "1Gi"})),
        ("log", json!({"mode": "AppendOnly", "size": "1Gi"})),
    ] {
        let bootstrap = json!({"backup": {"name": "one"}});
        let instances = if name == "log" { 1 } else { 2 };
        let mut spec = json!({"instances": instances, "bootstrap": bootstrap});
        if !persistence.is_null() {
            spec["persistence"] = persistence;
        }
        world.create(name, spec).await;
        world.until_ready(name).await;
        let restored = world.until_status(name, "restored", |status| !status["restored"].is_null()).await;
        assert_eq!(restored["restored"]["key"], status["key"], "{name}");
        let count = history(&world.url(name, "leader").await).await;
        assert_eq!(Some(count), manifest.key_count(), "{name}");
        assert!(count >= before && count <= acknowledged.len() as u64 + 1, "{name}: {before} {count}");
        if instances > 1 {
            assert_eq!(history(&world.url(name, "replica").await).await, count, "{name}: the replica");
        }
    }
    // No credential is where people read.
    for (object, (_, text)) in world.everything().await {
        assert!(!text.contains(KEY.1), "{object}");
    }
}

/// Nothing is left but the bucket: the namespace is deleted with everything in it.
async fn cluster_is_rebuilt_from_the_bucket_alone(mut world: World) {
    world.move_to_shop().await;
    let Some(bucket) = Bucket::start(&world).await else { return };
    let persistence = json!({"mode": "AppendOnly", "size": "1Gi", "whenDeleted": "Delete"});
    world.create("trio", json!({"persistence": persistence})).await;
    world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 300).then_some(())).await;
    let (acknowledged, _) = writer.stop().await;
    bucket.back_up(&world, "one", json!({})).await;
    ended(&world, "one", "Completed").await;
    world.delete_shop().await;
    world.move_to_shop().await;
    let keys = bucket.keys().await;
    assert_eq!(keys.len(), 1, "what is stored outlives the resource: {keys:?}");
    let source = json!({"destination": bucket.destination(), "key": keys[0]});
    let spec = json!({"persistence": persistence, "bootstrap": {"backup": {"source": source}}});
    world.create("trio", spec).await;
    let failed = |status: &Value| status["Ready"]["reason"] == "RestoreFailed";
    let status = world.until_status("trio", "stalled without the Secret", failed).await;
    assert!(status["Ready"]["message"].as_str().unwrap().contains("Secret s3"), "{status:#}");
    bucket.create_secret(&world).await;
    let status = world.until_ready("trio").await;
    assert_eq!(status["readyInstances"], 3);
    let url = world.url("trio", "leader").await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
    until("a write", async || ask(&url, &["SET", "later", "v"]).await.filter(|answer| answer == "OK")).await;
    // It is a cluster like any other: what was written since survives the end of every pod.
    let before = world.pod_uids().await;
    let soon = DeleteParams::default().grace_period(1);
    for pod in world.pods().await {
        world.api::<Pod>().delete(&pod, &soon).await.unwrap();
    }
    // Those that end still answer.
    let old: Vec<_> = before.values().collect();
    let are_new = |now: &BTreeMap<String, String>| {
        now.len() == before.len() && now.values().all(|uid| !old.contains(&uid))
    };
    until("other pods", async || Some(world.pod_uids().await).filter(are_new)).await;
    world.until_ready("trio").await;
    until("the later write", async || ask(&url, &["GET", "later"]).await.filter(|answer| answer == "v"))
        .await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
}

async fn backup_that_does_not_exist_starts_no_server(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    let source = json!({"destination": bucket.destination(), "key": "default/trio/none"});
    for (name, backup, what) in [
        ("a", json!({"name": "none"}), "ValkeyBackup none"),
        ("b", json!({"source": source}), "no backup with this key"),
    ] {
        world.create(name, json!({"bootstrap": {"backup": backup}})).await;
        let failed = |status: &Value| status["Ready"]["reason"] == "RestoreFailed";
        let status = world.until_status(name, "stalled", failed).await;
        assert!(status["Ready"]["message"].as_str().unwrap().contains(what), "{status:#}");
        assert_eq!(
            (&status["Available"]["status"], &status["currentPrimary"]),
            (&json!("False"), &json!(null))
        );
    }
    // The first of each, and without a server that could be promoted.
    let pods = world.pods().await;
    assert!(!pods.iter().any(|pod| pod.ends_with("-1")), "{pods:?}");
}

async fn what_is_stored_goes_with_the_resource_only_if_it_says_so(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    for (name, policy, left) in [("kept", "Retain", 1), ("gone", "Delete", 1)] {
        bucket.back_up(&world, name, json!({"deletionPolicy": policy})).await;
        ended(&world, name, "Completed").await;
        world.delete::<ValkeyBackup>(name).await;
        until_deleted(&world, name).await;
        assert_eq!(bucket.keys().await.len(), left, "{name}");
    }
    // A bucket that does not exist fails the backup, and the reason is said.
    let mut destination = bucket.destination();
    destination["s3"]["bucket"] = "nowhere".into();
    bucket.back_up(&world, "wrong", json!({"destination": destination})).await;
    let status = ended(&world, "wrong", "Failed").await;
    assert!(status["conditions"].to_string().contains("NoSuchBucket"), "{status:#}");
}

async fn encrypted_backup_is_restored_with_its_key_alone(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    for (name, key) in [("right", "a".repeat(64)), ("wrong", "b".repeat(64)), ("short", "abc".to_owned())] {
        world.set_secret(name, "ENCRYPTION_KEY", &key).await;
    }
    world.create("trio", json!({"instances": 1, "resources": {"memory": "256Mi"}})).await;
    world.until_ready("trio").await;
    let url = world.url("trio", "leader").await;
    until("a write", async || ask(&url, &["SET", "k", "v"]).await.filter(|answer| answer == "OK")).await;
    let spec = json!({
        "destination": bucket.encrypted("right"), "verify": true, "maxBytesPerSecond": "64Mi",
        "deletionPolicy": "Delete",
    });
    bucket.back_up(&world, "one", spec).await;
    let status = ended(&world, "one", "Completed").await;
    assert_eq!(status["verified"]["succeeded"], true, "{status:#}");
    let key = status["key"].as_str().unwrap();
    let manifest = bucket.store().manifest(key).await.unwrap().unwrap();
    assert!(manifest.encryption.is_some());
    for (name, secret, why) in [("a", "wrong", "is not the one"), ("b", "short", "64 hexadecimal digits")] {
        let source = json!({"destination": bucket.encrypted(secret), "key": key});
        world.create(name, json!({"instances": 1, "bootstrap": {"backup": {"source": source}}})).await;
        let failed = |status: &Value| status["Ready"]["reason"] == "RestoreFailed";
        let status = world.until_status(name, "stalled", failed).await;
        assert!(status["Ready"]["message"].as_str().unwrap().contains(why), "{status:#}");
    }
    world.create("c", json!({"instances": 1, "bootstrap": {"backup": {"name": "one"}}})).await;
    world.until_ready("c").await;
    let url = world.url("c", "leader").await;
    until("the value", async || ask(&url, &["GET", "k"]).await.filter(|answer| answer == "v")).await;
    // Nobody needs the key to delete.
    world.delete::<Secret>("right").await;
    world.delete::<ValkeyBackup>("one").await;
    until("what is stored is deleted", async || bucket.keys().await.is_empty().then_some(())).await;
    for (object, (_, text)) in world.everything().await {
        assert!(!text.contains(&"a".repeat(64)), "{object}");
    }
}

/// The store fails for longer than one attempt lasts. There is one instance, which keeps the answer to the first.
async fn failed_attempt_is_repeated_on_the_same_instance(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    let wire = Wire::to(bucket.address()).await.unwrap();
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    wire.strike(Fault::Unavailable, 1_000);
    let mut destination = bucket.destination();
    destination["s3"]["endpoint"] = format!("http://{}", wire.address()).into();
    bucket.back_up(&world, "one", json!({"destination": destination})).await;
    until("the first attempt has failed", async || {
        let conditions = backup_status(&world, "one").await["conditions"].to_string();
        conditions.contains("Attempt 1 of 5 failed").then_some(())
    })
    .await;
    assert!(wire.struck() > 1, "the client repeats a request itself");
    wire.strike(Fault::Unavailable, 0);
    let status = ended(&world, "one", "Completed").await;
    assert_eq!(status["attempts"], 2, "{status:#}");
    assert_eq!(bucket.keys().await.len(), 1);
}

/// Writes eight megabytes that no server compresses.
async fn fill(url: &str) {
    let mut state: u64 = 1;
    for number in 0..8 {
        let mut symbol = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from(state >> 58).unwrap())
        };
        let value: String = (0..1_000_000).map(&mut symbol).collect();
        let set = ["SET", &number.to_string(), &value];
        until("a write", async || ask(url, &set).await.filter(|answer| answer == "OK")).await;
    }
}

async fn killed_manager_leaves_no_upload_behind(world: World) {
    let Some(bucket) = Bucket::start(&world).await else { return };
    world.create("trio", json!({"instances": 1})).await;
    world.until_ready("trio").await;
    let url = world.url("trio", "leader").await;
    fill(&url).await;
    let in_the_middle = async |name: &str| {
        bucket.back_up(&world, name, json!({"maxBytesPerSecond": "1Mi"})).await;
        until("an upload", async || bucket.uploads().await.into_iter().find(|key| key.contains(name))).await;
        world.nodes.inject(&NodeFault::KillManager(named("trio-0"))).unwrap();
    };
    in_the_middle("retried").await;
    let status = ended(&world, "retried", "Completed").await;
    assert_eq!(bucket.uploads().await, Vec::<String>::new(), "{status:#}");
    // One that never succeeds, and whose data would stay.
    world.until_ready("trio").await;
    fill(&url).await;
    in_the_middle("deleted").await;
    world.delete::<ValkeyBackup>("deleted").await;
    until_deleted(&world, "deleted").await;
    assert_eq!(bucket.uploads().await, Vec::<String>::new());
    assert!(bucket.keys().await.iter().any(|key| key.contains("retried")), "a backup that is stored stays");
}

crate::scenarios!(
    cluster_is_rebuilt_from_the_bucket_alone,
    what_is_stored_goes_with_the_resource_only_if_it_says_so;
    failed_attempt_is_repeated_on_the_same_instance,
    killed_manager_leaves_no_upload_behind,
    encrypted_backup_is_restored_with_its_key_alone,
    backup_under_load_is_verified_and_restored,
    backup_that_does_not_exist_starts_no_server,
);
