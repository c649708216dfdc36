//! Tokens, permissions, secrets and the rate limit.

use crate::harness::{Api, PROJECT, message};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use valkeeper_sandbox::provider::{DefaultSecrets, DeniedSecrets, RateLimit, TokenSpec};

#[tokio::test]
async fn both_authorization_schemes_are_accepted() {
    let api = Api::start().await;
    let token = &api.token;
    assert_eq!(api.raw(Method::GET, "me", &format!("aivenv1 {token}")).await.0, 200);
    assert_eq!(api.raw(Method::GET, "me", &format!("Bearer {token}")).await.0, 200);
    assert_eq!(api.raw(Method::GET, "me", &format!("Basic {token}")).await.0, 401);
    let wrong = api.raw(Method::GET, "me", "aivenv1 wrong").await;
    assert_eq!((wrong.0, message(&wrong)), (401, "Invalid token"));
}

#[tokio::test]
async fn a_revoked_token_is_invalid_everywhere_and_a_new_one_works() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    assert!(api.handle().revoke_token("default"));
    for answer in [api.get("service/cache").await, api.delete("service/cache").await, api.get("vpcs").await] {
        assert_eq!((answer.0, message(&answer)), (401, "Invalid token"));
    }
    api.handle().add_token(&TokenSpec::full_access("default", api.token.clone()));
    assert_eq!(api.get("service/cache").await.0, 200);
}

#[tokio::test]
async fn clouds_need_no_token() {
    let api = Api::start().await;
    assert_eq!(api.client.get(format!("{}/v1/clouds", api.server.url())).send().await.unwrap().status(), 200);
    assert_eq!(api.client.get(format!("{}/v1/me", api.server.url())).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_token_sees_only_its_projects() {
    let api = Api::start().await;
    api.handle().add_token(&TokenSpec::full_access("narrow", "narrow").in_projects(["my-other-project"]));
    let foreign = api.raw(Method::GET, &format!("project/{PROJECT}/service"), "aivenv1 narrow").await;
    assert_eq!((foreign.0, message(&foreign)), (403, "Not a project member"));
    assert_eq!(api.raw(Method::GET, "project/my-other-project/service", "aivenv1 narrow").await.0, 200);
    let (_, projects) = api.raw(Method::GET, "project", "aivenv1 narrow").await;
    assert_eq!(projects["projects"].as_array().unwrap().len(), 1);
    assert_eq!(api.raw(Method::GET, "project/nothing/service", "aivenv1 narrow").await.0, 404);
}

#[tokio::test]
async fn a_token_may_only_do_what_its_permissions_say() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle()
        .add_token(&TokenSpec::full_access("reader", "reader").with_permissions(["project:services:read"]));
    let path = format!("project/{PROJECT}/service/cache");
    assert_eq!(api.raw(Method::GET, &path, "aivenv1 reader").await.0, 200);
    let denied = api.raw(Method::DELETE, &path, "aivenv1 reader").await;
    assert_eq!((denied.0, &denied.1["errors"][0]["error_code"]), (403, &json!("permission_denied")));
    assert_eq!(api.raw(Method::GET, &format!("{path}/backups"), "aivenv1 reader").await.0, 403);
}

#[tokio::test]
async fn secrets_are_redacted_unless_they_are_asked_for() {
    let api = Api::start().await;
    let migration = json!({ "host": "h.invalid", "port": 1, "password": "of-the-source" });
    let service = api.running("cache", json!({ "user_config": { "migration": migration } })).await;
    let password = service["service_uri_params"]["password"].as_str().unwrap().to_owned();
    assert_eq!(service["user_config"]["migration"]["password"], "of-the-source");
    for query in ["", "?include_secrets=false"] {
        let (_, answer) = api.get(&format!("service/cache{query}")).await;
        let text = answer.to_string();
        assert!(!text.contains(&password) && !text.contains("of-the-source"), "{text}");
        assert_eq!(answer["service"]["service_uri_params"]["password"], "<redacted>");
        assert_eq!(answer["service"]["users"][0]["password"], "<redacted>");
    }
    let (_, list) = api.get("service").await;
    assert!(!list.to_string().contains(&password));
    let (_, list) = api.get("service?include_secrets=true").await;
    assert!(list.to_string().contains(&password));
}

#[tokio::test]
async fn connection_secrets_may_be_shown_or_empty_by_default() {
    let api = Api::start().await;
    let migration = json!({ "host": "h.invalid", "port": 1, "password": "of-the-source" });
    let shown = api.running("cache", json!({ "user_config": { "migration": migration } })).await;
    api.handle().set_unknowns(|unknowns| unknowns.secrets_by_default = DefaultSecrets::Shown);
    let (_, default) = api.get("service/cache").await;
    assert_eq!(default["service"]["service_uri"], shown["service_uri"]);
    assert_eq!(default["service"]["user_config"]["migration"]["password"], "<redacted>");
    api.handle().set_unknowns(|unknowns| unknowns.secrets_by_default = DefaultSecrets::Empty);
    let (_, empty) = api.get("service/cache").await;
    assert_eq!(empty["service"]["service_uri_params"]["password"], "");
    assert!(empty["service"]["service_uri"].is_null());
}

#[tokio::test]
async fn a_token_without_the_permission_does_not_get_secrets() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle()
        .add_token(&TokenSpec::full_access("reader", "reader").with_permissions(["project:services:read"]));
    let path = format!("project/{PROJECT}/service/cache?include_secrets=true");
    let (_, redacted) = api.raw(Method::GET, &path, "aivenv1 reader").await;
    assert_eq!(redacted["service"]["service_uri_params"]["password"], "<redacted>");
    api.handle().set_unknowns(|unknowns| unknowns.secrets_without_permission = DeniedSecrets::Forbidden);
    assert_eq!(api.raw(Method::GET, &path, "aivenv1 reader").await.0, 403);
}

#[tokio::test]
async fn beyond_the_rate_limit_requests_are_throttled_until_the_window_ends() {
    let api = Api::start_with(|options| {
        options.rate_limit = Some(RateLimit { requests: 2, per: Duration::from_hours(1) });
        options.unknowns.retry_after = Some(Duration::from_secs(7));
    })
    .await;
    assert_eq!(api.get("service").await.0, 200);
    assert_eq!(api.get("service").await.0, 200);
    let throttled = api.send(Method::GET, &format!("project/{PROJECT}/service"), None).await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), throttled.headers()["retry-after"].to_str().unwrap()),
        (429, "7")
    );
    api.advance(Duration::from_hours(1));
    assert_eq!(api.get("service").await.0, 200);
}

#[tokio::test]
async fn neither_the_log_nor_debug_output_holds_a_secret() {
    let api = Api::start().await;
    let service = api.running("cache", json!({})).await;
    let password = service["service_uri_params"]["password"].as_str().unwrap().to_owned();
    api.raw(Method::GET, "me?api_key=hunter2", "aivenv1 wrong-token").await;
    let spec = TokenSpec::full_access("default", api.token.clone());
    let text = format!("{:?} {:?} {:?} {spec:?}", api.handle().requests(), api.server, api.handle());
    for secret in [password.as_str(), api.token.as_str(), "hunter2", "wrong-token"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let last = api.handle().requests().pop().unwrap();
    assert_eq!((last.token, last.status, last.query_keys), (None, Some(401), vec!["api_key".to_owned()]));
}
