//! How long clients cannot write while a primary hands over, measured by hand with an otherwise idle machine.

use crate::asking::until;
use crate::world::World;
use crate::writer::{Writer, missing};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use std::time::Duration;

/// How often a primary hands over.
const SWITCHOVERS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement that takes minutes"]
async fn clients_cannot_write_during_a_planned_switchover_for() {
    let Some(world) = World::embedded().await else { return };
    world.create("trio", json!({})).await;
    let mut gaps = Vec::new();
    for _ in 0..SWITCHOVERS {
        let before = world.until_ready("trio").await;
        let url = world.url("trio", "leader").await;
        let writer = Writer::start(&url);
        until("writes", async || (writer.count() > 200).then_some(())).await;
        world.delete::<Pod>(before["currentPrimary"].as_str().unwrap()).await;
        let moved = |now: &serde_json::Value| now["term"].as_i64() > before["term"].as_i64();
        world.until_status("trio", "moved", moved).await;
        let count = writer.count();
        until("writes go on", async || (writer.count() > count + 200).then_some(())).await;
        let (acknowledged, gap) = writer.stop().await;
        assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
        let healed = |now: &serde_json::Value| now["Ready"]["status"] == "True" && moved(now);
        world.until_status("trio", "ready again", healed).await;
        gaps.push(gap);
    }
    gaps.sort_unstable();
    let milliseconds = |gap: &Duration| gap.as_secs_f64() * 1000.0;
    println!(
        "{SWITCHOVERS} planned switchovers: no write for {:.0} ms (p50), {:.0} ms (max), none lost",
        milliseconds(&gaps[gaps.len() / 2]),
        milliseconds(&gaps[gaps.len() - 1])
    );
}
