//! From a manifest to servers that clients can use.

use crate::asking::{ask, until};
use crate::world::World;
use crate::writer::{Writer, missing};
use serde_json::json;
use std::time::Duration;
use valkeeper_testbed::faults::{FaultPlan, Lane, Schedule};

async fn standalone_server_is_created_and_takes_writes(world: World) {
    world.create("solo", json!({"instances": 1})).await;
    let status = world.until_ready("solo").await;
    assert_eq!(status["currentPrimary"], "solo-0");
    assert_eq!(status["Protected"], json!(null));
    let url = world.url("solo", "leader").await;
    until("a write", async || ask(&url, &["SET", "k", "v"]).await.filter(|answer| answer == "OK")).await;
    assert_eq!(world.pods().await, ["solo-0"]);
}

async fn cluster_of_three_replicates_behind_its_services(world: World) {
    world.create("trio", json!({})).await;
    let status = world.until_ready("trio").await;
    assert_eq!((&status["readyInstances"], &status["Protected"]["status"]), (&json!(3), &json!("True")));
    let url = world.url("trio", "leader").await;
    until("a write", async || ask(&url, &["SET", "k", "v"]).await.filter(|answer| answer == "OK")).await;
    let replicas = world.url("trio", "replica").await;
    until("the write is replicated", async || {
        ask(&replicas, &["GET", "k"]).await.filter(|answer| answer == "v")
    })
    .await;
    assert_eq!(ask(&replicas, &["SET", "k", "w"]).await, None, "replicas take no writes");
    let secret = world.secret("trio").await;
    let keys: Vec<_> = secret.keys().map(String::as_str).collect();
    assert_eq!(keys, ["VALKEY_HOST", "VALKEY_PASSWORD", "VALKEY_PORT", "VALKEY_SSL", "VALKEY_USER"]);
}

async fn settled_cluster_writes_nothing_and_shows_no_secret(world: World) {
    let persistence = json!({"mode": "Snapshot", "size": "1Gi"});
    world.create("trio", json!({"persistence": persistence})).await;
    world.until_ready("trio").await;
    let mut secrets = world.secret("trio-authority").await.into_values().collect::<Vec<_>>();
    secrets.push(world.secret("trio-certificate").await["tls.key"].clone());
    secrets.retain(|text| text.contains("PRIVATE KEY"));
    secrets.push(world.secret("trio-password").await["password"].clone());
    secrets.push(world.secret("trio-access").await["servers"].clone());
    assert_eq!(secrets.len(), 5);
    // What was under way when it became ready.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = world.everything().await;
    // Longer than the interval after which everything is compared again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = world.everything().await;
    assert!(after.len() > 15, "{:?}", after.keys());
    for (name, (version, text)) in &after {
        assert_eq!(before[name].0, *version, "{name} was written: {text}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{name} shows a secret");
        }
    }
}

/// Secrets that a wrong answer hides are there all the same: whoever has the password goes on.
async fn hidden_secrets_of_a_cluster_are_not_made_anew(mut world: World) {
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let names = ["trio-password", "trio-authority", "trio-access", "trio"];
    let secrets = async |world: &World| {
        let mut all = Vec::new();
        for name in names {
            all.push(world.secret(name).await);
        }
        all
    };
    let before = secrets(&world).await;
    let plan = FaultPlan::new();
    plan.arm(Schedule::none());
    world.restart_operator_behind(&plan).await;
    until("a moment between two looks", async || {
        let before = plan.counted(Lane::Work);
        tokio::time::sleep(Duration::from_millis(300)).await;
        (before > 20 && before == plan.counted(Lane::Work)).then_some(())
    })
    .await;
    // Each look begins with the Secrets: of the password, of the authority, of the instances, of
    // what servers accept.
    plan.arm(Schedule::parse("0:404,1:404,2:404,3:404").unwrap());
    until("three looks", async || (plan.counted(Lane::Work) > 50).then_some(())).await;
    plan.disarm();
    world.until_ready("trio").await;
    assert!(secrets(&world).await == before, "a Secret was made anew");
}

async fn redis_becomes_valkey_one_server_after_another(world: World) {
    if valkeeper_testbed::tools::REDIS_SERVER.or_skip().is_none() {
        return;
    }
    world.create("trio", json!({"engine": "Redis", "version": "7.2"})).await;
    world.until_ready("trio").await;
    let writer = Writer::start(&world.url("trio", "leader").await);
    until("writes", async || (writer.count() > 100).then_some(())).await;
    world.change("trio", json!({"engine": "Valkey", "version": "8.1"})).await;
    let whole =
        |status: &serde_json::Value| status["Ready"]["status"] == "True" && status["readyInstances"] == 3;
    world.until_status("trio", "Valkey", whole).await;
    let (acknowledged, _) = writer.stop().await;
    let url = world.url("trio", "leader").await;
    assert_eq!(missing(&acknowledged, &url).await, Vec::<u64>::new());
    let info = ask(&url, &["INFO", "server"]).await.unwrap();
    assert!(info.contains("valkey_version"), "{info}");
}

crate::scenarios!(
    settled_cluster_writes_nothing_and_shows_no_secret,
    redis_becomes_valkey_one_server_after_another,
    hidden_secrets_of_a_cluster_are_not_made_anew,
    standalone_server_is_created_and_takes_writes,
    cluster_of_three_replicates_behind_its_services
);
