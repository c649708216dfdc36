//! Updates: settings that running servers take, pods that are replaced, and what they wait for.

use crate::asking::until;
use crate::life::ready_with;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use valkeeper_api::ValkeyCluster;

async fn setting_that_a_running_server_takes_replaces_no_pod(world: World) {
    world.create("trio", json!({"config": {"timeout": "100"}})).await;
    world.until_ready("trio").await;
    let before = world.pod_uids().await;
    let config = json!({"config": {"timeout": "300", "maxmemory-clients": "10%"}, "memory": {"policy": "allkeys-lru"}});
    world.change("trio", config).await;
    world.until_ready("trio").await;
    for service in ["leader", "replica"] {
        let url = world.url("trio", service).await;
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        for (name, value) in [("timeout", "300"), ("maxmemory-policy", "allkeys-lru")] {
            let found: Vec<String> =
                redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut connection).await.unwrap();
            assert_eq!(found, [name, value], "{service}");
        }
    }
    assert_eq!(world.pod_uids().await, before);
}

async fn setting_that_needs_a_restart_replaces_one_pod_after_another(world: World) {
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let before = world.pod_uids().await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    world.change("trio", json!({"config": {"io-threads": "2"}})).await;
    world.until_status("trio", "asking for a restart", |status| !status["restartNeeded"].is_null()).await;
    let done = |status: &Value| ready_with(3)(status) && status["restartNeeded"].is_null();
    world.until_status("trio", "restarted", done).await;
    let after = world.pod_uids().await;
    assert!(before.iter().all(|(name, uid)| after[name] != *uid), "{before:?} {after:?}");
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

async fn changed_pods_replace_replicas_first_and_lose_no_write(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let before = world.pod_uids().await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    world.change("trio", json!({"imagePullPolicy": "Always"})).await;
    world.until_status("trio", "updated", ready_with(3)).await;
    let after = world.pod_uids().await;
    assert!(before.iter().all(|(name, uid)| after[name] != *uid), "{before:?} {after:?}");
    let (acknowledged, gap) = writer.stop().await;
    println!("longest time without an acknowledgment: {gap:?} of {}", acknowledged.len());
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
    let deleted: Vec<String> =
        world.events().await.into_iter().filter(|event| event.starts_with("PodDeleted")).collect();
    let primary = first["currentPrimary"].as_str().unwrap();
    assert_eq!(deleted.len(), 3, "{deleted:?}");
    assert!(deleted[2].contains(primary), "{deleted:?}");
}

async fn update_of_the_primary_waits_for_approval(world: World) {
    world.create("duo", json!({"instances": 2, "update": {"primary": "Approve"}})).await;
    let first = world.until_ready("duo").await;
    let before = world.pod_uids().await;
    world.change("duo", json!({"imagePullPolicy": "Always"})).await;
    let waits = |status: &Value| status["Ready"]["reason"] == "ApprovalNeeded";
    let waiting = world.until_status("duo", "waiting", waits).await;
    assert_eq!(waiting["currentPrimary"], first["currentPrimary"]);
    let primary = first["currentPrimary"].as_str().unwrap();
    assert_eq!(world.pod_uids().await[primary], before[primary]);
    let annotation =
        json!({"metadata": {"annotations": {"valkeeper.io/approve-update": waiting["revision"]}}});
    let patch = kube::api::Patch::Merge(annotation);
    world.api::<ValkeyCluster>().patch("duo", &kube::api::PatchParams::default(), &patch).await.unwrap();
    world.until_status("duo", "updated", |status| ready_with(2)(status) && !waits(status)).await;
    assert_ne!(world.pod_uids().await[primary], before[primary]);
}

async fn update_waits_for_its_window_and_a_repair_does_not(world: World) {
    // On the last day of February, which is not soon.
    let closed = json!({"primary": "Automatic", "window": {"schedule": "0 0 28 2 *", "duration": "1m"}});
    world.create("duo", json!({"instances": 2, "update": closed})).await;
    world.until_ready("duo").await;
    let before = world.pod_uids().await;
    world.change("duo", json!({"imagePullPolicy": "Always"})).await;
    let waits = |status: &Value| status["Ready"]["reason"] == "UpdateScheduled";
    let waiting = world.until_status("duo", "waiting", waits).await;
    assert!(waiting["Ready"]["message"].as_str().unwrap().contains("02-28 00:00 UTC"), "{waiting}");
    assert_eq!(world.pod_uids().await, before);
    // What does not work is replaced by what is declared.
    world.delete::<Pod>("duo-1").await;
    until("its successor", async || {
        let pod = world.api::<Pod>().get_opt("duo-1").await.unwrap()?;
        (pod.metadata.uid.as_ref() != Some(&before["duo-1"])).then_some(())
    })
    .await;
    world.until_status("duo", "in sync", ready_with(2)).await;
    // Every minute is one.
    let open = json!({"window": {"schedule": "* * * * *", "duration": "1m"}});
    world.change("duo", json!({"update": open})).await;
    world.until_status("duo", "updated", |status| ready_with(2)(status) && !waits(status)).await;
    assert_ne!(world.pod_uids().await["duo-0"], before["duo-0"]);
}

crate::scenarios!(
    ;
    setting_that_a_running_server_takes_replaces_no_pod,
    setting_that_needs_a_restart_replaces_one_pod_after_another,
    changed_pods_replace_replicas_first_and_lose_no_write,
    update_of_the_primary_waits_for_approval,
    update_waits_for_its_window_and_a_repair_does_not,
);
