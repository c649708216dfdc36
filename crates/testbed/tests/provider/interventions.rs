//! Changes behind the operator's back.

use crate::harness::{Api, BUILD, POWER_OFF, PROJECT};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use valkeeper_testbed::provider::{ProviderOptions, ProviderServer};

#[tokio::test]
async fn a_colleague_changes_everything_an_operator_watches() {
    let api = Api::start().await;
    let before = api.running("cache", json!({})).await;
    let handle = api.handle();
    assert!(handle.set_tags(PROJECT, "cache", BTreeMap::from([("by".to_owned(), "hand".to_owned())])));
    assert!(handle.set_user_config(PROJECT, "cache", json!({ "valkey_timeout": 9 }).as_object().unwrap()));
    assert!(handle.set_termination_protection(PROJECT, "cache", true));
    assert!(handle.set_maintenance_window(PROJECT, "cache", "never", "00:00:00"));
    assert!(handle.reset_password(PROJECT, "cache"));
    assert!(handle.set_port(PROJECT, "cache", 12345));
    let after = api.service("cache").await;
    assert_eq!(after["tags"], json!({ "by": "hand" }));
    assert_eq!(after["user_config"]["valkey_timeout"], 9);
    assert_eq!(after["termination_protection"], true);
    assert_eq!(after["maintenance"]["dow"], "never");
    assert_eq!(after["service_uri_params"]["port"], "12345");
    assert_ne!(after["service_uri_params"]["password"], before["service_uri_params"]["password"]);
    assert_eq!(handle.service(PROJECT, "cache"), Some(after));
    assert!(!handle.set_port(PROJECT, "other", 1));
}

#[tokio::test]
async fn a_colleague_changes_plan_and_power() {
    let api = Api::start().await;
    api.running("cache", json!({ "termination_protection": true })).await;
    let handle = api.handle();
    assert!(!handle.set_plan(PROJECT, "cache", "startup-999"));
    assert!(handle.set_plan(PROJECT, "cache", "startup-8"));
    assert_eq!(api.state("cache").await, "REBUILDING");
    assert!(handle.finish_transition(PROJECT, "cache"));
    assert_eq!(api.state("cache").await, "RUNNING");
    assert!(handle.set_powered(PROJECT, "cache", false));
    api.advance(POWER_OFF);
    assert_eq!(api.state("cache").await, "POWEROFF");
    assert!(handle.set_powered(PROJECT, "cache", true));
    api.advance(BUILD);
    assert_eq!(api.state("cache").await, "RUNNING");
    assert!(handle.take_backup(PROJECT, "cache"));
    assert!(handle.delete_service(PROJECT, "cache"));
    assert_eq!(api.get("service/cache").await.0, 404);
    assert!(!handle.delete_service(PROJECT, "cache"));
}

#[tokio::test]
async fn platform_upgrades_one_redis_to_valkey() {
    let api = Api::start().await;
    api.running("old", json!({ "service_type": "redis" })).await;
    assert!(api.handle().migrate_to_valkey(PROJECT, "old"));
    assert_eq!(api.service("old").await["service_type"], "valkey");
}

#[tokio::test]
async fn interventions_do_not_count_as_requests() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().clear_requests();
    api.handle().reset_password(PROJECT, "cache");
    api.handle().services(PROJECT);
    assert_eq!((api.handle().requests().len(), api.handle().writes()), (0, 0));
}

#[tokio::test]
async fn projects_timing_and_latency_can_change_while_it_runs() {
    let api = Api::start().await;
    let handle = api.handle();
    handle.add_project("third");
    assert!(handle.services("third").is_empty());
    handle.set_latency(Duration::from_millis(1));
    handle.set_build_time(Duration::ZERO);
    api.create("cache", json!({})).await;
    assert_eq!(api.state("cache").await, "RUNNING");
}

#[tokio::test]
async fn zero_build_time_runs_a_service_immediately() {
    let options = ProviderOptions { build_time: Duration::ZERO, ..ProviderOptions::default() };
    let server = ProviderServer::start(options).await.unwrap();
    assert!(server.url().starts_with("http://127.0.0.1:"));
}
