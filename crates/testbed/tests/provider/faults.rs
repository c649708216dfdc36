//! Scripted failures and the request log.

use crate::harness::{Api, PROJECT, message};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::provider::{Fault, Matcher};

fn create_path() -> String {
    format!("project/{PROJECT}/service")
}

fn body() -> Value {
    json!({ "service_name": "cache", "service_type": "valkey", "plan": "startup-4" })
}

fn posts() -> Matcher {
    Matcher::new(Some("post"), "/service$").unwrap()
}

#[tokio::test]
async fn a_scripted_status_replaces_the_answer_as_often_as_asked() {
    let api = Api::start().await;
    let fault = Fault::Status {
        code: 429,
        message: "Slow down".to_owned(),
        error_code: Some("too_many"),
        retry_after: Some(3),
        executed: false,
    };
    api.handle().fail_next(posts(), 2, fault);
    for _ in 0..2 {
        let response = api.send(Method::POST, &create_path(), Some(body())).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()),
            (429, "3")
        );
    }
    assert_eq!(api.get("service").await.1["services"], json!([]), "reads were not affected");
    assert_eq!(api.call(Method::POST, &create_path(), Some(body())).await.0, 200);
    assert_eq!(api.handle().pending_faults(), 0);
}

#[tokio::test]
async fn every_status_an_operator_must_survive_can_be_provoked() {
    let api = Api::start().await;
    for code in [400, 401, 403, 404, 408, 409, 410, 417, 429, 500, 501, 503, 504, 510, 526] {
        api.handle().fail_next(Matcher::new(None, "/me$").unwrap(), 1, Fault::status(code, "provoked"));
        let (status, answer) = api.call(Method::GET, "me", None).await;
        assert_eq!((status, &answer["message"]), (code, &json!("provoked")));
    }
}

#[tokio::test]
async fn an_error_may_hide_that_the_request_took_effect() {
    let api = Api::start().await;
    let fault = Fault::Status {
        code: 504,
        message: "Timeout".to_owned(),
        error_code: None,
        retry_after: None,
        executed: true,
    };
    api.handle().fail_next(posts(), 1, fault);
    assert_eq!(api.call(Method::POST, &create_path(), Some(body())).await.0, 504);
    assert_eq!(api.call(Method::POST, &create_path(), Some(body())).await.0, 409);
}

#[tokio::test]
async fn a_closed_connection_loses_the_request_or_only_its_answer() {
    let api = Api::start().await;
    api.handle().fail_next(posts(), 1, Fault::CloseConnection { executed: false });
    assert!(api.send(Method::POST, &create_path(), Some(body())).await.is_err());
    assert!(api.handle().service(PROJECT, "cache").is_none());
    api.handle().fail_next(posts(), 1, Fault::CloseConnection { executed: true });
    assert!(api.send(Method::POST, &create_path(), Some(body())).await.is_err());
    assert!(api.handle().service(PROJECT, "cache").is_some());
    let lost = api.handle().requests().pop().unwrap();
    assert_eq!((lost.status, lost.executed), (None, true));
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_server() {
    let api = Api::start().await;
    api.handle().fail_next(Matcher::new(None, "/me$").unwrap(), 1, Fault::Hang { executed: false });
    let handle = api.handle();
    let Api { server, client, token } = api;
    let url = format!("{}/v1/me", server.url());
    let hanging = tokio::spawn(async move { client.get(url).bearer_auth(token).send().await });
    while handle.requests().is_empty() || handle.pending_faults() > 0 {
        tokio::task::yield_now().await;
    }
    let address = server.address();
    drop(server);
    assert!(hanging.await.unwrap().is_err());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bodies_can_be_truncated_malformed_oversized_or_not_json() {
    let api = Api::start().await;
    let me = || Matcher::new(Some("GET"), "/me$").unwrap();
    let handle = api.handle();
    handle.fail_next(me(), 1, Fault::TruncatedBody);
    assert!(api.send(Method::GET, "me", None).await.unwrap().bytes().await.is_err());
    handle.fail_next(me(), 1, Fault::MalformedJson);
    assert!(api.send(Method::GET, "me", None).await.unwrap().json::<Value>().await.is_err());
    handle.fail_next(me(), 1, Fault::OversizedBody(100_000));
    assert!(api.send(Method::GET, "me", None).await.unwrap().bytes().await.unwrap().len() >= 100_000);
    handle.fail_next(me(), 1, Fault::ProxyPage { code: 502 });
    let page = api.send(Method::GET, "me", None).await.unwrap();
    assert_eq!(page.status(), 502);
    assert!(page.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn proxy_pages_repeat_as_often_as_asked() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().fail_next(Matcher::new(None, "/service/").unwrap(), 3, Fault::ProxyPage { code: 404 });
    let path = format!("project/{PROJECT}/service/cache");
    for method in [Method::GET, Method::DELETE, Method::GET] {
        let page = api.send(method, &path, None).await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (404, &"text/html".parse().unwrap())
        );
        assert!(page.text().await.unwrap().contains("404 Not Found"));
    }
    assert_eq!(api.get("service/cache").await.0, 200);
}

#[tokio::test]
async fn missing_project_is_named_in_the_refusal() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    api.handle().fail_next(Matcher::new(None, "/service/").unwrap(), 1, Fault::ProjectMissing);
    let refused = api.get("service/cache").await;
    assert_eq!((refused.0, message(&refused)), (404, "Project my-aiven-project does not exist"));
    assert_eq!(refused.1["errors"][0]["error_code"], "project_does_not_exist");
    assert_eq!(api.get("service/cache").await.0, 200);
}

#[tokio::test]
async fn late_request_takes_effect_after_its_client_gave_up() {
    let api = Api::start().await;
    api.handle().fail_next(posts(), 1, Fault::Late { after: Duration::from_millis(1) });
    let impatient = Client::builder().timeout(Duration::from_millis(300)).build().unwrap();
    let url = format!("{}/v1/{}", api.server.url(), create_path());
    let sent = impatient.post(url).bearer_auth(&api.token).json(&body()).send();
    let waiting = async {
        while api.handle().late_requests() == 0 {
            tokio::task::yield_now().await;
        }
        api.get("service/cache").await.0
    };
    let (answer, meanwhile) = tokio::join!(sent, waiting);
    assert!(answer.unwrap_err().is_timeout());
    assert_eq!(meanwhile, 404, "it took effect before its client gave up");
    while api.handle().late_requests() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(api.get("service/cache").await.0, 200);
}

#[tokio::test]
async fn a_slow_body_outlasts_a_client_that_does_not_wait() {
    let api = Api::start().await;
    api.handle().fail_next(Matcher::new(None, "/me$").unwrap(), 1, Fault::SlowBody(Duration::from_hours(1)));
    let impatient = Client::builder().timeout(Duration::from_millis(200)).build().unwrap();
    let url = format!("{}/v1/me", api.server.url());
    let body = async { impatient.get(url).bearer_auth(&api.token).send().await?.bytes().await };
    assert!(body.await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_delay_changes_nothing_but_the_time() {
    let api = Api::start().await;
    api.handle().fail_next(posts(), 1, Fault::Delay(Duration::from_millis(1)));
    assert_eq!(api.call(Method::POST, &create_path(), Some(body())).await.0, 200);
}

#[tokio::test]
async fn scripts_can_be_forgotten() {
    let api = Api::start().await;
    api.handle().fail_next(posts(), 9, Fault::status(500, "never"));
    api.handle().clear_faults();
    assert_eq!(api.call(Method::POST, &create_path(), Some(body())).await.0, 200);
}

#[tokio::test]
async fn every_request_is_logged_and_counted_by_route() {
    let api = Api::start().await;
    api.call(Method::POST, &create_path(), Some(body())).await;
    api.get("service/cache?include_secrets=true").await;
    api.get("service/other").await;
    api.call(Method::DELETE, "me", None).await;
    api.call(Method::GET, "nothing", None).await;
    let handle = api.handle();
    let log = handle.requests();
    let statuses: Vec<_> = log.iter().map(|entry| entry.status.unwrap()).collect();
    assert_eq!(statuses, [200, 200, 404, 405, 404]);
    assert_eq!(log[1].query_keys, ["include_secrets"]);
    assert_eq!(log[1].token.as_deref(), Some("default"));
    assert!(log.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(handle.counts()[&("GET".to_owned(), "/v1/project/{project}/service/{service}")], 2);
    assert_eq!(handle.counts()[&("GET".to_owned(), "unmatched")], 1);
    assert_eq!(handle.writes(), 2);
    assert_eq!(handle.requests_after(log[2].sequence).len(), 2);
    handle.clear_requests();
    assert_eq!((handle.requests().len(), handle.writes(), handle.counts().len()), (0, 0, 0));
}

#[tokio::test]
async fn a_body_that_is_not_an_object_is_a_bad_request() {
    let api = Api::start().await;
    assert_eq!(api.call(Method::POST, &create_path(), Some(json!([1]))).await.0, 400);
    let url = format!("{}/v1/{}", api.server.url(), create_path());
    let broken = api.client.post(url).bearer_auth(&api.token).body("{").send().await.unwrap();
    assert_eq!(broken.status(), 400);
}
