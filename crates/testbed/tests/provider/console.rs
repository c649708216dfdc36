//! The console as a browser without scripts and as programs use it.

use crate::harness::{Api, BUILD};
use reqwest::redirect::Policy;
use serde_json::json;
use std::time::Duration;

async fn page(api: &Api) -> String {
    api.client.get(format!("{}/console", api.server.url())).send().await.unwrap().text().await.unwrap()
}

/// Presses a button as a program; status and sentence.
async fn press(api: &Api, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let url = format!("{}/console/{path}", api.server.url());
    let request = api.client.post(url).header("Accept", "text/plain").form(fields);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn page_shows_services_users_backups_requests_but_no_secret() {
    let api = Api::start().await;
    api.backed_up("cache", json!({ "tags": { "team": "a&b" } })).await;
    let service = api.service("cache").await;
    let page = page(&api).await;
    let backup = service["backups"][0]["backup_name"].as_str().unwrap();
    for expected in ["cache", "RUNNING", "startup-4", backup, "default (primary)", "team=a&amp;b", "POST</b>"]
    {
        assert!(page.contains(expected), "{expected} is not in\n{page}");
    }
    let password = service["service_uri_params"]["password"].as_str().unwrap();
    assert!(!page.contains(password) && !page.contains(&api.token));
}

#[tokio::test]
async fn buttons_change_services_and_stay_out_of_the_request_log() {
    let api = Api::start().await;
    api.backed_up("cache", json!({})).await;
    let password = api.service("cache").await["service_uri_params"]["password"].clone();
    let requests = api.handle().requests().len();
    for (action, fields) in [
        ("tags", &[("tags", "env=test\nteam=x")][..]),
        ("reset-password", &[]),
        ("take-backup", &[("project", "my-aiven-project")]),
        ("plan", &[("plan", "business-4")]),
    ] {
        let (status, text) = press(&api, &format!("service/cache/{action}"), fields).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.starts_with("cache "), "{text}");
    }
    assert_eq!(api.handle().requests().len(), requests);
    api.advance(BUILD);
    let service = api.service("cache").await;
    assert_eq!((&service["plan"], &service["tags"]["team"]), (&json!("business-4"), &json!("x")));
    assert_ne!(service["service_uri_params"]["password"], password);
    assert_eq!(press(&api, "service/cache/delete", &[]).await.0, 200);
    assert_eq!(api.get("service/cache").await.0, 404);
    let (status, text) = press(&api, "service/cache/power-on", &[]).await;
    assert!(status == 400 && text.contains("no service cache"), "{text}");
}

#[tokio::test]
async fn browser_without_scripts_returns_to_page_with_message() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let url = format!("{}/console/service/cache/plan", api.server.url());
    let response = client.post(url).form(&[("plan", "<b>")]).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 303);
    let back = response.headers()["location"].to_str().unwrap().to_owned();
    let page = client.get(format!("{}{back}", api.server.url())).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("There is no plan &lt;b&gt;."), "{page}");
    let root = client.get(api.server.url()).send().await.unwrap();
    assert_eq!(root.headers()["location"], "/console");
}

#[tokio::test]
async fn tokens_and_trouble_come_and_go() {
    let api = Api::start().await;
    press(&api, "revoke-token", &[("token", "default")]).await;
    assert_eq!(api.get("service").await.0, 401);
    press(&api, "accept-token", &[("token", "default")]).await;
    assert_eq!(api.get("service").await.0, 200);
    press(&api, "fail", &[("how", "throttle"), ("times", "1")]).await;
    assert_eq!((api.get("service").await.0, api.get("service").await.0), (429, 200));
    press(&api, "fail", &[("how", "error"), ("times", "9")]).await;
    press(&api, "slow", &[("milliseconds", "60000")]).await;
    press(&api, "recover", &[]).await;
    let answer = tokio::time::timeout(Duration::from_secs(30), api.get("service")).await;
    assert_eq!(answer.expect("no delay is left").0, 200);
    for (action, fields) in [
        ("fail", &[("how", "error"), ("times", "0")][..]),
        ("slow", &[("milliseconds", "soon")]),
        ("advance", &[("time", "-1h")]),
        ("revoke-token", &[("token", "unknown")]),
    ] {
        assert_eq!(press(&api, action, fields).await.0, 400, "{action}");
    }
}

#[tokio::test]
async fn another_site_cannot_press_a_button_or_read_the_page() {
    let api = Api::start().await;
    api.running("cache", json!({})).await;
    let url = format!("{}/console/service/cache/delete", api.server.url());
    let foreign = api.client.post(url).header("Origin", "https://elsewhere.example").send().await.unwrap();
    assert_eq!(foreign.status().as_u16(), 403);
    let url = format!("{}/console", api.server.url());
    let rebound = api.client.get(url).header("Host", "elsewhere.example").send().await.unwrap();
    assert_eq!(rebound.status().as_u16(), 403);
    assert_eq!(api.get("service/cache").await.0, 200);
}
