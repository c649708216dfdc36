//! Users of a service.

use crate::harness::{Api, message};
use reqwest::Method;
use serde_json::{Value, json};

async fn with_user(api: &Api) -> Value {
    api.running("cache", json!({})).await;
    let access = json!({ "valkey_acl_keys": ["app:*"], "valkey_acl_categories": ["+@read"] });
    let body = json!({ "username": "app", "access_control": access });
    let (status, answer) = api.post("service/cache/user?include_secrets=true", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["user"].clone()
}

#[tokio::test]
async fn a_user_is_created_read_and_deleted() {
    let api = Api::start().await;
    let created = with_user(&api).await;
    assert_eq!(created["access_control"]["valkey_acl_keys"], json!(["app:*"]));
    assert!(created["password"].as_str().unwrap().starts_with("AVNS_"));
    for query in ["", "?include_secrets=true", "?include_secrets=false"] {
        let (_, read) = api.get(&format!("service/cache/user/app{query}")).await;
        assert_eq!(read["user"], created, "a user on its own is shown with the password");
    }
    assert_eq!(api.service("cache").await["users"].as_array().unwrap().len(), 2);
    assert_eq!(api.delete("service/cache/user/app").await.0, 200);
    assert_eq!(api.get("service/cache/user/app").await.0, 404);
}

#[tokio::test]
async fn a_second_user_of_the_same_name_already_exists() {
    let api = Api::start().await;
    with_user(&api).await;
    let refused = api.post("service/cache/user", json!({ "username": "app" })).await;
    assert_eq!(refused.0, 409);
    assert!(message(&refused).contains("already exists"));
}

#[tokio::test]
async fn the_main_user_can_be_reset_but_not_deleted() {
    let api = Api::start().await;
    let before = api.running("cache", json!({})).await;
    assert_eq!(api.delete("service/cache/user/default").await.0, 400);
    let path = "service/cache/user/default/credentials/reset?include_secrets=true";
    assert_eq!(api.put(path, json!({})).await.0, 200);
    let after = api.service("cache").await;
    let password = after["service_uri_params"]["password"].as_str().unwrap();
    assert_ne!(json!(password), before["service_uri_params"]["password"]);
    assert!(after["service_uri"].as_str().unwrap().contains(password));
    assert_eq!(after["connection_info"]["valkey_password"], password);
}

#[tokio::test]
async fn a_password_can_be_chosen_within_limits() {
    let api = Api::start().await;
    with_user(&api).await;
    let modify = |body: Value| {
        let api = &api;
        async move { api.put("service/cache/user/app?include_secrets=true", body).await }
    };
    let chosen = json!({ "operation": "reset-credentials", "new_password": "long-enough" });
    assert_eq!(modify(chosen).await.0, 200);
    assert_eq!(api.service("cache").await["users"][1]["password"], "long-enough");
    assert_eq!(modify(json!({ "operation": "reset-credentials", "new_password": "short" })).await.0, 400);
    assert_eq!(modify(json!({ "operation": "dance" })).await.0, 400);
}

#[tokio::test]
async fn access_lists_are_replaced() {
    let api = Api::start().await;
    with_user(&api).await;
    let access = json!({ "valkey_acl_commands": ["+get"] });
    let body = json!({ "operation": "set-access-control", "access_control": access });
    let (_, answer) = api.put("service/cache/user/app", body).await;
    assert_eq!(answer["service"]["users"][1]["access_control"], access);
    let foreign = json!({ "operation": "set-access-control", "access_control": { "redis_acl_keys": ["*"] } });
    assert_eq!(api.put("service/cache/user/app", foreign).await.0, 400);
}

#[tokio::test]
async fn access_rules_are_normalised_and_unknown_ones_refused() {
    let api = Api::start().await;
    with_user(&api).await;
    let change = |access: Value| {
        let api = &api;
        let body = json!({ "operation": "set-access-control", "access_control": access });
        async move { api.put("service/cache/user/app", body).await }
    };
    let sent =
        json!({ "valkey_acl_commands": ["+GET"], "valkey_acl_categories": [], "valkey_acl_keys": ["A:*"] });
    let (_, answer) = change(sent).await;
    let stored = json!({ "valkey_acl_commands": ["+get"], "valkey_acl_keys": ["A:*"] });
    assert_eq!(answer["service"]["users"][1]["access_control"], stored);
    for wrong in
        [json!({ "valkey_acl_categories": ["+@nonsense"] }), json!({ "valkey_acl_commands": ["get"] })]
    {
        assert_eq!(change(wrong).await.0, 400);
    }
    assert_eq!(api.service("cache").await["users"][1]["access_control"], stored);
}

#[tokio::test]
async fn all_passwords_can_be_reset_in_one_request() {
    let api = Api::start().await;
    with_user(&api).await;
    let before = api.service("cache").await["users"].clone();
    let path = format!("project/{}/service/cache/credentials/reset", crate::harness::PROJECT);
    assert_eq!(api.call(Method::PUT, &path, None).await.0, 200);
    let after = api.service("cache").await["users"].clone();
    assert_ne!(before[0]["password"], after[0]["password"]);
    assert_ne!(before[1]["password"], after[1]["password"]);
}
