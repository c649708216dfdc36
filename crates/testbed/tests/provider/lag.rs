//! Changes that are not visible immediately.

use crate::harness::Api;
use serde_json::json;

#[tokio::test]
async fn running_may_be_reported_after_a_change_that_rebuilds() {
    let api = Api::start_with(|options| options.unknowns.running_reads_after_rebuild = 2).await;
    api.running("cache", json!({})).await;
    let (_, answer) = api.put("service/cache", json!({ "plan": "startup-8" })).await;
    assert_eq!(answer["service"]["state"], "RUNNING");
    assert_eq!(api.state("cache").await, "RUNNING");
    let (_, list) = api.get("service").await;
    assert_eq!(list["services"][0]["state"], "RUNNING");
    assert_eq!(api.state("cache").await, "REBUILDING");
}

#[tokio::test]
async fn a_new_service_may_be_missing_for_some_reads() {
    let api = Api::start_with(|options| options.unknowns.missing_reads_after_create = 2).await;
    assert_eq!(api.create("cache", json!({})).await.0, 200);
    assert_eq!(api.get("service/cache").await.0, 404);
    assert_eq!(api.get("service").await.1["services"], json!([]));
    assert_eq!(api.get("service/cache").await.0, 200);
    assert_eq!(api.create("cache", json!({})).await.0, 409);
}

#[tokio::test]
async fn posts_below_a_new_service_may_not_find_it() {
    let api = Api::start_with(|options| options.unknowns.missing_posts_after_create = 1).await;
    api.running("cache", json!({})).await;
    assert_eq!(api.post("service/cache/user", json!({ "username": "app" })).await.0, 404);
    assert_eq!(api.post("service/cache/user", json!({ "username": "app" })).await.0, 200);
}

#[tokio::test]
async fn new_user_and_reset_password_may_lag_for_some_reads() {
    let api = Api::start_with(|options| {
        options.unknowns.missing_user_reads = 1;
        options.unknowns.blank_password_reads = 2;
    })
    .await;
    api.running("cache", json!({})).await;
    api.post("service/cache/user", json!({ "username": "app" })).await;
    assert_eq!(api.get("service/cache/user/app").await.0, 404);
    assert_eq!(api.get("service/cache/user/app").await.0, 200);
    api.put("service/cache/user/default/credentials/reset", json!({})).await;
    assert_eq!(api.get("service/cache/user/default?include_secrets=true").await.1["user"]["password"], "");
    assert_eq!(api.service("cache").await["service_uri_params"]["password"], "");
    assert_ne!(api.service("cache").await["service_uri_params"]["password"], "");
}
