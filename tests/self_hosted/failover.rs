//! Another server becomes primary: planned and unplanned.

use crate::asking::until;
use crate::world::{World, named};
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use valkeeper_testbed::node::NodeFault;

async fn deleted_primary_hands_over_and_loses_nothing(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 200).then_some(())).await;
    let primary = first["currentPrimary"].as_str().unwrap();
    world.delete::<Pod>(primary).await;
    let moved = |status: &serde_json::Value| {
        status["currentPrimary"].is_string() && status["currentPrimary"] != first["currentPrimary"]
    };
    let second = world.until_status("trio", "moved", moved).await;
    let before = writer.count();
    until("writes go on", async || (writer.count() > before + 200).then_some(())).await;
    let healed = |status: &serde_json::Value| status["Ready"]["status"] == "True" && moved(status);
    let healed = world.until_status("trio", "ready again", healed).await;
    let (acknowledged, gap) = writer.stop().await;
    println!("longest time without an acknowledgment: {gap:?} of {} writes", acknowledged.len());
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
    assert_eq!(healed["lastFailover"]["reason"], "Planned");
    assert_eq!(healed["lastFailover"]["waited"], "Confirmed");
    assert_eq!(healed["lastFailover"]["from"], first["currentPrimary"]);
    assert!(healed["term"].as_i64() > first["term"].as_i64());
    assert_eq!(second["currentPrimary"], healed["currentPrimary"], "it moved once");
}

async fn killed_primary_is_replaced_without_waiting_for_its_term(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 200).then_some(())).await;
    world.nodes.inject(&NodeFault::Kill(named(first["currentPrimary"].as_str().unwrap()))).unwrap();
    let moved = |status: &serde_json::Value| {
        status["Ready"]["status"] == "True" && status["term"].as_i64() > first["term"].as_i64()
    };
    let second = world.until_status("trio", "moved", moved).await;
    let before = writer.count();
    until("writes go on", async || (writer.count() > before + 100).then_some(())).await;
    let (acknowledged, gap) = writer.stop().await;
    let lost = missing(&acknowledged, &world.url("trio", "leader").await).await;
    println!(
        "longest time without an acknowledgment: {gap:?}; lost {} of {}",
        lost.len(),
        acknowledged.len()
    );
    assert_ne!(second["currentPrimary"], first["currentPrimary"]);
    assert_eq!(second["lastFailover"]["reason"], "Unplanned");
    assert_eq!(second["lastFailover"]["waited"], "Confirmed", "the kubelet reported its end");
}

async fn frozen_primary_is_replaced_when_its_term_has_elapsed(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let primary = first["currentPrimary"].as_str().unwrap().to_owned();
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 200).then_some(())).await;
    world.nodes.inject(&NodeFault::Freeze(named(&primary))).unwrap();
    let moved = |status: &serde_json::Value| {
        status["Available"]["status"] == "True" && status["term"].as_i64() > first["term"].as_i64()
    };
    let second = world.until_status("trio", "moved", moved).await;
    assert_eq!(second["lastFailover"]["waited"], "TermElapsed");
    let before = writer.count();
    until("writes go on", async || (writer.count() > before + 100).then_some(())).await;
    world.nodes.inject(&NodeFault::Thaw(named(&primary))).unwrap();
    world.until_ready("trio").await;
    let (acknowledged, gap) = writer.stop().await;
    let lost = missing(&acknowledged, &world.url("trio", "leader").await).await;
    println!(
        "longest time without an acknowledgment: {gap:?}; lost {} of {}",
        lost.len(),
        acknowledged.len()
    );
}

async fn failover_waits_for_the_operator_to_return(mut world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    world.kill_operator().await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes go on without an operator", async || (writer.count() > 500).then_some(())).await;
    world.nodes.inject(&NodeFault::Kill(named(first["currentPrimary"].as_str().unwrap()))).unwrap();
    let stopped = writer.count();
    world.start_operator();
    let moved = |status: &serde_json::Value| {
        status["Ready"]["status"] == "True" && status["term"].as_i64() > first["term"].as_i64()
    };
    world.until_status("trio", "moved", moved).await;
    until("writes go on", async || (writer.count() > stopped + 100).then_some(())).await;
}

async fn lost_node_is_left_when_its_pods_are_evicted(world: World) {
    world.create("trio", json!({})).await;
    let first = world.until_ready("trio").await;
    let primary = first["currentPrimary"].as_str().unwrap();
    let instances = first["instances"].as_array().unwrap();
    let node =
        instances.iter().find(|instance| instance["name"] == primary).unwrap()["node"].as_str().unwrap();
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    // Its kubelet is silent; its pods go on, and so does their Lease.
    world.nodes.inject(&NodeFault::Vanish(node.to_owned())).unwrap();
    let moved = |status: &serde_json::Value| {
        status["Available"]["status"] == "True" && status["term"].as_i64() > first["term"].as_i64()
    };
    let second = world.until_status("trio", "moved", moved).await;
    assert_eq!(second["lastFailover"]["reason"], "Planned", "the eviction asks the primary to leave");
    let before = writer.count();
    until("writes go on", async || (writer.count() > before + 100).then_some(())).await;
    world.nodes.inject(&NodeFault::Return(node.to_owned())).unwrap();
    world.until_ready("trio").await;
    let (acknowledged, _) = writer.stop().await;
    assert_eq!(missing(&acknowledged, &world.url("trio", "leader").await).await, Vec::<u64>::new());
}

crate::scenarios!(
    lost_node_is_left_when_its_pods_are_evicted,
    deleted_primary_hands_over_and_loses_nothing,
    killed_primary_is_replaced_without_waiting_for_its_term,
    frozen_primary_is_replaced_when_its_term_has_elapsed,
    failover_waits_for_the_operator_to_return,
);
