//! Reading services, lists, the catalogue and the account.

use crate::harness::{Api, BUILD, FIRST_BACKUP, PROJECT, message};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::provider::{EndpointFormat, NameQuoting};

#[tokio::test]
async fn an_unknown_service_is_not_found_by_get_put_and_delete() {
    let api = Api::start().await;
    for answer in [
        api.get("service/nothing").await,
        api.put("service/nothing", json!({})).await,
        api.delete("service/nothing").await,
        api.get("service/nothing/backups").await,
        api.put("service/nothing/tags", json!({ "tags": {} })).await,
    ] {
        assert_eq!(answer.0, 404);
        assert_eq!(message(&answer), "Service nothing does not exist");
    }
}

#[tokio::test]
async fn the_missing_name_may_be_quoted() {
    let api = Api::start().await;
    for (quoting, text) in [(NameQuoting::Single, "'nothing'"), (NameQuoting::Double, "\"nothing\"")] {
        api.handle().set_unknowns(|unknowns| unknowns.name_quoting = quoting);
        let answer = api.get("service/nothing").await;
        assert_eq!(message(&answer), format!("Service {text} does not exist"));
    }
}

#[tokio::test]
async fn a_list_holds_every_service_of_the_project_in_order_of_name() {
    let api = Api::start().await;
    for name in ["cc", "aa", "bb"] {
        api.create(name, json!({})).await;
    }
    api.advance(BUILD);
    let (status, list) = api.get("service?include_secrets=true").await;
    let names: Vec<_> =
        list["services"].as_array().unwrap().iter().map(|each| each["service_name"].clone()).collect();
    assert_eq!((status, names), (200, vec![json!("aa"), json!("bb"), json!("cc")]));
    assert_eq!(list["services"][0], api.service("aa").await);
    let (_, other) = api.call(Method::GET, "project/my-other-project/service", None).await;
    assert_eq!(other["services"], json!([]));
}

#[tokio::test]
async fn backups_appear_after_the_build_and_then_twice_a_day() {
    let api = Api::start().await;
    api.running("cache", json!({ "plan": "business-4" })).await;
    assert_eq!(api.get("service/cache/backups").await.1["backups"], json!([]));
    api.advance(FIRST_BACKUP);
    let (_, first) = api.get("service/cache/backups").await;
    assert_eq!(first["backups"].as_array().unwrap().len(), 1);
    assert!(first["backups"][0]["backup_name"].as_str().unwrap().starts_with("backup-"));
    assert_eq!(first["scheduled_backup_time"]["backup_interval_hours"], 12);
    api.advance(Duration::from_hours(24));
    assert_eq!(api.service("cache").await["backups"].as_array().unwrap().len(), 3);
    api.advance(Duration::from_hours(24 * 30));
    assert_eq!(api.service("cache").await["backups"].as_array().unwrap().len(), 4, "the plan keeps four");
}

#[tokio::test]
async fn the_schedule_is_daily_once_an_hour_is_set() {
    let api = Api::start().await;
    api.backed_up("cache", json!({ "plan": "business-4", "user_config": { "backup_hour": 3 } })).await;
    api.advance(Duration::from_hours(24));
    let (_, backups) = api.get("service/cache/backups").await;
    assert_eq!(backups["backups"].as_array().unwrap().len(), 2);
    assert_eq!(backups["scheduled_backup_time"]["backup_interval_hours"], 24);
}

#[tokio::test]
async fn migration_is_reported_until_its_settings_are_removed() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    assert_eq!(api.get("service/cache/migration").await.0, 404);
    let migration = json!({ "migration": { "host": "old.example.com", "port": 6379 } });
    let (_, updated) = api.put("service/cache", json!({ "user_config": migration })).await;
    assert_eq!(updated["service"]["user_config"]["migration"]["ssl"], true);
    assert_eq!(api.get("service/cache/migration").await.1["migration"]["status"], "syncing");
    let (_, under_way) = api.get("service/cache/migration").await;
    let migration = &under_way["migration"];
    assert_eq!((&migration["method"], &migration["error"]), (&json!("replication"), &Value::Null));
    assert!(migration.as_object().unwrap().contains_key("error"));
    api.advance(BUILD * 10);
    assert_eq!(api.get("service/cache/migration").await.1["migration"]["status"], "done");
    let broken = json!({ "migration": { "host": "old.invalid", "port": 6379, "method": "dump" } });
    api.put("service/cache", json!({ "user_config": broken })).await;
    api.advance(BUILD * 10);
    let (_, failed) = api.get("service/cache/migration").await;
    assert_eq!(
        (&failed["migration"]["method"], &failed["migration"]["status"]),
        (&json!("scan"), &json!("failed"))
    );
    assert!(failed["migration"]["error"].is_string());
    let (_, stopped) = api.put("service/cache", json!({ "user_config": { "migration": null } })).await;
    assert!(stopped["service"]["user_config"].get("migration").is_none());
    assert_eq!(api.get("service/cache/migration").await.0, 404);
}

#[tokio::test]
async fn the_catalogue_lists_what_create_accepts() {
    let api = Api::start().await;
    let (_, plans) = api.get("service-types/valkey/plans").await;
    let names: Vec<_> =
        plans["service_plans"].as_array().unwrap().iter().map(|plan| &plan["service_plan"]).collect();
    for plan in ["free-1", "hobbyist", "startup-4", "business-4", "premium-4"] {
        assert!(names.contains(&&json!(plan)), "{plan}");
    }
    assert_eq!(api.get("service-types/valkey/plans/custom-1").await.0, 404);
    let (_, valkey) = api.get("service-types/valkey").await;
    assert!(valkey["user_config_schema"]["properties"]["valkey_timeout"].is_object());
    let (_, clouds) = api.get("clouds").await;
    assert!(clouds["clouds"].as_array().unwrap().iter().any(|cloud| cloud["cloud_name"] == "aws-eu-west-1"));
    for cloud in ["google-europe-west2", "google-europe-west3"] {
        assert!(clouds["clouds"].as_array().unwrap().iter().any(|it| it["cloud_name"] == cloud), "{cloud}");
    }
    let (_, price) = api.get("pricing/service-types/valkey/plans/startup-4/clouds/aws-eu-west-1").await;
    assert!(price["base_price_usd"].is_string());
}

#[tokio::test]
async fn data_fills_only_a_part_of_the_memory() {
    let api = Api::start().await;
    for (plan, percent) in [("startup-4", 70), ("hobbyist", 70), ("free-1", 50)] {
        let (_, details) = api.get(&format!("service-types/valkey/plans/{plan}")).await;
        assert_eq!(details["max_memory_percent"], percent, "{plan}");
    }
    let (_, plans) = api.get("service-types/valkey/plans").await;
    assert_eq!(plans["service_plans"][0]["max_memory_percent"], 50);
}

#[tokio::test]
async fn full_catalogue_lists_plans_with_their_clouds() {
    let api = Api::start().await;
    let (_, own) = api.get("service_types").await;
    let public = api.client.get(format!("{}/v1/service_types", api.server.url())).send().await.unwrap();
    assert_eq!(public.json::<Value>().await.unwrap(), own);
    let valkey = &own["service_types"]["valkey"];
    assert!(valkey["user_config_schema"]["properties"]["valkey_version"].is_object());
    let plan =
        valkey["service_plans"].as_array().unwrap().iter().find(|it| it["service_plan"] == "startup-4");
    let region = &plan.unwrap()["regions"]["google-europe-west1"];
    assert!(region["price_usd"].is_string() && region["node_memory_mb"] == 4096, "{region}");
}

#[tokio::test]
async fn versions_are_listed_publicly_and_for_accounts() {
    let api = Api::start().await;
    let (_, project) = api.call(Method::GET, &format!("project/{PROJECT}"), None).await;
    let account = project["project"]["account_id"].as_str().unwrap();
    let (_, own) = api.call(Method::GET, &format!("account/{account}/service_versions"), None).await;
    let (_, public) = api.call(Method::GET, "service_versions", None).await;
    assert_eq!(own, public);
    for version in own["service_versions"].as_array().unwrap() {
        assert!(version.as_object().unwrap().contains_key("aiven_end_of_life_time"), "{version}");
    }
}

#[tokio::test]
async fn project_tags_are_replaced_and_merged() {
    let api = Api::start().await;
    assert_eq!(api.put("tags", json!({ "tags": { "a": "1", "b": "2" } })).await.0, 200);
    assert_eq!(api.patch("tags", json!({ "tags": { "a": null, "c": "3" } })).await.0, 200);
    assert_eq!(api.get("tags").await.1["tags"], json!({ "b": "2", "c": "3" }));
    assert_eq!(api.put("tags", json!({ "tags": { "1a": "x" } })).await.0, 400);
}

#[tokio::test]
async fn account_names_its_caller_and_its_projects() {
    let api = Api::start().await;
    let (_, me) = api.call(Method::GET, "me", None).await;
    assert_eq!(me["user"]["projects"], json!([PROJECT, "my-other-project"]));
    let (_, project) = api.call(Method::GET, &format!("project/{PROJECT}"), None).await;
    assert_eq!(project["project"]["project_name"], PROJECT);
    let (_, projects) = api.call(Method::GET, "project", None).await;
    assert_eq!(projects["projects"].as_array().unwrap().len(), 2);
    let (_, authority) = api.get("kms/ca").await;
    assert!(authority["certificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn project_events_are_listed_newest_first() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.put("service/cache", json!({ "termination_protection": false })).await;
    let (_, events) = api.get("events").await;
    let kinds: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| &event["event_type"]).collect();
    assert_eq!(kinds, ["service_update", "service_master_promotion", "service_create"]);
    assert_eq!(events["events"][1]["actor"], "Aiven Automation");
    let body = json!({ "cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": [] });
    api.post("vpcs", body).await;
    let (_, events) = api.get("events").await;
    assert_eq!(events["events"][0]["service_name"], Value::Null, "not of a service");
}

#[tokio::test]
async fn alerts_are_listed_for_the_project_and_for_the_service() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let alert =
        json!({ "service_name": "cache", "event": "user_alert_resource_usage_disk", "severity": "warning" });
    assert!(api.handle().add_alert(PROJECT, alert.clone()));
    assert_eq!(api.get("alerts").await.1["alerts"], json!([alert]));
    assert_eq!(api.get("service/cache/alerts").await.1["alerts"], json!([alert]));
}

#[tokio::test]
async fn unknown_query_keys_are_ignored_and_segments_are_decoded() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    assert_eq!(api.get("service/c%61che?limit=999&whatever").await.0, 200);
    assert_eq!(api.put("service/cache?limit=999", json!({})).await.0, 200);
}

#[tokio::test]
async fn connection_items_may_be_host_and_port() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().set_unknowns(|unknowns| unknowns.connection_info_items = EndpointFormat::HostAndPort);
    let service = api.service("cache").await;
    let params = &service["service_uri_params"];
    let expected = format!("{}:{}", params["host"].as_str().unwrap(), params["port"].as_str().unwrap());
    assert_eq!(service["connection_info"]["valkey"], json!([expected]));
}

#[tokio::test]
async fn without_tls_there_is_a_second_endpoint_and_another_scheme() {
    let api = Api::start().await;
    let service = api.running("cache", json!({ "user_config": { "valkey_ssl": false } })).await;
    assert!(service["service_uri"].as_str().unwrap().starts_with("valkey://"));
    let plain = service["components"].as_array().unwrap().iter().find(|each| each["ssl"] == false).unwrap();
    assert_ne!(plain["port"], service["components"][0]["port"]);
}
