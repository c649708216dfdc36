//! Powering services off and on.

use crate::harness::{Api, BUILD, POWER_OFF, message};
use serde_json::json;
use std::time::Duration;
use valkeeper_testbed::provider::{PowerOffWithoutBackup, PoweredOffConnection, PoweredOffUpdates};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn protection_blocks_powering_off() {
    let api = Api::start().await;
    api.backed_up("cache", json!({ "termination_protection": true })).await;
    let refused = api.put("service/cache", json!({ "powered": false })).await;
    assert_eq!(refused.0, 403);
    assert!(message(&refused).starts_with("Service is protected against termination and shutdown."));
    api.handle().set_unknowns(|unknowns| unknowns.protected_power_off_status = 400);
    assert_eq!(api.put("service/cache", json!({ "powered": false })).await.0, 400);
    assert_eq!(api.state("cache").await, "RUNNING");
    let both = json!({ "powered": false, "termination_protection": false });
    assert_eq!(api.put("service/cache", both).await.0, 200);
}

#[tokio::test]
async fn powering_off_takes_a_last_backup_and_removes_the_nodes() {
    let api = Api::start().await;
    api.backed_up("cache", json!({})).await;
    let before = api.service("cache").await;
    let (status, answer) = api.put("service/cache", json!({ "powered": false })).await;
    assert_eq!((status, &answer["service"]["state"]), (200, &json!("RUNNING")), "the nodes are not gone yet");
    api.advance(POWER_OFF);
    let off = api.service("cache").await;
    assert_eq!((&off["state"], &off["node_states"]), (&json!("POWEROFF"), &json!([])));
    assert_eq!(off["backups"].as_array().unwrap().len(), 2);
    for key in ["plan", "cloud_name", "user_config", "tags", "service_uri", "users"] {
        assert_eq!(off[key], before[key], "{key}");
    }
}

#[tokio::test]
async fn a_powered_off_service_may_show_no_endpoints() {
    let api = Api::start_with(|options| {
        options.unknowns.powered_off_connection = PoweredOffConnection::Null;
    })
    .await;
    api.powered_off("cache").await;
    let off = api.service("cache").await;
    assert!(off["service_uri"].is_null());
    for (key, empty) in
        [("service_uri_params", json!({})), ("connection_info", json!({})), ("components", json!([]))]
    {
        assert_eq!(off[key], empty, "{key}");
    }
    api.put("service/cache", json!({ "powered": true })).await;
    api.advance(BUILD);
    assert!(api.service("cache").await["service_uri"].is_string());
}

#[tokio::test]
async fn powering_off_without_a_backup_is_refused_or_loses_data() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    assert_eq!(api.put("service/cache", json!({ "powered": false })).await.0, 400);
    api.handle().set_unknowns(|unknowns| {
        unknowns.power_off_without_backup = PowerOffWithoutBackup::Rejected { status: 409 };
    });
    assert_eq!(api.put("service/cache", json!({ "powered": false })).await.0, 409);
    api.handle().set_unknowns(|unknowns| unknowns.power_off_without_backup = PowerOffWithoutBackup::Accepted);
    let clean_only = "service/cache?allow_unclean_poweroff=false";
    assert_eq!(api.put(clean_only, json!({ "powered": false })).await.0, 400);
    assert_eq!(api.put("service/cache", json!({ "powered": false })).await.0, 200);
}

#[tokio::test]
async fn powering_to_the_present_state_changes_nothing() {
    let api = Api::start().await;
    api.backed_up("cache", json!({})).await;
    let (status, on) = api.put("service/cache", json!({ "powered": true })).await;
    assert_eq!((status, &on["service"]["state"]), (200, &json!("RUNNING")));
    api.put("service/cache", json!({ "powered": false })).await;
    api.advance(POWER_OFF);
    let (status, off) = api.put("service/cache", json!({ "powered": false })).await;
    assert_eq!((status, &off["service"]["state"]), (200, &json!("POWEROFF")));
    assert_eq!(off["service"]["backups"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn power_on_rebuilds_restores_and_applies_maintenance() {
    let api = Api::start().await;
    api.powered_off("cache").await;
    let project = crate::harness::PROJECT;
    api.handle().announce_maintenance(project, "cache", "Update", Duration::ZERO, None);
    let before = api.service("cache").await;
    let (status, answer) = api.put("service/cache", json!({ "powered": true })).await;
    assert_eq!((status, &answer["service"]["state"]), (200, &json!("REBUILDING")));
    api.advance(BUILD * 6 / 10);
    let restoring = api.service("cache").await;
    assert_eq!(restoring["node_states"][0]["progress_updates"][0]["phase"], "basebackup");
    api.advance(BUILD / 2);
    let after = api.service("cache").await;
    assert_eq!((&after["state"], &after["maintenance"]["updates"]), (&json!("RUNNING"), &json!([])));
    assert_eq!(after["service_uri"], before["service_uri"]);
}

#[tokio::test]
async fn changes_while_off_are_kept_for_the_next_start() {
    let api = Api::start().await;
    api.powered_off("cache").await;
    let change = json!({ "plan": "business-4", "user_config": { "valkey_timeout": 7 } });
    let (status, answer) = api.put("service/cache", change).await;
    assert_eq!((status, &answer["service"]["state"]), (200, &json!("POWEROFF")));
    api.put("service/cache", json!({ "powered": true })).await;
    api.advance(BUILD);
    let after = api.service("cache").await;
    assert_eq!((&after["plan"], &after["user_config"]["valkey_timeout"]), (&json!("business-4"), &json!(7)));
}

#[tokio::test]
async fn changes_while_off_may_be_refused() {
    let api = Api::start_with(|options| {
        options.unknowns.powered_off_updates = PoweredOffUpdates::Rejected { status: 409 };
    })
    .await;
    api.powered_off("cache").await;
    let refused = api.put("service/cache", json!({ "plan": "business-4" })).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["error_code"]), (409, &json!("not_powered")));
    assert_eq!(api.put("service/cache", json!({ "termination_protection": true })).await.0, 200);
}

#[tokio::test]
async fn a_service_that_is_off_can_be_deleted() {
    let api = Api::start().await;
    api.powered_off("cache").await;
    assert_eq!(api.delete("service/cache").await.0, 200);
    assert_eq!(api.get("service/cache").await.0, 404);
}

#[tokio::test]
async fn users_cannot_be_managed_while_the_service_is_off() {
    let api = Api::start().await;
    api.powered_off("cache").await;
    let user = json!({ "username": "app" });
    let refused = api.post("service/cache/user", user.clone()).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["error_code"]), (409, &json!("not_powered")));
    assert_eq!(message(&refused), "Database not powered on");
    api.handle().set_unknowns(|unknowns| unknowns.powered_off_data_status = 503);
    assert_eq!(api.post("service/cache/user", user).await.0, 503);
}

#[tokio::test]
async fn service_left_powered_off_is_announced_then_removed() {
    let api = Api::start().await;
    api.powered_off("cache").await;
    assert_eq!(api.service("cache").await["service_notifications"], json!([]));
    api.advance(DAY * 160);
    let notice = api.service("cache").await["service_notifications"][0]["type"].clone();
    assert_eq!(notice, "service_powered_off_removal");
    api.advance(DAY * 30);
    assert_eq!(api.get("service/cache").await.0, 404);
}
