//! Secrets, permissions, users, tags, VPCs, integrations, migration, and the catalog.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Fixture, P, SERVICE};
use valkeeper_fake_provider::{Delay, SecretDefault, TokenSpec, VpcState};

const VPCS: &str = "/v1/project/acme-prod/vpcs";

/// Whether an object shows no connection secret. A shown secret must be complete.
fn redacted(service: &Value) -> bool {
    let hidden = service["service_uri"].as_str().unwrap().contains("<redacted>");
    assert_eq!(hidden, !service.to_string().contains("AVNS_"));
    hidden
}

#[tokio::test]
async fn secrets_depend_on_query_date_and_kind_of_answer() {
    let f = Fixture::running(|_| {});
    let migration = json!({"host": "h", "port": 6379, "password": "very-secret"});
    let (_, body) = f
        .put(&format!("{SERVICE}?include_secrets=true"), json!({"user_config": {"migration": migration}}))
        .await;
    assert!(redacted(&body["service"]), "write answers never show secrets");
    let (_, body) = f.get(SERVICE).await;
    assert!(!redacted(&body["service"]));
    assert_eq!(body["service"]["user_config"]["migration"]["password"], "<redacted>");
    assert_eq!(f.read().await["user_config"]["migration"]["password"], "very-secret");
    assert!(redacted(&f.get(&format!("{SERVICE}?include_secrets=false")).await.1["service"]));
    f.fake.configure(|config| {
        config.secret_default = SecretDefault::Redacted;
        config.hide_secrets_in_lists = true;
    });
    assert!(redacted(&f.get(SERVICE).await.1["service"]));
    assert!(!redacted(&f.read().await));
    let list = "/v1/project/acme-prod/service?include_secrets=true";
    assert!(redacted(&f.get(list).await.1["services"][0]));
    f.fake.configure(|config| config.hide_secrets_everywhere = true);
    assert_eq!(f.get(list).await.0, 403);
    assert!(redacted(&f.get(SERVICE).await.1["service"]));
}

#[tokio::test]
async fn tokens_limit_projects_and_operations() {
    let f = Fixture::running(|_| {});
    let reader = TokenSpec::granular("reader", &["project:services:read"]);
    let legacy = valkeeper_fake_provider::Permissions::LegacyReadOnly;
    f.fake.add_token(reader);
    f.fake.add_token(TokenSpec { permissions: legacy, ..TokenSpec::full("legacy") });
    f.fake.add_token(TokenSpec::full("stranger").in_projects(&["other"]));
    let secret = format!("{SERVICE}?include_secrets=true");
    let get = |token: &'static str, path: String| {
        let f = &f;
        async move { f.as_token(token, Method::GET, &path, None).await }
    };
    let (status, body) = get("reader", secret.clone()).await;
    assert_eq!((status, body["errors"][0]["error_code"].as_str()), (403, Some("permission_denied")));
    assert!(redacted(&get("reader", SERVICE.into()).await.1["service"]));
    assert!(redacted(&get("legacy", secret).await.1["service"]));
    assert_eq!(f.as_token("legacy", Method::DELETE, SERVICE, None).await.0, 403);
    assert_eq!(get("reader", format!("{SERVICE}/tags")).await.0, 403);
    assert_eq!(get("stranger", SERVICE.into()).await.1["message"], "Not a project member");
    assert_eq!(get("nobody", "/v1/me".into()).await.1["message"], "Invalid token");
    assert_eq!(get("nobody", "/v1/clouds".into()).await.0, 200);
    f.fake.revoke_token("reader");
    assert_eq!(get("reader", SERVICE.into()).await.0, 401);
}

#[tokio::test]
async fn users_are_created_reset_and_deleted() {
    let f = Fixture::running(|_| {});
    let users = format!("{SERVICE}/user");
    let rules =
        json!({"valkey_acl_categories": ["+@READ"], "valkey_acl_commands": [], "valkey_acl_keys": ["app:*"]});
    let body = json!({"username": "app", "access_control": rules});
    let (status, body) = f.post(&users, body).await;
    assert_eq!(status, 200);
    assert!(body["user"]["password"].as_str().unwrap().starts_with("AVNS_"));
    let clean = json!({"valkey_acl_categories": ["+@read"], "valkey_acl_keys": ["app:*"]});
    assert_eq!(body["user"]["access_control"], clean);
    assert_eq!(f.get(&format!("{users}/app")).await.0, 404, "a new user appears late");
    assert_eq!(f.get(&format!("{users}/app")).await.0, 200);
    assert_eq!(f.post(&users, json!({"username": "app"})).await.0, 409);
    assert_eq!(f.post(&users, json!({"username": "-"})).await.0, 400);
    let before = f.read().await["service_uri_params"]["password"].clone();
    let (_, body) = f.put(&format!("{users}/default/credentials/reset"), Value::Null).await;
    assert!(redacted(&body["service"]));
    let lagging = f.read().await;
    assert_eq!(lagging["users"][0]["password"], Value::Null);
    assert_eq!(lagging["service_uri_params"]["password"], before);
    let settled = f.read().await;
    assert_ne!(settled["service_uri_params"]["password"], before);
    assert_eq!(settled["users"][0]["password"], settled["service_uri_params"]["password"]);
    let body = json!({"operation": "reset-credentials", "new_password": "chosen-one"});
    assert_eq!(f.put(&format!("{users}/app"), body).await.0, 200);
    f.read().await;
    assert_eq!(f.get(&format!("{users}/app")).await.1["user"]["password"], "chosen-one");
    assert_eq!(f.delete(&format!("{users}/default")).await.0, 403);
    assert_eq!(f.delete(&format!("{users}/app")).await.0, 200);
}

#[tokio::test]
async fn post_below_a_new_service_answers_404_first() {
    let f = Fixture::new(|_| {});
    f.create(json!({})).await;
    let body = json!({"username": "app"});
    assert_eq!(f.post(&format!("{SERVICE}/user"), body.clone()).await.0, 404);
    assert_eq!(f.post(&format!("{SERVICE}/user"), body).await.0, 200);
}

#[tokio::test]
async fn tags_are_replaced_merged_and_checked() {
    let f = Fixture::running(|_| {});
    let path = format!("{SERVICE}/tags");
    let (status, body) = f.put(&path, json!({"tags": {"a": "1", "b": "2"}})).await;
    assert_eq!((status, body["message"].is_string(), body.get("tags")), (200, true, None));
    assert_eq!(f.call("PATCH", &path, Some(json!({"tags": {"a": null, "c": "3"}}))).await.0, 200);
    assert_eq!(f.get(&path).await.1, json!({"tags": {"b": "2", "c": "3"}}));
    assert_eq!(f.put(&path, json!({"tags": {"a": null}})).await.0, 400);
    assert_eq!(f.put(&path, json!({})).await.0, 400);
    assert_eq!(f.put(&path, json!({"tags": {}})).await.0, 200);
    assert_eq!(f.get(&path).await.1, json!({"tags": {}}));
}

#[tokio::test]
async fn vpc_life_cycle_and_placement() {
    let f = Fixture::new(|config| config.change_start = Delay::Reads(0));
    let cloud = "google-europe-west1";
    let body = json!({"cloud_name": cloud, "network_cidr": "10.0.0.0/24", "peering_connections": []});
    let (status, vpc) = f.post(VPCS, body).await;
    assert_eq!((status, vpc["state"].as_str()), (200, Some("APPROVED")));
    let id = vpc["project_vpc_id"].as_str().unwrap().to_owned();
    let (status, body) = f.create(json!({"project_vpc_id": id})).await;
    let text = format!("Project VPC {id} is in state APPROVED, not ACTIVE");
    assert_eq!((status, body["message"].as_str()), (409, Some(text.as_str())));
    f.fake.finish_builds();
    assert_eq!(f.create(json!({})).await.1["service"]["project_vpc_id"], id.as_str());
    let one = format!("{VPCS}/{id}");
    let (status, body) = f.delete(&one).await;
    assert_eq!(status, 409);
    assert_eq!(body["message"], "VPC cannot be deleted while there are services in it");
    f.fake.finish_builds();
    f.read().await;
    let (_, body) = f.put(SERVICE, json!({"project_vpc_id": null})).await;
    assert_eq!(body["service"]["project_vpc_id"], Value::Null);
    let (_, body) = f.delete(&one).await;
    assert_eq!(body["message"], "VPC cannot be deleted while there are services migrating from it");
    f.fake.finish_builds();
    assert_eq!(f.delete(&one).await.1["state"], "DELETING");
    f.fake.finish_builds();
    assert_eq!(f.get(VPCS).await.1["vpcs"][0]["state"], "DELETED");
    assert_eq!(f.get(&one).await.0, 404);
    for bad in ["10.0.0.1/24", "10.0.0.0/25", "8.8.8.0/24"] {
        let body = json!({"cloud_name": cloud, "network_cidr": bad, "peering_connections": []});
        assert_eq!(f.post(VPCS, body).await.0, 400);
    }
}

#[tokio::test]
async fn vpc_stays_in_use_after_its_service_is_deleted() {
    let f = Fixture::new(|_| {});
    let id = f.fake.add_vpc(P, "google-europe-west1", "10.0.0.0/24", VpcState::Active).unwrap();
    f.create(json!({"project_vpc_id": id})).await;
    f.delete(SERVICE).await;
    let one = format!("{VPCS}/{id}");
    assert_eq!(f.delete(&one).await.0, 409);
    assert_eq!(f.delete(&one).await.0, 200);
}

#[tokio::test]
async fn read_replica_needs_a_backup_and_shows_on_both_services() {
    let f = Fixture::new(|_| {});
    f.fake.add_service(P, "cache", "valkey", "business-4");
    let link = json!([{"integration_type": "read_replica", "source_service": "cache"}]);
    let replica = json!({"service_name": "copy", "service_integrations": link});
    let (status, body) = f.create(replica.clone()).await;
    let text = "Creation of a read replica not allowed under current plan";
    assert_eq!((status, body["message"].as_str()), (403, Some(text)));
    f.fake.take_backup(P, "cache");
    let (status, body) = f.create(replica).await;
    assert_eq!(status, 200, "{body}");
    let link = &body["service"]["service_integrations"][0];
    assert_eq!(
        (link["dest_service"].as_str(), link["source_service"].as_str()),
        (Some("copy"), Some("cache"))
    );
    assert_eq!(f.read().await["service_integrations"][0]["dest_service"], "copy");
    assert_eq!(f.delete(SERVICE).await.0, 417, "the replica is being deployed");
    f.fake.finish_builds();
    f.fake.advance(Duration::from_mins(10));
    let backups = "/v1/project/acme-prod/service/copy/backups";
    assert_eq!(f.get(backups).await.1["backups"], json!([]));
    let id = link["service_integration_id"].as_str().unwrap();
    assert_eq!(f.delete(&format!("/v1/project/acme-prod/integration/{id}")).await.0, 200);
    f.fake.advance(Duration::from_mins(10));
    assert_eq!(f.get(backups).await.1["backups"].as_array().unwrap().len(), 1);
    assert_eq!(f.delete(SERVICE).await.0, 200);
}

#[tokio::test]
async fn migration_reports_done_once_and_a_failed_one_stays_failed() {
    let f = Fixture::running(|config| config.migration = Delay::Reads(2));
    let path = format!("{SERVICE}/migration");
    assert_eq!(f.get(&path).await.0, 404);
    let body = json!({"user_config": {"migration": {"host": "h", "port": 6379}}});
    f.put(SERVICE, body.clone()).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (status, body) = f.get(&path).await;
        seen.push((status, body["migration"]["status"].as_str().unwrap_or_default().to_owned()));
    }
    let expected = [(200, "running"), (200, "syncing"), (200, "done"), (404, "")];
    assert_eq!(seen, expected.map(|(status, text)| (status, text.to_owned())));
    f.put(SERVICE, json!({"user_config": {"migration": null}})).await;
    f.put(SERVICE, body.clone()).await;
    f.fake.fail_migration(P, "cache", "invalid password");
    f.put(SERVICE, body).await;
    let (_, body) = f.get(&path).await;
    assert_eq!(
        (body["migration"]["status"].as_str(), body["migration"]["method"].as_str()),
        (Some("failed"), Some("scan"))
    );
    assert_eq!(body["migration"]["error"], "invalid password");
    f.fake.remove_migration(P, "cache");
    assert_eq!(f.get(&path).await.0, 404);
}

#[tokio::test]
async fn free_plans_are_restricted() {
    let f = Fixture::new(|_| {});
    let id = f.fake.add_vpc(P, "google-europe-west1", "10.0.0.0/24", VpcState::Active).unwrap();
    let (status, body) = f.create(json!({"plan": "free-1", "project_vpc_id": id})).await;
    assert_eq!((status, body["errors"][0]["error_code"].as_str()), (403, Some("free_tier_restricted")));
    assert_eq!(f.create(json!({"plan": "free-1"})).await.1["service"]["project_vpc_id"], Value::Null);
    assert_eq!(f.create(json!({"plan": "free-1", "service_name": "other"})).await.0, 403);
}

#[tokio::test]
async fn catalog_and_identity_answer() {
    let f = Fixture::new(|_| {});
    let project = "/v1/project/acme-prod";
    for path in [
        "/v1/clouds",
        "/v1/service_types",
        "/v1/service_versions",
        "/v1/project",
        "/v1/account/a/service_versions",
    ] {
        assert_eq!(f.get(path).await.0, 200, "{path}");
    }
    assert_eq!(f.get("/v1/me").await.1["user"]["projects"], json!([P]));
    assert_eq!(f.get(project).await.1["project"]["project_name"], P);
    let plans = f.get(&format!("{project}/service-types/valkey/plans")).await.1;
    assert!(plans["service_plans"].as_array().unwrap().len() > 10);
    let plan = f.get(&format!("{project}/service-types/valkey/plans/business-4")).await.1;
    assert_eq!((plan["disk_space_mb"].as_u64(), plan["node_count"].as_u64()), (Some(25600), Some(2)));
    assert_eq!(f.get(&format!("{project}/service-types/valkey/plans/x")).await.0, 404);
    let price =
        f.get(&format!("{project}/pricing/service-types/valkey/plans/hobbyist/clouds/aws-eu-west-1")).await.1;
    assert!(price["base_price_usd"].is_string() && price.get("extra_disk_price_per_gb_usd").is_none());
    assert_eq!(f.get(&format!("{project}/service-types/valkey")).await.1["default_version"], "9.1");
}
