//! Metrics of servers: alerts and dashboard name nothing that is not exported.

use crate::world::World;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::json;

/// The metrics of all pods.
async fn pages(world: &World) -> Vec<String> {
    let mut pages = Vec::new();
    for pod in world.api::<Pod>().list(&ListParams::default()).await.unwrap().items {
        let address = pod.status.unwrap().pod_ip.unwrap();
        let url = format!("http://{address}:8080/metrics");
        pages.push(reqwest::get(url).await.unwrap().text().await.unwrap());
    }
    pages
}

async fn servers_export_what_alerts_and_dashboard_name(world: World) {
    world.create("trio", json!({"persistence": {"mode": "AppendOnly", "size": "1Gi"}, "tls": {}})).await;
    world.until_ready("trio").await;
    let text = pages(&world).await.concat();
    let watching = [
        include_str!("../../charts/valkeeper/cluster-alerts.yaml"),
        include_str!("../../charts/valkeeper/dashboards/clusters.json"),
    ];
    let names = regex::Regex::new(r"\b(redis|valkeeper_instance)_[a-z_]+").unwrap();
    for name in names.find_iter(&watching.concat()) {
        let begins =
            |line: &str| line.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['{', ' ']));
        assert!(text.lines().any(begins), "{} is watched and not exported", name.as_str());
    }
    let count = |line: &str| text.lines().filter(|found| *found == line).count();
    assert_eq!(count("valkeeper_instance_synced 1"), 2, "the replicas");
    assert_eq!(count("valkeeper_instance_alone 0"), 3);
    assert!(!text.contains(&world.secret("trio").await["VALKEY_PASSWORD"]));
}

async fn lone_server_says_that_it_is_alone(world: World) {
    world.create("solo", json!({"instances": 1})).await;
    world.until_ready("solo").await;
    let text = pages(&world).await.concat();
    assert!(text.contains("\nvalkeeper_instance_alone 1\n"), "{text}");
    assert!(!text.contains("valkeeper_instance_volume"), "it has no volume");
}

crate::scenarios!(
    servers_export_what_alerts_and_dashboard_name;
    lone_server_says_that_it_is_alone,
);
