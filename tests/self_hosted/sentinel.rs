//! Clients that are set up for Sentinel: real libraries find the primary through the Service, and follow a failover.

use crate::asking::{ask, until};
use crate::sentinel_libraries::Library;
use crate::world::{World, named};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::{Value, json};
use valkeeper_testbed::node::NodeFault;

pub(crate) const NAME: &str = "mymaster";

/// The address of the Service for them.
async fn service(world: &World) -> String {
    let service = world.api::<Service>().get("trio-sentinel").await.unwrap();
    service.spec.unwrap().cluster_ip.unwrap()
}

/// The host of the primary that a Kubernetes user sees.
async fn primary(world: &World, status: &Value) -> String {
    let pod = world.api::<Pod>().get(status["currentPrimary"].as_str().unwrap()).await.unwrap();
    pod.status.unwrap().pod_ip.unwrap()
}

async fn client_libraries_follow_a_failover_through_the_sentinel_service(world: World) {
    let clients = json!({"clients": {"sentinel": true, "primaryName": NAME}});
    world.create("trio", clients).await;
    let status = world.until_ready("trio").await;
    let folder = tempfile::tempdir().unwrap();
    let libraries = Library::all(folder.path(), &world.secret("trio").await);
    follow_a_failover(&world, status, &libraries).await;
}

/// What they verify is a name of the certificate, or its authority.
async fn client_libraries_follow_a_failover_over_tls(world: World) {
    let spec = json!({"tls": {}, "clients": {"sentinel": true, "primaryName": NAME}});
    world.create("trio", spec).await;
    let status = world.until_ready("trio").await;
    let mut secret = until("a Secret", async || world.try_secret("trio").await).await;
    secret.insert("SERVER_NAME".to_owned(), format!("trio-leader.{}.svc", world.namespace));
    let folder = tempfile::tempdir().unwrap();
    let libraries = Library::over_tls(folder.path(), &secret);
    follow_a_failover(&world, status, &libraries).await;
}

/// Planned, then unplanned.
async fn follow_a_failover(world: &World, mut status: Value, libraries: &[Library]) {
    let host = primary(world, &status).await;
    for library in libraries {
        library.until_writes_to(&host).await;
    }
    for kills in [false, true] {
        let old = status["currentPrimary"].as_str().unwrap().to_owned();
        if kills {
            world.nodes.inject(&NodeFault::Kill(named(&old))).unwrap();
        } else {
            world.delete::<Pod>(&old).await;
        }
        let before = status["term"].as_i64();
        let moved = |status: &Value| status["Ready"]["status"] == "True" && status["term"].as_i64() > before;
        status = world.until_status("trio", "moved", moved).await;
        let host = primary(world, &status).await;
        for library in libraries {
            library.until_writes_to(&host).await;
        }
    }
}

async fn sentinel_clients_are_served_and_left_without_a_change_of_pods(world: World) {
    world.create("trio", json!({})).await;
    world.until_ready("trio").await;
    let pods = world.pod_uids().await;
    assert!(world.api::<Service>().get_opt("trio-sentinel").await.unwrap().is_none());
    world.change("trio", json!({"clients": {"sentinel": true, "sentinelPassword": "Optional"}})).await;
    world.until_ready("trio").await;
    let url = format!("redis://{}:26379/", service(&world).await);
    let quorum = ["SENTINEL", "CKQUORUM", "trio"];
    let fine = |answer: &String| answer.starts_with("OK 3 usable Sentinels");
    until("an answer without a password", async || ask(&url, &quorum).await.filter(fine)).await;
    world.change("trio", json!({"clients": null})).await;
    world.until_ready("trio").await;
    until("no Service", async || {
        world.api::<Service>().get_opt("trio-sentinel").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(world.pod_uids().await, pods);
}

async fn parameters_are_in_the_secret_and_a_config_map_under_the_prefix_of_the_user(world: World) {
    let spec = json!({
        "clients": {"sentinel": true, "primaryName": NAME},
        "connInfoSecretTarget": {"name": "shop", "prefix": "REDIS_"},
        "connInfoConfigMapTarget": {"name": "shop", "prefix": "CACHE_"},
    });
    world.create("trio", spec).await;
    world.until_ready("trio").await;
    let map = async || world.api::<ConfigMap>().get("shop").await.unwrap().data.unwrap_or_default();
    let (secret, parameters) = (world.secret("shop").await, map().await);
    assert_eq!(secret["REDIS_SENTINEL_HOST"], service(&world).await);
    assert_eq!(parameters["CACHE_PRIMARY_NAME"], NAME);
    for key in ["HOST", "PORT", "SSL", "SENTINEL_HOST", "SENTINEL_PORT", "PRIMARY_NAME"] {
        assert_eq!(parameters[&format!("CACHE_{key}")], secret[&format!("REDIS_{key}")], "{key}");
    }
    let text = format!("{parameters:?}");
    assert!(!text.contains(&secret["REDIS_PASSWORD"]) && !text.contains("PASSWORD"), "{text}");
    // Without Sentinel clients, their parameters go.
    world.change("trio", json!({"clients": null})).await;
    world.until_ready("trio").await;
    until("no parameters of Sentinel", async || {
        let keys: Vec<String> =
            world.secret("shop").await.into_keys().chain(map().await.into_keys()).collect();
        (!keys.iter().any(|key| key.contains("SENTINEL"))).then_some(())
    })
    .await;
}

async fn network_policy_follows_the_spec(world: World) {
    let policies = world.api::<NetworkPolicy>();
    let shop = json!([{"podSelector": {"matchLabels": {"app": "shop"}}}]);
    world.create("solo", json!({"instances": 1, "clients": {"allowFrom": shop}})).await;
    world.until_ready("solo").await;
    let policy = serde_json::to_value(policies.get("solo").await.unwrap()).unwrap();
    assert_eq!(policy["spec"]["ingress"][0]["from"], shop);
    assert_eq!(policy["spec"]["podSelector"]["matchLabels"], json!({"valkeeper.io/cluster": "solo"}));
    world.delete::<NetworkPolicy>("solo").await;
    until("the policy again", async || policies.get_opt("solo").await.unwrap()).await;
    world.change("solo", json!({"clients": null})).await;
    until("no policy", async || policies.get_opt("solo").await.unwrap().is_none().then_some(())).await;
}

crate::scenarios!(
    network_policy_follows_the_spec,
    parameters_are_in_the_secret_and_a_config_map_under_the_prefix_of_the_user;
    client_libraries_follow_a_failover_through_the_sentinel_service,
    client_libraries_follow_a_failover_over_tls,
    sentinel_clients_are_served_and_left_without_a_change_of_pods,
);
