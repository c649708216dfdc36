//! Creation, change, power, and deletion of services.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Fixture, P, SERVICE};
use valkeeper_fake_provider::{Delay, PowerOffShape, UncleanPowerOff};

#[tokio::test]
async fn create_rebuilds_until_the_configured_reads_are_over() {
    let f = Fixture::new(|_| {});
    let (status, body) = f.create(json!({"cloud": null, "user_config": {"ip_filter": ["10.0.0.0/8"]}})).await;
    let service = &body["service"];
    assert_eq!((status, service["state"].as_str()), (200, Some("REBUILDING")));
    assert_eq!(service["service_uri"], Value::Null);
    assert_eq!(service["service_uri_params"], json!({}));
    assert_eq!(service["node_states"], json!([]));
    assert_eq!(service["user_config"]["valkey_timeout"], 300);
    assert_eq!(service["user_config"]["ip_filter"], json!(["10.0.0.0/8"]));
    assert_eq!(f.read().await["node_states"][0]["state"], "setting_up_vm");
    let syncing = f.read().await;
    assert_eq!(syncing["node_states"][0]["state"], "syncing_data");
    assert_eq!(syncing["users"][0]["username"], "default");
    assert_eq!(syncing["service_uri"], Value::Null);
    let running = f.read().await;
    assert_eq!(running["state"], "RUNNING");
    assert_eq!(running["service_uri_params"]["ssl"], "required");
    assert!(running["service_uri_params"]["port"].is_string());
    assert!(running["service_uri"].as_str().unwrap().starts_with("valkeys://default:AVNS_"));
    assert!(running["node_memory_mb"].is_f64() && running["backups"] == json!([]));
    f.fake.advance(Duration::from_secs(301));
    assert_eq!(f.read().await["backups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn create_is_refused_with_the_recorded_errors() {
    let f = Fixture::running(|_| {});
    let (status, body) = f.create(json!({})).await;
    assert_eq!(status, 409);
    let text = "Service name is already in use in this project";
    assert_eq!(body, json!({"errors": [{"message": text, "status": 409}], "message": text}));
    let (status, body) = f.create(json!({"service_name": "b1", "plan": "startup-999"})).await;
    assert_eq!(
        (status, body["message"].as_str()),
        (400, Some("Invalid plan 'startup-999' for service type 'valkey'"))
    );
    for bad in [
        json!({"powered": false}),
        json!({"cloud": "moon-1"}),
        json!({"service_type": "redis"}),
        json!({"service_name": "B"}),
        json!({"maintenance": {"dow": "never"}}),
        json!({"maintenance": {"dow": "monday", "time": ""}}),
        json!({"disk_space_mb": 25601}),
        json!({"tags": {"1": "x"}}),
        json!({"tags": {"a": null}}),
        json!({"tech_emails": [{"email": "x"}]}),
        json!({"user_config": {"unknown": 1}}),
        json!({"user_config": {"ip_filter": null}}),
        json!({"user_config": {"ip_filter": ["300.0.0.0/8"]}}),
    ] {
        let mut body = json!({"service_name": "b1"});
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let (status, answer) = f.create(body).await;
        assert_eq!(status, 400, "{bad} {answer}");
    }
}

#[tokio::test]
async fn unknown_service_and_path_answer_404_and_wrong_method_405() {
    let f = Fixture::new(|_| {});
    for method in ["GET", "PUT", "DELETE"] {
        let (status, body) = f.call(method, SERVICE, None).await;
        assert_eq!(status, 404);
        assert_eq!(body["errors"][0]["error_code"], "service_does_not_exist");
        assert_eq!(body["message"], "Service cache does not exist");
    }
    assert_eq!(f.get("/v1/project/other/service").await.1["message"], "Project other does not exist");
    assert_eq!(f.get("/v1/nothing").await.0, 404);
    assert_eq!(f.call("PATCH", SERVICE, None).await.0, 405);
}

#[tokio::test]
async fn plan_change_reports_running_then_rebuilds_same_connection() {
    let f = Fixture::running(|_| {});
    let before = f.read().await["service_uri"].clone();
    let (status, body) = f.put(SERVICE, json!({"plan": "business-8"})).await;
    assert_eq!((status, body["service"]["state"].as_str()), (200, Some("RUNNING")));
    assert_eq!(body["service"]["plan"], "business-8");
    assert_eq!(f.read().await["state"], "RUNNING");
    let building = f.read().await;
    assert_eq!((building["state"].as_str(), &building["service_uri"]), (Some("REBUILDING"), &before));
    assert_eq!(f.put(SERVICE, json!({"disk_space_mb": 61_440})).await.0, 409);
    assert_eq!(f.read().await["state"], "REBUILDING");
    assert_eq!(f.read().await["state"], "RUNNING");
}

#[tokio::test]
async fn update_merges_keys_and_refuses_what_cannot_be_updated() {
    let f = Fixture::running(|_| {});
    let config = json!({"valkey_timeout": 10, "service_log": true});
    assert_eq!(f.put(SERVICE, json!({"user_config": config})).await.0, 200);
    let body = json!({"user_config": {"service_log": null}, "tech_emails": []});
    let (_, body) = f.put(SERVICE, body).await;
    assert_eq!(body["service"]["user_config"]["valkey_timeout"], 10);
    assert_eq!(body["service"]["user_config"].get("service_log"), None);
    assert_eq!(body["service"]["state"], "RUNNING");
    for bad in [
        json!({"tags": {}}),
        json!({"service_name": "other"}),
        json!({"user_config": {"service_to_fork_from": "x1"}}),
        json!({"user_config": {"valkey_version": "9.0"}}),
        json!({"user_config": {"valkey_timeout": null}}),
        json!({"plan": null}),
    ] {
        assert_eq!(f.put(SERVICE, bad.clone()).await.0, 400, "{bad}");
    }
    let body = json!({"termination_protection": true, "plan": "none"});
    assert_eq!(f.put(SERVICE, body).await.0, 400);
    assert_eq!(f.read().await["termination_protection"], false, "a refused update changes nothing");
}

#[tokio::test]
async fn protection_refuses_delete_and_power_off() {
    let f = Fixture::running(|_| {});
    f.fake.set_termination_protection(P, "cache", true);
    let text = "Service is protected against termination and shutdown. Remove termination protection first.";
    let (status, body) = f.delete(SERVICE).await;
    assert_eq!((status, body["message"].as_str()), (403, Some(text)));
    let body = json!({"powered": false, "termination_protection": false});
    assert_eq!(f.put(SERVICE, body).await.0, 403);
    let body = json!({"project_vpc_id": null, "termination_protection": false});
    assert_eq!(f.put(SERVICE, body).await.0, 200);
    assert_eq!(f.delete(SERVICE).await.0, 200);
    assert_eq!(f.delete(SERVICE).await.0, 404);
}

#[tokio::test]
async fn power_off_and_on() {
    let f = Fixture::running(|config| config.change_start = Delay::Reads(0));
    let (_, body) = f.put(SERVICE, json!({"powered": false})).await;
    assert_eq!(body["service"]["state"], "RUNNING");
    let off = f.read().await;
    assert_eq!((off["state"].as_str(), &off["service_uri"]), (Some("POWEROFF"), &Value::Null));
    assert_eq!(off["backups"].as_array().unwrap().len(), 2);
    let (status, body) = f.put(&format!("{SERVICE}/user/default/credentials/reset"), Value::Null).await;
    assert_eq!((status, body["errors"][0]["error_code"].as_str()), (409, Some("not_powered")));
    assert_eq!(f.put(SERVICE, json!({"plan": "business-8"})).await.1["service"]["state"], "POWEROFF");
    f.fake.configure(|config| config.power_off_shape = PowerOffShape::Retained);
    assert!(f.read().await["service_uri"].is_string());
    assert_eq!(f.put(SERVICE, json!({"powered": true})).await.1["service"]["state"], "POWEROFF");
    let building = f.read().await;
    assert_eq!((building["state"].as_str(), &building["service_uri"]), (Some("REBUILDING"), &Value::Null));
    f.fake.finish_builds();
    let running = f.read().await;
    assert_eq!((running["state"].as_str(), running["plan"].as_str()), (Some("RUNNING"), Some("business-8")));
    assert!(!f.fake.data_lost(P, "cache"));
}

#[tokio::test]
async fn power_off_without_backup_loses_data_or_is_refused() {
    let f = Fixture::new(|_| {});
    f.fake.add_service(P, "cache", "valkey", "startup-4");
    let clean = format!("{SERVICE}?allow_unclean_poweroff=false");
    assert_eq!(f.put(&clean, json!({"powered": false})).await.0, 409);
    f.fake.configure(|config| config.unclean_power_off = UncleanPowerOff::Refused);
    assert_eq!(f.put(SERVICE, json!({"powered": false})).await.0, 409);
    f.fake.configure(|config| config.unclean_power_off = UncleanPowerOff::LosesData);
    assert_eq!(f.put(SERVICE, json!({"powered": false})).await.0, 200);
    f.fake.finish_builds();
    assert!(f.fake.data_lost(P, "cache"));
    assert_eq!(f.delete(SERVICE).await.0, 200);
}

#[tokio::test]
async fn build_time_follows_the_clock_of_the_fake() {
    let f = Fixture::new(|config| config.build = Delay::Time(Duration::from_mins(10)));
    f.create(json!({})).await;
    assert_eq!(f.read().await["state"], "REBUILDING");
    f.fake.advance(Duration::from_secs(590));
    assert_eq!(f.fake.states(P), [("cache".to_owned(), "REBUILDING".to_owned())]);
    f.fake.advance(Duration::from_secs(20));
    assert_eq!(f.read().await["state"], "RUNNING");
}

#[tokio::test]
async fn redis_becomes_valkey_under_the_same_name() {
    let f = Fixture::new(|_| {});
    f.fake.add_service(P, "cache", "redis", "business-4");
    let redis = f.read().await;
    assert!(redis["service_uri"].as_str().unwrap().starts_with("rediss://"));
    assert_eq!(redis["user_config"]["redis_version"], "7.0");
    let path = format!("{SERVICE}/service_type");
    let (status, body) = f.call("PATCH", &path, Some(json!({"service_type": "valkey"}))).await;
    assert_eq!((status, body["service"]["service_type"].as_str()), (200, Some("valkey")));
    assert_eq!(body["service"]["user_config"]["valkey_version"], "9.1");
    assert_eq!(body["service"]["user_config"].get("redis_ssl"), None);
    let (status, _) = f.call("PATCH", &path, Some(json!({"service_type": "valkey"}))).await;
    assert_eq!(status, 400);
}
