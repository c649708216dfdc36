//! Changes of a cluster that has data: what they must not lose, and values that nothing should be replaced for.

use crate::asking::until;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::{Value, json};

async fn fewer_instances_while_powered_off_lose_no_write(world: World) {
    world.create("trio", json!({"persistence": {"mode": "AppendOnly", "size": "1Gi"}})).await;
    let status = world.until_ready("trio").await;
    // Whoever stays in the end is not the one that writes last.
    if status["currentPrimary"] == "trio-0" {
        world.api::<Pod>().delete("trio-0", &DeleteParams::default()).await.unwrap();
        let moved = |status: &Value| {
            status["Ready"]["status"] == "True"
                && status["currentPrimary"].as_str().is_some_and(|name| name != "trio-0")
        };
        world.until_status("trio", "another primary", moved).await;
    }
    let url = world.url("trio", "leader").await;
    let writer = Writer::start(&url);
    until("writes", async || (writer.count() > 300).then_some(())).await;
    world.change("trio", json!({"powered": false})).await;
    until("all pods have ended", async || world.pods().await.is_empty().then_some(())).await;
    let (acknowledged, _) = writer.stop().await;
    world.change("trio", json!({"instances": 1})).await;
    world.change("trio", json!({"powered": true})).await;
    let alone = |status: &Value| status["Ready"]["status"] == "True" && status["readyInstances"] == 1;
    world.until_status("trio", "ready with one instance", alone).await;
    until("one pod", async || (world.pods().await == ["trio-0"]).then_some(())).await;
    let url = world.url("trio", "leader").await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
}

async fn value_that_no_server_takes_replaces_no_pod(world: World) {
    world.create("trio", json!({"config": {"databases": "32", "timeout": "300"}})).await;
    world.until_ready("trio").await;
    let before = world.pod_uids().await;
    world.change("trio", json!({"config": {"timeout": "5m"}})).await;
    let refused = |status: &Value| status["Ready"]["reason"] == "SettingRefused";
    let status = world.until_status("trio", "refused", refused).await;
    assert!(status["Ready"]["message"].as_str().unwrap().contains("timeout"), "{status:#}");
    assert_eq!(status["Available"]["status"], "True");
    world.change("trio", json!({"config": {"timeout": "200"}})).await;
    world.until_ready("trio").await;
    // Neither for that, nor for a directive that was there from the beginning.
    assert_eq!(world.pod_uids().await, before);
}

crate::scenarios!(; fewer_instances_while_powered_off_lose_no_write, value_that_no_server_takes_replaces_no_pod);
