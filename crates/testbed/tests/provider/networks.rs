//! VPCs and the services in them.

use crate::harness::{Api, BUILD, VPC, message};
use serde_json::{Value, json};

async fn vpc(api: &Api) -> String {
    let body = json!({ "cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": [] });
    let (status, created) = api.post("vpcs", body).await;
    assert_eq!((status, &created["state"]), (200, &json!("APPROVED")), "{created}");
    created["project_vpc_id"].as_str().unwrap().to_owned()
}

async fn active_vpc(api: &Api) -> String {
    let id = vpc(api).await;
    api.advance(VPC);
    assert_eq!(api.get(&format!("vpcs/{id}")).await.1["state"], "ACTIVE");
    id
}

#[tokio::test]
async fn a_service_cannot_be_placed_in_a_vpc_that_is_not_active() {
    let api = Api::start().await;
    let id = vpc(&api).await;
    let refused = api.create("cache", json!({ "project_vpc_id": id })).await;
    assert_eq!(refused.0, 409);
    assert_eq!(message(&refused), format!("Project VPC {id} is in state APPROVED, not ACTIVE"));
    api.advance(VPC);
    let (status, created) = api.create("cache", json!({ "project_vpc_id": id })).await;
    assert_eq!((status, &created["service"]["project_vpc_id"]), (200, &json!(id)));
    assert_eq!(api.create("other", json!({ "project_vpc_id": id, "cloud": "aws-eu-west-1" })).await.0, 400);
}

#[tokio::test]
async fn absent_vpc_selects_cloud_vpc_and_null_selects_public_network() {
    let api = Api::start().await;
    let id = active_vpc(&api).await;
    let absent = json!({ "service_name": "inside", "service_type": "valkey", "plan": "startup-4" });
    let (_, inside) = api.post("service", absent).await;
    assert_eq!(inside["service"]["project_vpc_id"], id);
    let (_, outside) = api.create("outside", json!({ "project_vpc_id": Value::Null })).await;
    assert!(outside["service"]["project_vpc_id"].is_null());
}

#[tokio::test]
async fn in_an_update_absent_keeps_the_vpc_and_null_leaves_it() {
    let api = Api::start().await;
    let id = active_vpc(&api).await;
    api.running("cache", json!({ "project_vpc_id": id })).await;
    let (_, kept) = api.put("service/cache", json!({ "termination_protection": false })).await;
    assert_eq!(
        (&kept["service"]["project_vpc_id"], &kept["service"]["state"]),
        (&json!(id), &json!("RUNNING"))
    );
    let (_, left) = api.put("service/cache", json!({ "project_vpc_id": Value::Null })).await;
    assert_eq!(left["service"]["project_vpc_id"], Value::Null);
    assert_eq!(left["service"]["state"], "REBUILDING");
    api.advance(BUILD);
    let (_, back) = api.put("service/cache", json!({ "project_vpc_id": id })).await;
    assert_eq!(
        (&back["service"]["project_vpc_id"], &back["service"]["state"]),
        (&json!(id), &json!("REBUILDING"))
    );
}

#[tokio::test]
async fn vpc_deletion_fails_while_in_use_and_right_after() {
    let api = Api::start().await;
    let id = active_vpc(&api).await;
    api.running("cache", json!({ "project_vpc_id": id })).await;
    let path = format!("vpcs/{id}");
    let refused = api.delete(&path).await;
    assert_eq!((refused.0, message(&refused)), (409, "VPC cannot be deleted while there are services in it"));
    api.handle().set_unknowns(|unknowns| unknowns.vpc_delete_refusal_status = 403);
    assert_eq!(api.delete(&path).await.0, 403);
    api.delete("service/cache").await;
    let refused = api.delete(&path).await;
    assert_eq!(message(&refused), "VPC cannot be deleted while there are services migrating from it");
    api.advance(VPC);
    let (status, deleting) = api.delete(&path).await;
    assert_eq!((status, &deleting["state"]), (200, &json!("DELETING")));
    api.advance(VPC);
    assert_eq!(api.get(&path).await.0, 404);
    assert_eq!(api.get("vpcs").await.1["vpcs"], json!([]));
}

async fn create(api: &Api, cloud: &str, cidr: &str) -> (u16, Value) {
    let body = json!({ "cloud_name": cloud, "network_cidr": cidr, "peering_connections": [] });
    api.post("vpcs", body).await
}

#[tokio::test]
async fn only_small_private_aligned_networks_are_accepted() {
    let api = Api::start().await;
    for wrong in [
        "10.0.0.0/8",
        "10.0.0.0/25",
        "10.0.0.0",
        "10.0.0.1/24",
        "8.8.8.0/24",
        "172.32.0.0/24",
        "fd00::/24",
        "255.255.255.255/240000",
        "network",
    ] {
        assert_eq!(create(&api, "google-europe-west1", wrong).await.0, 400, "{wrong}");
    }
    for right in ["10.0.0.0/24", "172.31.0.0/20", "192.168.16.0/22"] {
        assert_eq!(create(&api, "google-europe-west1", right).await.0, 200, "{right}");
    }
}

#[tokio::test]
async fn networks_of_one_cloud_do_not_overlap() {
    let api = Api::start().await;
    assert_eq!(create(&api, "google-europe-west1", "10.0.0.0/22").await.0, 200);
    for overlapping in ["10.0.0.0/22", "10.0.1.0/24", "10.0.0.0/20"] {
        let refused = create(&api, "google-europe-west1", overlapping).await;
        assert!(refused.0 == 409 && message(&refused).contains("overlaps"), "{refused:?}");
    }
    assert_eq!(create(&api, "google-europe-west1", "10.0.4.0/22").await.0, 200);
    assert_eq!(create(&api, "aws-eu-west-1", "10.0.0.0/22").await.0, 200);
    api.handle().set_unknowns(|unknowns| unknowns.vpc_overlap_status = 400);
    assert_eq!(create(&api, "aws-eu-west-1", "10.0.0.0/22").await.0, 400);
}
