//! Integrations and read replicas.

use crate::harness::{Api, FIRST_BACKUP, POWER_OFF, message};
use serde_json::{Value, json};

fn replica(source: &str) -> Value {
    json!({ "service_integrations": [{ "integration_type": "read_replica", "source_service": source }] })
}

#[tokio::test]
async fn integrations_are_refused_on_hobbyist_plans() {
    let api = Api::start().await;
    api.running("cache", json!({ "plan": "hobbyist" })).await;
    let body = json!({ "integration_type": "datadog", "source_service": "cache", "dest_endpoint_id": "e" });
    let refused = api.post("integration", body).await;
    assert_eq!(
        (refused.0, message(&refused)),
        (403, "Service integrations are not available for this service")
    );
}

#[tokio::test]
async fn null_means_that_a_side_is_not_named() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let body = json!({
        "integration_type": "datadog", "source_service": "cache", "source_endpoint_id": null,
        "dest_service": null, "dest_endpoint_id": "endpoint", "user_config": {},
    });
    let (status, created) = api.post("integration", body).await;
    assert_eq!((status, &created["service_integration"]["dest_endpoint_id"]), (200, &json!("endpoint")));
    let nothing = json!({ "integration_type": "datadog", "source_service": "cache", "dest_service": null });
    assert_eq!(api.post("integration", nothing).await.0, 400);
}

#[tokio::test]
async fn a_replica_needs_a_running_source_with_a_backup() {
    let api = Api::start().await;
    assert_eq!(api.create("copy", replica("source")).await.0, 404);
    api.running("source", json!({})).await;
    let early = api.create("copy", replica("source")).await;
    assert_eq!((early.0, message(&early)), (403, "No valid backups for service"));
    api.advance(FIRST_BACKUP);
    assert_eq!(api.create("copy", replica("source")).await.0, 200);
    assert_eq!(api.handle().service_count(), 2);
}

#[tokio::test]
async fn a_replica_of_a_powered_off_source_is_refused() {
    let api = Api::start().await;
    api.powered_off("source").await;
    let refused = api.create("copy", replica("source")).await;
    assert_eq!(
        (refused.0, message(&refused)),
        (403, "Creation of a read replica not allowed under current plan")
    );
}

#[tokio::test]
async fn replicas_are_for_startup_plans_and_at_most_five() {
    let api = Api::start().await;
    api.backed_up("big", json!({ "plan": "business-4" })).await;
    assert_eq!(api.create("copy", replica("big")).await.0, 403);
    api.handle().set_unknowns(|unknowns| unknowns.replicas_need_startup_plan = false);
    assert_eq!(api.create("copy", replica("big")).await.0, 200);
    for index in 1..5 {
        assert_eq!(api.create(&format!("copy{index}"), replica("big")).await.0, 200);
    }
    assert_eq!(api.create("copy5", replica("big")).await.0, 403);
}

#[tokio::test]
async fn integration_is_listed_on_both_services_and_deletion_promotes() {
    let api = Api::start().await;
    api.backed_up("source", json!({})).await;
    api.running("copy", replica("source")).await;
    let (_, of_source) = api.get("service/source/integration").await;
    let (_, of_copy) = api.get("service/copy/integration").await;
    assert_eq!(of_source, of_copy);
    let integration = &of_copy["service_integrations"][0];
    assert_eq!(
        (&integration["source_service"], &integration["dest_service"]),
        (&json!("source"), &json!("copy"))
    );
    assert_eq!(api.service("copy").await["node_states"][0]["role"], "read-replica");

    let path = format!("integration/{}", integration["service_integration_id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.0, 200);
    assert_eq!(api.delete(&path).await.0, 200);
    assert_eq!(api.get(&path).await.0, 404);
    assert_eq!(api.get("service/source/integration").await.1["service_integrations"], json!([]));
    assert_eq!(api.service("copy").await["node_states"][0]["role"], "master");
}

#[tokio::test]
async fn a_replica_has_no_backups() {
    let api = Api::start().await;
    api.backed_up("source", json!({})).await;
    api.backed_up("copy", replica("source")).await;
    assert_eq!(api.get("service/copy/backups").await.1["backups"], json!([]));
    assert_eq!(api.put("service/copy", json!({ "powered": false })).await.0, 200);
    api.advance(POWER_OFF);
    assert_eq!(api.state("copy").await, "POWEROFF");
}

#[tokio::test]
async fn deleting_a_service_ends_its_integrations() {
    let api = Api::start().await;
    api.backed_up("source", json!({})).await;
    api.running("copy", replica("source")).await;
    assert_eq!(api.delete("service/copy").await.0, 200);
    assert_eq!(api.service("source").await["service_integrations"], json!([]));
}

#[tokio::test]
async fn other_integrations_are_made_later_and_twice_if_asked_twice() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let autoscaler = json!({ "integration_type": "autoscaler", "source_service": "cache" });
    assert_eq!(api.post("integration", autoscaler.clone()).await.0, 200);
    assert_eq!(api.post("integration", autoscaler).await.0, 200);
    assert_eq!(api.service("cache").await["service_integrations"].as_array().unwrap().len(), 2);
    let late =
        json!({ "integration_type": "read_replica", "source_service": "cache", "dest_service": "cache" });
    assert_eq!(api.post("integration", late).await.0, 400);
    assert_eq!(api.post("integration", json!({ "integration_type": "datadog" })).await.0, 400);
}
