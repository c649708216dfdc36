//! Tokens, permissions, secrets and the rate limit.

use crate::harness::{Api, BUILD, PROJECT, message};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use valkeeper_testbed::provider::{DefaultSecrets, DeniedSecrets, ProviderOptions, RateLimit, TokenSpec};

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
async fn token_actions_are_limited_by_its_permissions() {
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
async fn wide_permission_includes_the_narrow_one() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let token = TokenSpec::full_access("reader", "reader");
    api.handle().add_token(&token.with_permissions(["service:secrets:read"]));
    let path = format!("project/{PROJECT}/service/cache");
    let (status, answer) =
        api.raw(Method::GET, &format!("{path}?include_secrets=true"), "aivenv1 reader").await;
    assert_eq!((status, &answer["service"]["service_name"]), (200, &json!("cache")));
    assert_eq!(api.raw(Method::DELETE, &path, "aivenv1 reader").await.0, 403);
}

/// A service with a password of its own and one in its settings, and both passwords.
async fn with_secrets(api: &Api) -> [String; 2] {
    let migration = json!({ "host": "h.invalid", "port": 1, "password": "of-the-source" });
    let service = api.running("cache", json!({ "user_config": { "migration": migration } })).await;
    assert_eq!(service["user_config"]["migration"]["password"], "of-the-source");
    [service["service_uri_params"]["password"].as_str().unwrap().to_owned(), "of-the-source".to_owned()]
}

#[tokio::test]
async fn reads_show_secrets_by_default_until_they_are_hidden() {
    let api = Api::start_with(|options| {
        options.unknowns.secrets_hidden_from = chrono::Utc::now() + Duration::from_hours(1);
    })
    .await;
    let secrets = with_secrets(&api).await;
    for path in ["service/cache", "service", "service/cache?include_secrets=true"] {
        let text = api.get(path).await.1.to_string();
        assert!(secrets.iter().all(|secret| text.contains(secret)), "{path}");
    }
    let (_, hidden) = api.get("service/cache?include_secrets=false").await;
    assert_eq!(hidden["service"]["service_uri_params"]["password"], "<redacted>");
    api.advance(Duration::from_hours(1));
    for path in ["service/cache", "service"] {
        let text = api.get(path).await.1.to_string();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{path}");
        assert!(text.contains("<redacted>"));
    }
    let text = api.get("service?include_secrets=true").await.1.to_string();
    assert!(secrets.iter().all(|secret| text.contains(secret)));
}

#[tokio::test]
async fn secrets_begin_to_be_hidden_in_march_2027() {
    let hidden_from = ProviderOptions::default().unknowns.secrets_hidden_from;
    assert_eq!(hidden_from.to_rfc3339(), "2027-03-01T00:00:00+00:00");
}

#[tokio::test]
async fn secrets_may_be_partly_shown_or_empty_by_default() {
    let api = Api::start().await;
    let [password, _] = with_secrets(&api).await;
    api.handle().set_unknowns(|unknowns| unknowns.secrets_by_default = DefaultSecrets::ConnectionOnly);
    let (_, default) = api.get("service/cache").await;
    assert_eq!(default["service"]["service_uri_params"]["password"], password);
    assert_eq!(default["service"]["user_config"]["migration"]["password"], "<redacted>");
    api.handle().set_unknowns(|unknowns| unknowns.secrets_by_default = DefaultSecrets::Empty);
    let (_, empty) = api.get("service/cache").await;
    assert_eq!(empty["service"]["service_uri_params"]["password"], "");
    assert!(empty["service"]["service_uri"].is_null());
}

#[tokio::test]
async fn answers_to_writes_never_show_secrets() {
    let api = Api::start().await;
    let query = "?include_secrets=true";
    let body = json!({ "service_name": "cache", "service_type": "redis", "plan": "startup-4" });
    let (status, created) = api.post(&format!("service{query}"), body).await;
    assert_eq!(status, 200, "{created}");
    api.advance(BUILD);
    let reset = "user/default/credentials/reset";
    let modify = json!({ "operation": "acknowledge-renewal" });
    for answer in [
        api.put(&format!("service/cache{query}"), json!({})).await,
        api.put(&format!("service/cache/{reset}{query}"), json!({})).await,
        api.put(&format!("service/cache/credentials/reset{query}"), json!({})).await,
        api.put(&format!("service/cache/user/default{query}"), modify).await,
        api.patch(&format!("service/cache/service_type{query}"), json!({ "service_type": "valkey" })).await,
    ] {
        assert_eq!(answer.0, 200, "{answer:?}");
        assert_eq!(answer.1["service"]["service_uri_params"]["password"], "<redacted>");
    }
}

#[tokio::test]
async fn token_without_the_permission_does_not_get_secrets() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle()
        .add_token(&TokenSpec::full_access("reader", "reader").with_permissions(["project:services:read"]));
    let path = format!("project/{PROJECT}/service");
    for path in [format!("{path}/cache"), path] {
        let asking = format!("{path}?include_secrets=true");
        let refused = api.raw(Method::GET, &asking, "aivenv1 reader").await;
        assert_eq!((refused.0, message(&refused)), (403, "Missing permission: service:secrets:read"));
        let (status, answer) = api.raw(Method::GET, &path, "aivenv1 reader").await;
        assert!(status == 200 && answer.to_string().contains("<redacted>"), "{answer}");
    }
    let old = DeniedSecrets::Redacted;
    api.handle().set_unknowns(|unknowns| unknowns.secrets_without_permission = old);
    let path = format!("project/{PROJECT}/service/cache?include_secrets=true");
    let (_, redacted) = api.raw(Method::GET, &path, "aivenv1 reader").await;
    assert_eq!(redacted["service"]["service_uri_params"]["password"], "<redacted>");
}

#[tokio::test]
async fn rate_limit_throttles_requests_until_the_window_ends() {
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
