//! Updating services: plan, cloud, disk, configuration, tags, maintenance, type.

use crate::harness::{Api, BUILD, PROJECT, message};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::provider::CreateOnlyOnUpdate;

async fn put(api: &Api, body: Value) -> (u16, Value) {
    let (status, answer) = api.put("service/cache", body).await;
    (status, answer["service"].clone())
}

#[tokio::test]
async fn what_is_not_sent_stays_as_it_is() {
    let api = Api::start().await;
    let body = json!({
        "tech_emails": [{ "email": "a@example.com" }], "termination_protection": true,
        "maintenance": { "dow": "monday", "time": "10:00:00" }, "user_config": { "valkey_timeout": 5 },
    });
    let before = api.running("cache", body).await;
    let (status, after) = put(&api, json!({ "user_config": {} })).await;
    assert_eq!(status, 200);
    for key in
        ["plan", "tech_emails", "termination_protection", "maintenance", "user_config", "state", "tags"]
    {
        assert_eq!(before[key], after[key], "{key}");
    }
    let (_, day_only) = put(&api, json!({ "maintenance": { "dow": "friday" } })).await;
    assert_eq!(day_only["maintenance"]["time"], "10:00:00");
    let (_, cleared) = put(&api, json!({ "tech_emails": [] })).await;
    assert_eq!(cleared["tech_emails"], json!([]));
}

#[tokio::test]
async fn sending_the_same_values_changes_nothing() {
    let api = Api::start().await;
    let before = api.running("cache", json!({ "user_config": { "valkey_timeout": 5 } })).await;
    let same = json!({
        "plan": "startup-4", "cloud": "google-europe-west1", "powered": true, "project_vpc_id": null,
        "user_config": { "valkey_timeout": 5 }, "disk_space_mb": before["disk_space_mb"],
    });
    let (status, after) = put(&api, same).await;
    assert_eq!(
        (status, &after["state"], &after["user_config"]),
        (200, &json!("RUNNING"), &before["user_config"])
    );
}

#[tokio::test]
async fn user_config_is_merged_by_top_level_key_and_never_deeper() {
    let api = Api::start().await;
    let config = json!({ "valkey_timeout": 5, "public_access": { "prometheus": true, "valkey": true } });
    api.running("cache", json!({ "user_config": config })).await;
    let (_, after) = put(&api, json!({ "user_config": { "public_access": { "prometheus": false } } })).await;
    assert_eq!(after["user_config"]["public_access"], json!({ "prometheus": false }));
    assert_eq!(after["user_config"]["valkey_timeout"], 5);
}

#[tokio::test]
async fn null_resets_nullable_keys_and_is_refused_elsewhere() {
    let api = Api::start().await;
    let config = json!({ "valkey_maxmemory_policy": "allkeys-lru", "backup_hour": 3 });
    api.running("cache", json!({ "user_config": config })).await;
    let reset = json!({ "user_config": { "valkey_maxmemory_policy": null, "backup_hour": null } });
    let (_, after) = put(&api, reset).await;
    assert_eq!(after["user_config"]["valkey_maxmemory_policy"], "noeviction");
    assert!(after["user_config"].get("backup_hour").is_none());
    let refused = api.put("service/cache", json!({ "user_config": { "ip_filter": null } })).await;
    assert_eq!(refused.0, 400);
    assert_eq!(
        message(&refused),
        "Invalid 'user_config': Invalid input for ip_filter: None is not of type 'array'"
    );
}

#[tokio::test]
async fn a_plan_change_rebuilds_while_the_old_nodes_serve() {
    let api = Api::start().await;
    let before = api.running("cache", json!({})).await;
    let (status, changed) = put(&api, json!({ "plan": "business-8" })).await;
    assert_eq!(
        (status, &changed["state"], &changed["plan"]),
        (200, &json!("REBUILDING"), &json!("business-8"))
    );
    assert_eq!(changed["service_uri_params"]["host"], before["service_uri_params"]["host"]);
    api.advance(BUILD / 2);
    let nodes = api.service("cache").await["node_states"].clone();
    assert!(nodes.as_array().unwrap().iter().any(|node| node["state"] == "running"));
    assert!(nodes.as_array().unwrap().iter().any(|node| node["state"] != "running"));
    api.advance(BUILD / 2);
    let after = api.service("cache").await;
    assert_eq!((&after["state"], &after["node_count"]), (&json!("RUNNING"), &json!(2)));
    assert_eq!(after["service_uri"], before["service_uri"]);
    assert_ne!(after["node_states"][0]["name"], before["node_states"][0]["name"]);
}

#[tokio::test]
async fn a_plan_too_small_for_the_data_is_refused() {
    let api = Api::start().await;
    api.running("cache", json!({ "plan": "startup-8" })).await;
    api.handle().set_data_size(PROJECT, "cache", 6_000);
    assert_eq!(put(&api, json!({ "plan": "startup-4" })).await.0, 400);
    assert_eq!(api.state("cache").await, "RUNNING");
}

#[tokio::test]
async fn another_cloud_rebuilds_under_the_same_name() {
    let api = Api::start().await;
    let before = api.running("cache", json!({})).await;
    let (_, moved) = put(&api, json!({ "cloud": "aws-eu-west-1" })).await;
    assert_eq!((&moved["cloud_name"], &moved["state"]), (&json!("aws-eu-west-1"), &json!("REBUILDING")));
    assert_eq!(moved["service_uri_params"]["host"], before["service_uri_params"]["host"]);
    assert_eq!(put(&api, json!({ "cloud": "nimbus" })).await.0, 400);
}

#[tokio::test]
async fn disk_grows_immediately_and_shrinks_by_rebalancing() {
    let api = Api::start().await;
    let base = api.running("cache", json!({})).await["disk_space_mb"].as_u64().unwrap();
    let step = 5 * 1024;
    let (_, grown) = put(&api, json!({ "disk_space_mb": base + 2 * step })).await;
    assert_eq!((&grown["state"], &grown["disk_space_mb"]), (&json!("RUNNING"), &json!(base + 2 * step)));
    assert_eq!(put(&api, json!({ "disk_space_mb": base + 1 })).await.0, 400);
    let (_, shrunk) = put(&api, json!({ "disk_space_mb": base + step })).await;
    assert_eq!(shrunk["state"], "REBALANCING");
    api.advance(BUILD);
    assert_eq!(api.state("cache").await, "RUNNING");
    put(&api, json!({ "plan": "startup-8" })).await;
    assert_eq!(put(&api, json!({ "disk_space_mb": base * 2 + step })).await.0, 409);
}

#[tokio::test]
async fn restarting_settings_keep_the_service_running() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let config = json!({ "valkey_io_threads": 2, "valkey_number_of_databases": 32 });
    assert_eq!(put(&api, json!({ "user_config": config })).await.1["state"], "RUNNING");
}

#[tokio::test]
async fn create_only_keys_are_refused_or_ignored_in_an_update() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let fork = json!({ "user_config": { "service_to_fork_from": "other", "valkey_timeout": 9 } });
    assert_eq!(put(&api, fork.clone()).await.0, 400);
    api.handle().set_unknowns(|unknowns| unknowns.create_only_on_update = CreateOnlyOnUpdate::Ignored);
    let (status, after) = put(&api, fork).await;
    assert_eq!((status, &after["user_config"]["valkey_timeout"]), (200, &json!(9)));
    assert!(after["user_config"].get("service_to_fork_from").is_none());
}

#[tokio::test]
async fn a_version_only_goes_up() {
    let api = Api::start().await;
    api.running("cache", json!({ "user_config": { "valkey_version": "9.0" } })).await;
    assert_eq!(put(&api, json!({ "user_config": { "valkey_version": "8.1" } })).await.0, 400);
    let (_, upgraded) = put(&api, json!({ "user_config": { "valkey_version": "9.1" } })).await;
    assert_eq!(
        (&upgraded["state"], &upgraded["metadata"]["valkey_version"]),
        (&json!("REBUILDING"), &json!("9.1.0"))
    );
}

#[tokio::test]
async fn an_echo_may_differ_from_what_was_sent() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().set_unknowns(|unknowns| {
        unknowns.rewritten_user_config.insert("ip_filter".to_owned(), json!([{ "network": "10.0.0.0/8" }]));
    });
    let (_, after) = put(&api, json!({ "user_config": { "ip_filter": ["10.0.0.0/8"] } })).await;
    assert_eq!(after["user_config"]["ip_filter"], json!([{ "network": "10.0.0.0/8" }]));
}

#[tokio::test]
async fn protection_blocks_deletion_until_it_is_removed() {
    let api = Api::start().await;
    api.running("cache", json!({ "termination_protection": true })).await;
    let refused = api.delete("service/cache").await;
    assert_eq!(refused.0, 403);
    assert!(message(&refused).starts_with("Service is protected against termination and shutdown."));
    assert_eq!(api.state("cache").await, "RUNNING");
    assert_eq!(put(&api, json!({ "termination_protection": false, "project_vpc_id": null })).await.0, 200);
    assert_eq!(api.delete("service/cache").await.0, 200);
    assert_eq!(api.delete("service/cache").await.0, 404);
}

#[tokio::test]
async fn tags_are_replaced_merged_and_cleared() {
    let api = Api::start().await;
    api.running("cache", json!({ "tags": { "a": "1" } })).await;
    let tags = |value: Value| json!({ "tags": value });
    assert_eq!(api.get("service/cache/tags").await.1, tags(json!({ "a": "1" })));
    let (status, answer) = api.put("service/cache/tags", tags(json!({ "b": "2", "c": "3" }))).await;
    assert_eq!((status, answer["message"].is_string()), (200, true));
    assert_eq!(api.patch("service/cache/tags", tags(json!({ "c": null, "d": "4" }))).await.0, 200);
    assert_eq!(api.service("cache").await["tags"], json!({ "b": "2", "d": "4" }));
    assert_eq!(api.put("service/cache/tags", tags(json!({ "bad key": "x" }))).await.0, 400);
    assert_eq!(api.put("service/cache/tags", tags(json!({ "long": "x".repeat(65) }))).await.0, 400);
    assert_eq!(api.put("service/cache/tags", tags(json!({}))).await.0, 200);
    assert_eq!(api.service("cache").await["tags"], json!({}));
}

#[tokio::test]
async fn maintenance_rebuilds_only_when_updates_are_waiting() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let (status, answer) = api.put("service/cache/maintenance/start", json!({})).await;
    assert_eq!(status, 200);
    assert!(answer["message"].as_str().unwrap().contains("up to date"));
    api.handle().announce_maintenance(PROJECT, "cache", "Update", Duration::ZERO, Some(BUILD * 9));
    let update = &api.service("cache").await["maintenance"]["updates"][0];
    assert_eq!((&update["description"], update["deadline"].is_string()), (&json!("Update"), true));
    assert_eq!(api.put("service/cache/maintenance/start", json!({})).await.0, 200);
    assert_eq!(api.state("cache").await, "REBUILDING");
    api.advance(BUILD);
    assert_eq!(api.service("cache").await["maintenance"]["updates"], json!([]));
}

#[tokio::test]
async fn redis_becomes_valkey_in_place_and_never_back() {
    let api = Api::start().await;
    let config = json!({ "redis_timeout": 5, "redis_version": "7.0" });
    let before = api.running("old", json!({ "service_type": "redis", "user_config": config })).await;
    let to_valkey = json!({ "service_type": "valkey" });
    api.handle().announce_maintenance(PROJECT, "old", "Update", Duration::ZERO, Some(BUILD));
    let blocked = api.patch("service/old/service_type", to_valkey.clone()).await;
    assert_eq!(
        (blocked.0, &blocked.1["errors"][0]["error_code"]),
        (409, &json!("service_maintenance_required"))
    );
    api.put("service/old/maintenance/start", json!({})).await;
    api.advance(BUILD);
    assert_eq!(api.patch("service/old/service_type", to_valkey.clone()).await.0, 200);
    assert_eq!(api.state("old").await, "REBUILDING");
    api.advance(BUILD);
    let after = api.service("old").await;
    assert_eq!((&after["service_type"], &after["state"]), (&json!("valkey"), &json!("RUNNING")));
    assert_eq!(after["service_uri_params"], before["service_uri_params"]);
    assert_eq!(after["user_config"]["valkey_timeout"], 5);
    assert!(after["user_config"].get("redis_timeout").is_none());
    let back = api.patch("service/old/service_type", json!({ "service_type": "redis" })).await;
    assert_eq!((back.0, &back.1["errors"][0]["error_code"]), (400, &json!("service_type_not_allowed")));
    assert_eq!(api.patch("service/none/service_type", to_valkey).await.0, 404);
}

#[tokio::test]
async fn platform_upgrades_redis_to_valkey_after_end_of_life() {
    let api = Api::start().await;
    api.running("old", json!({ "service_type": "redis" })).await;
    assert_eq!(api.service("old").await["service_notifications"], json!([]));
    api.handle().set_redis_end_of_life(Some(BUILD));
    let announced = api.service("old").await;
    assert_eq!(announced["service_notifications"][0]["type"], "service_end_of_life");
    assert_eq!(announced["service_type"], "redis");
    api.advance(BUILD);
    assert_eq!(api.service("old").await["service_type"], "valkey");
    api.advance(BUILD);
    assert_eq!(api.state("old").await, "RUNNING");
}
