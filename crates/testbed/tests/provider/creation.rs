//! Creating services.

use crate::harness::{Api, BUILD, FIRST_BACKUP, POWER_OFF, message};
use serde_json::json;
use valkeeper_testbed::provider::ProviderOptions;

#[tokio::test]
async fn new_service_rebuilds_without_endpoints_then_runs_with_them() {
    let api = Api::start().await;
    let (status, created) = api.create("cache", json!({ "plan": "business-4" })).await;
    let created = &created["service"];
    assert_eq!(status, 200);
    assert_eq!(created["state"], "REBUILDING");
    assert!(created["service_uri"].is_null());
    assert_eq!(created["service_uri_params"], json!({}));
    assert_eq!(created["connection_info"], json!({}));
    assert_eq!(created["node_states"], json!([]));

    api.advance(BUILD / 3);
    let early = api.service("cache").await;
    assert_eq!(early["node_states"][0]["state"], "setting_up_vm");
    assert!(early["node_states"][0]["availability_zone"].is_null());
    api.advance(BUILD / 3);
    let later = api.service("cache").await;
    assert_eq!(later["node_states"].as_array().unwrap().len(), 2);
    assert_eq!(later["node_states"][1]["state"], "syncing_data");

    api.advance(BUILD / 2);
    let built = api.service("cache").await;
    assert_eq!(built["state"], "RUNNING");
    let params = &built["service_uri_params"];
    assert_eq!(params["ssl"], "required");
    assert_eq!(params["user"], "default");
    assert!(params["port"].is_string());
    assert!(params["password"].as_str().unwrap().starts_with("AVNS_"));
    assert!(built["service_uri"].as_str().unwrap().starts_with("valkeys://default:AVNS_"));
    assert_eq!(built["components"].as_array().unwrap().len(), 2);
    assert!(built["node_states"].as_array().unwrap().iter().all(|node| node["state"] == "running"));
}

#[tokio::test]
async fn the_running_service_has_the_keys_of_the_documented_object() {
    let api = Api::start().await;
    let service = api.running("cache", json!({ "plan": "business-4" })).await;
    let expected = [
        "backups",
        "cloud_description",
        "cloud_name",
        "components",
        "connection_info",
        "create_time",
        "databases",
        "disk_space_mb",
        "features",
        "group_list",
        "is_cluster_plan",
        "maintenance",
        "metadata",
        "node_count",
        "node_cpu_count",
        "node_memory_mb",
        "node_states",
        "plan",
        "project_vpc_id",
        "server_group",
        "service_integrations",
        "service_name",
        "service_notifications",
        "service_type",
        "service_type_description",
        "service_uri",
        "service_uri_params",
        "state",
        "tags",
        "tech_emails",
        "termination_protection",
        "update_time",
        "user_config",
        "users",
    ];
    assert_eq!(service.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    assert!(service["node_memory_mb"].is_f64());
    let info = &service["connection_info"];
    for key in ["valkey", "valkey_password", "valkey_replica_uri", "valkey_slave"] {
        assert!(!info[key].is_null(), "{key}");
    }
}

#[tokio::test]
async fn a_single_node_has_no_replica_endpoints() {
    let api = Api::start().await;
    let service = api.running("cache", json!({ "plan": "startup-4" })).await;
    assert_eq!(service["components"].as_array().unwrap().len(), 1);
    assert!(service["connection_info"]["valkey_replica_uri"].is_null());
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_whatever_the_type() {
    let api = Api::start().await;
    api.create("cache", json!({})).await;
    let again = api.create("cache", json!({ "service_type": "redis" })).await;
    assert_eq!(again.0, 409);
    assert_eq!(message(&again), "Service name is already in use in this project");
}

#[tokio::test]
async fn an_unknown_plan_type_cloud_or_key_is_a_bad_request() {
    let api = Api::start().await;
    let plan = api.create("cache", json!({ "plan": "startup-999" })).await;
    assert_eq!(plan.0, 400);
    assert_eq!(message(&plan), "Invalid plan 'startup-999' for service type 'valkey'");
    for body in [
        json!({ "service_type": "memcached" }),
        json!({ "cloud": "nimbus" }),
        json!({ "user_config": { "redis_timeout": 1 } }),
        json!({ "powered": false }),
        json!({ "service_name": "UPPER" }),
        json!({ "tech_emails": [{ "email": "nobody" }] }),
        json!({ "tags": { "1st": "x" } }),
        json!({ "maintenance": { "time": "25:00:00" } }),
    ] {
        assert_eq!(api.create("cache", body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(api.handle().service_count(), 0);
}

#[tokio::test]
async fn maintenance_never_is_only_for_reading() {
    let api = Api::start().await;
    let refused = api.create("cache", json!({ "maintenance": { "dow": "never" } })).await;
    assert_eq!(refused.0, 400);
    assert!(
        message(&refused)
            .starts_with("Invalid input for maintenance: Invalid dow, must be one of ['monday', ")
    );
}

#[tokio::test]
async fn disk_space_must_be_the_plan_plus_whole_steps_up_to_a_cap() {
    let api = Api::start().await;
    let (_, plan) = api.get("service-types/valkey/plans/startup-4").await;
    let number = |key: &str| plan[key].as_u64().unwrap();
    let (base, step, cap) =
        (number("disk_space_mb"), number("disk_space_step_mb"), number("disk_space_cap_mb"));
    for wrong in [base - step, base + 1, cap + step] {
        assert_eq!(api.create("cache", json!({ "disk_space_mb": wrong })).await.0, 400, "{wrong}");
    }
    assert_eq!(api.create("fixed", json!({ "plan": "hobbyist", "disk_space_mb": cap })).await.0, 400);
    let (status, created) = api.create("cache", json!({ "disk_space_mb": base + 2 * step })).await;
    assert_eq!((status, &created["service"]["disk_space_mb"]), (200, &json!(base + 2 * step)));
}

#[tokio::test]
async fn defaults_are_echoed_next_to_what_was_declared() {
    let api = Api::start().await;
    let (_, created) = api
        .create("cache", json!({ "user_config": { "valkey_timeout": 5, "ip_filter": ["10.0.0.0/8"] } }))
        .await;
    let config = &created["service"]["user_config"];
    assert_eq!(config["valkey_timeout"], 5);
    assert_eq!(config["ip_filter"], json!(["10.0.0.0/8"]));
    assert_eq!(config["valkey_io_threads"], 1);
    assert_eq!(config["valkey_maxmemory_policy"], "noeviction");
    assert_eq!(config["valkey_notify_keyspace_events"], "");
    assert_eq!(config["valkey_ssl"], true);
    assert!(config.get("backup_hour").is_none());
}

#[tokio::test]
async fn null_cloud_stands_for_the_default_one() {
    let api = Api::start().await;
    let (status, created) = api.create("cache", json!({ "cloud": null })).await;
    assert_eq!((status, &created["service"]["cloud_name"]), (200, &json!("google-europe-west1")));
    assert_eq!(api.create("other", json!({ "plan": null })).await.0, 400);
}

#[tokio::test]
async fn redis_can_be_created_only_while_that_is_allowed() {
    assert!(!ProviderOptions::default().redis_creation_allowed);
    let api = Api::start().await;
    let service = api.running("old", json!({ "service_type": "redis" })).await;
    assert!(service["service_uri"].as_str().unwrap().starts_with("rediss://"));
    assert_eq!(service["user_config"]["redis_version"], "7.0");
    api.handle().allow_redis_creation(false);
    let refused = api.create("older", json!({ "service_type": "redis" })).await;
    assert_eq!((refused.0, &refused.1["errors"][0]["error_code"]), (400, &json!("service_type_not_allowed")));
}

#[tokio::test]
async fn a_fork_needs_a_backup_and_may_copy_tags() {
    let api = Api::start().await;
    api.running("source", json!({ "tags": { "team": "a", "env": "prod" } })).await;
    let fork = json!({
        "user_config": { "service_to_fork_from": "source" }, "copy_tags": true, "tags": { "env": "test" },
    });
    assert_eq!(api.create("fork", fork.clone()).await.0, 403);
    api.advance(FIRST_BACKUP);
    let (status, created) = api.create("fork", fork).await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(created["service"]["tags"], json!({ "team": "a", "env": "test" }));
    let missing =
        json!({ "user_config": { "service_to_fork_from": "source", "recovery_basebackup_name": "x" } });
    assert_eq!(api.create("other", missing).await.0, 400);
}

#[tokio::test]
async fn service_without_persistence_has_no_backups_and_no_forks() {
    let api = Api::start().await;
    api.backed_up("source", json!({})).await;
    assert_eq!(api.service("source").await["backups"].as_array().unwrap().len(), 1);
    let (status, _) =
        api.put("service/source", json!({ "user_config": { "valkey_persistence": "off" } })).await;
    assert_eq!(status, 200);
    api.advance(FIRST_BACKUP * 50);
    assert_eq!(api.service("source").await["backups"], json!([]));
    let fork = json!({ "user_config": { "service_to_fork_from": "source" } });
    assert_eq!(api.create("fork", fork).await.0, 403);
    assert_eq!(api.put("service/source", json!({ "powered": false })).await.0, 200);
    api.advance(POWER_OFF);
    assert_eq!(api.state("source").await, "POWEROFF");
}

#[tokio::test]
async fn a_free_plan_is_restricted_and_given_once_per_type() {
    let api = Api::start().await;
    let free = json!({ "plan": "free-1" });
    let fork = json!({ "plan": "free-1", "user_config": { "service_to_fork_from": "x" } });
    let static_address = json!({ "plan": "free-1", "static_ips": ["ip1"] });
    for restricted in [fork, static_address] {
        let refused = api.create("cache", restricted).await;
        assert_eq!((refused.0, &refused.1["errors"][0]["error_code"]), (403, &json!("free_tier_restricted")));
    }
    assert_eq!(api.create("cache", free.clone()).await.0, 200);
    assert_eq!(api.create("second", free).await.0, 403);
    let integration =
        json!({ "integration_type": "datadog", "source_service": "cache", "dest_endpoint_id": "e" });
    assert_eq!(api.post("integration", integration).await.0, 403);
}
