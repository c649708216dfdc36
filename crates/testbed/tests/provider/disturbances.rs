//! What the provider does differently until it recovers.

use crate::harness::{Api, BUILD, PROJECT, VPC, message};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::faults::{Disturbance, FaultPlan, Schedule};
use valkeeper_testbed::provider::{FOREIGN_SERVICES, FOREIGN_TAG};

const LAG: Duration = Duration::from_hours(1);

async fn disturbed(disturbance: Disturbance) -> Api {
    let api = Api::start().await;
    api.handle().disturb(disturbance);
    api
}

async fn listed(api: &Api, name: &str) -> Value {
    let (_, list) = api.get("service?include_secrets=true").await;
    let mut services = list["services"].as_array().unwrap().iter();
    services.find(|service| service["service_name"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn reads_show_writes_after_the_lag() {
    let api = disturbed(Disturbance::ReadLag(LAG)).await;
    let (status, created) = api.create("cache", json!({})).await;
    assert_eq!((status, &created["service"]["service_name"]), (200, &json!("cache")));
    assert_eq!(message(&api.get("service/cache").await), "Service cache does not exist");
    assert_eq!(api.get("service").await.1["services"], json!([]));
    assert_eq!(api.create("cache", json!({})).await.0, 409, "writes do not lag");
    api.advance(LAG);
    assert_eq!(api.state("cache").await, "REBUILDING");

    api.put("service/cache", json!({ "plan": "startup-8" })).await;
    api.put("service/cache/tags", json!({ "tags": { "env": "test" } })).await;
    assert_eq!(api.service("cache").await["plan"], "startup-4");
    assert_eq!(listed(&api, "cache").await["plan"], "startup-4");
    assert_eq!(api.get("service/cache/tags").await.1["tags"], json!({}));
    api.advance(LAG);
    assert_eq!(api.service("cache").await["plan"], "startup-8");
    assert_eq!(api.get("service/cache/tags").await.1["tags"], json!({ "env": "test" }));

    api.delete("service/cache").await;
    assert_eq!(api.delete("service/cache").await.0, 404);
    assert_eq!(api.get("service/cache").await.0, 200);
    api.handle().set_disturbances(Vec::new());
    assert_eq!(api.get("service/cache").await.0, 404);
}

#[tokio::test]
async fn reads_of_vpcs_show_writes_after_the_lag() {
    let api = disturbed(Disturbance::ReadLag(LAG)).await;
    let body = json!({ "cloud_name": "google-europe-west1", "network_cidr": "10.0.0.0/24", "peering_connections": [] });
    let (_, created) = api.post("vpcs", body).await;
    let path = format!("vpcs/{}", created["project_vpc_id"].as_str().unwrap());
    assert_eq!((api.get(&path).await.0, &api.get("vpcs").await.1["vpcs"]), (404, &json!([])));
    api.advance(LAG);
    assert_eq!(api.get(&path).await.1["state"], "APPROVED");
    api.advance(LAG);
    assert_eq!(api.get(&path).await.1["state"], "ACTIVE");
    api.delete(&path).await;
    assert_eq!(api.get("vpcs").await.1["vpcs"][0]["state"], "ACTIVE");
    api.advance(VPC + LAG);
    api.get(&path).await;
    api.advance(LAG);
    assert_eq!(api.get(&path).await.0, 404);
}

#[tokio::test]
async fn all_versions_visible_to_readers_are_covered_by_tests() {
    let api = disturbed(Disturbance::ReadLag(LAG)).await;
    api.create("cache", json!({})).await;
    api.put("service/cache", json!({ "termination_protection": true })).await;
    let versions = api.handle().service_versions(PROJECT, "cache");
    let protected: Vec<&Value> = versions.iter().map(|it| &it["termination_protection"]).collect();
    assert_eq!(protected, [true, false]);
}

#[tokio::test]
async fn bare_lists_contain_only_guaranteed_fields() {
    let api = disturbed(Disturbance::BareLists).await;
    let alone = api.running("cache", json!({ "tags": { "env": "test" } })).await;
    let listed = listed(&api, "cache").await;
    for gone in ["tags", "users", "components", "backups", "service_uri_params", "disk_space_mb", "metadata"]
    {
        assert!(!alone[gone].is_null() && listed.get(gone).is_none(), "{gone}");
    }
    for kept in ["service_name", "plan", "state", "user_config", "service_uri"] {
        assert_eq!(listed[kept], alone[kept]);
    }
}

#[tokio::test]
async fn redacted_lists_hide_secrets_that_are_asked_for() {
    let api = disturbed(Disturbance::RedactedLists).await;
    let alone = api.running("cache", json!({})).await;
    assert_ne!(alone["service_uri_params"]["password"], "<redacted>");
    assert_eq!(listed(&api, "cache").await["service_uri_params"]["password"], "<redacted>");
}

#[tokio::test]
async fn one_entry_of_a_list_is_broken() {
    let api = disturbed(Disturbance::BrokenListEntry("cache".to_owned())).await;
    let alone = api.running("cache", json!({})).await;
    let other = api.running("other", json!({})).await;
    assert_eq!(alone["state"], "RUNNING");
    let broken = listed(&api, "cache").await;
    assert_eq!((&broken["state"], &broken["plan"]), (&json!({ "code": 3 }), &Value::Null));
    assert_eq!(listed(&api, "other").await, other);
}

#[tokio::test]
async fn foreign_services_fill_lists_until_they_are_ended() {
    let api = disturbed(Disturbance::ForeignServices(50)).await;
    api.running("cache", json!({})).await;
    let (_, list) = api.get("service").await;
    let names: Vec<&str> =
        list["services"].as_array().unwrap().iter().map(|it| it["service_name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with(FOREIGN_SERVICES)).count(), 50);
    assert_eq!(names.len(), 51);
    api.handle().set_disturbances(Vec::new());
    assert_eq!(api.get("service").await.1["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn foreign_tag_returns_after_it_is_removed() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().disturb(Disturbance::ForeignTag);
    let (key, value) = FOREIGN_TAG;
    assert_eq!(api.service("cache").await["tags"], json!({ key: value }));
    api.put("service/cache/tags", json!({ "tags": { "env": "test" } })).await;
    assert_eq!(api.service("cache").await["tags"], json!({ "env": "test", key: value }));
    let (_, created) = api.create("other", json!({})).await;
    assert_eq!(created["service"]["tags"], json!({ key: value }));
}

#[tokio::test]
async fn values_are_stored_in_the_form_of_the_provider() {
    let api = disturbed(Disturbance::NormalizedValues).await;
    let sent = json!({
        "tech_emails": [{ "email": "Ops@Example.com" }],
        "user_config": { "ip_filter": ["10.1.2.3/8", { "network": "2001:DB8::1/32", "description": "Office" }] },
    });
    let service = api.running("cache", sent.clone()).await;
    let stored = json!(["10.0.0.0/8", { "network": "2001:db8::/32", "description": "Office" }]);
    assert_eq!(service["user_config"]["ip_filter"], stored);
    assert_eq!(service["tech_emails"], json!([{ "email": "ops@example.com" }]));
    let (_, updated) = api.put("service/cache", sent).await;
    assert_eq!(updated["service"]["user_config"]["ip_filter"], stored);
}

#[tokio::test]
async fn disk_change_during_rebuild_is_refused_with_configured_status() {
    let api = Api::start().await;
    let disk = api.running("cache", json!({})).await["disk_space_mb"].as_u64().unwrap();
    api.put("service/cache", json!({ "plan": "startup-8" })).await;
    let more = json!({ "disk_space_mb": disk * 2 + 5 * 1024 });
    assert_eq!(api.put("service/cache", more.clone()).await.0, 409);
    api.handle().disturb(Disturbance::DiskRefusal(400));
    assert_eq!(api.put("service/cache", more.clone()).await.0, 400);
    api.advance(BUILD);
    assert_eq!(api.put("service/cache", more).await.0, 200);
}

#[tokio::test]
async fn failed_migration_is_remembered_unless_it_is_forgotten() {
    let api = Api::start().await;
    let migration = json!({ "host": "old.invalid", "port": 6379 });
    api.running("cache", json!({ "user_config": { "migration": migration } })).await;
    api.advance(BUILD);
    assert_eq!(api.get("service/cache/migration").await.1["migration"]["status"], "failed");
    api.handle().disturb(Disturbance::ForgottenMigrations);
    assert_eq!(api.get("service/cache/migration").await.0, 200);
    api.advance(BUILD * 8);
    assert_eq!(api.get("service/cache/migration").await.0, 404);
}

#[tokio::test]
async fn plan_brings_disturbances_when_armed_and_ends_them() {
    let api = Api::start().await;
    let plan = FaultPlan::new();
    api.handle().follow(plan.clone());
    plan.arm(Schedule::parse("foreign-services=3,foreign-tag").unwrap());
    assert_eq!(api.handle().disturbances(), [Disturbance::ForeignServices(3), Disturbance::ForeignTag]);
    assert_eq!(api.handle().service_count(), 6, "in each of two projects");
    plan.disarm();
    assert_eq!((api.handle().disturbances(), api.handle().service_count()), (vec![], 0));
}

#[tokio::test]
async fn plan_repeats_a_fault_for_calls_to_the_provider() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let plan = FaultPlan::new();
    api.handle().follow(plan.clone());
    plan.arm(Schedule::parse("1:404Page*3").unwrap());
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let path = format!("project/{PROJECT}/service/cache");
        statuses.push(api.send(reqwest::Method::GET, &path, None).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 404, 404, 404, 200]);
}
