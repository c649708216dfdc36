//! Faults, lags, shapes, records, and changes behind the client's back.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Fixture, P, SERVICE};
use valkeeper_fake_provider::{
    Answer, DEFAULT_TOKEN, Delay, ErrorStyle, Matching, OPTIONAL_FIELDS, RetryAfter, Shapes,
};

async fn raw(f: &Fixture, path: &str) -> reqwest::Result<reqwest::Response> {
    f.try_send(DEFAULT_TOKEN, Method::GET, path, None).await
}

#[tokio::test]
async fn faults_answer_in_order_and_end() {
    let f = Fixture::running(|_| {});
    let on = || Matching::method("GET").path(SERVICE);
    f.fake.inject(on(), Answer::proxy_page(502));
    f.fake.inject(on(), Answer::too_many_requests(Some(RetryAfter::Seconds(7))));
    f.fake.inject(on(), Answer::project_not_found(P));
    f.fake.inject(on(), Answer::retired_endpoint());
    let response = raw(&f, SERVICE).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");
    assert!(response.text().await.unwrap().starts_with("<html>"));
    let response = raw(&f, SERVICE).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(f.get(SERVICE).await.1["errors"][0]["error_code"], "project_does_not_exist");
    assert_eq!(f.get(SERVICE).await.1.get("message"), None);
    assert_eq!(f.get(SERVICE).await.0, 200);
    let statuses: Vec<_> = f.fake.requests().iter().map(|record| (record.status, record.injected)).collect();
    let injected = |status| (Some(status), true);
    assert_eq!(statuses, [injected(502), injected(429), injected(404), injected(410), (Some(200), false)]);
}

#[tokio::test]
async fn reset_closes_the_connection_with_or_without_effect() {
    let f = Fixture::running(|_| {});
    f.fake.inject(Matching::method("DELETE"), Answer::Reset);
    f.fake.inject(Matching::method("DELETE").nth(2), Answer::ResetAfterEffect);
    let send = || f.try_send(DEFAULT_TOKEN, Method::DELETE, SERVICE, None);
    assert!(send().await.is_err());
    assert!(f.fake.service(P, "cache").is_some());
    assert!(send().await.is_err());
    assert!(f.fake.service(P, "cache").is_none());
    let records = f.fake.requests();
    assert!(records.iter().all(|record| record.status.is_none()));
    assert!(records.last().unwrap().took_effect);
}

#[tokio::test]
async fn late_effect_survives_a_client_that_gives_up() {
    let f = Fixture::running(|_| {});
    f.fake.inject(Matching::method("DELETE"), Answer::Held);
    let send = f.try_send(DEFAULT_TOKEN, Method::DELETE, SERVICE, None);
    assert!(tokio::time::timeout(Duration::from_millis(200), send).await.is_err());
    assert!(f.fake.service(P, "cache").is_some());
    f.fake.release_held();
    let start = Instant::now();
    while f.fake.service(P, "cache").is_some() {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(f.fake.requests()[0].took_effect);
}

#[tokio::test]
async fn reads_lag_behind_create_update_and_delete() {
    let f = Fixture::new(|config| config.read_lag = Some(Delay::Reads(1)));
    assert_eq!(f.create(json!({"tags": {"a": "1"}})).await.0, 200);
    assert_eq!(f.create(json!({})).await.0, 409);
    assert_eq!(f.get(SERVICE).await.0, 404);
    assert_eq!(f.get(SERVICE).await.0, 200);
    f.put(&format!("{SERVICE}/tags"), json!({"tags": {}})).await;
    assert_eq!(f.read().await["tags"], json!({"a": "1"}));
    assert_eq!(f.read().await["tags"], json!({}));
    assert_eq!(f.delete(SERVICE).await.0, 200);
    assert_eq!(f.get("/v1/project/acme-prod/service").await.1["services"].as_array().unwrap().len(), 1);
    assert_eq!(f.get("/v1/project/acme-prod/service").await.1["services"], json!([]));
}

#[tokio::test]
async fn changes_behind_the_client_are_visible() {
    let f = Fixture::running(|_| {});
    f.fake.add_service(P, "db", "pg", "startup-4");
    f.fake.set_user_config(P, "cache", "valkey_timeout", json!(7));
    f.fake.set_tags(P, "cache", &[("team", "x")]);
    f.fake.set_maintenance(P, "cache", "never", "00:00:00");
    f.fake.forget_password(P, "cache", "default");
    let service = f.read().await;
    assert_eq!(service["user_config"]["valkey_timeout"], 7);
    assert_eq!(service["tags"], json!({"team": "x"}));
    assert_eq!(service["maintenance"]["dow"], "never");
    assert_eq!(service["users"][0]["password"], Value::Null);
    f.fake.set_plan(P, "cache", "premium-8");
    f.fake.power_off(P, "cache");
    let service = f.read().await;
    assert_eq!((service["state"].as_str(), service["plan"].as_str()), (Some("POWEROFF"), Some("premium-8")));
    let list = f.get("/v1/project/acme-prod/service").await.1;
    assert!(list["services"][1]["service_uri"].as_str().unwrap().starts_with("postgres://avnadmin:"));
    assert!(f.fake.delete_service(P, "cache") && !f.fake.delete_service(P, "cache"));
    assert!(f.fake.remove_project(P));
    assert_eq!(f.get(SERVICE).await.1["errors"][0]["error_code"], "project_does_not_exist");
}

#[tokio::test]
async fn shapes_stay_legal_but_odd() {
    let f = Fixture::running(|_| {});
    f.fake.configure(|config| {
        config.shapes.floats = true;
        config.shapes.extra_fields = true;
        config.shapes.unknown_state = Some("MELTING".into());
        config.shapes.null_fields = vec!["tags".into()];
    });
    let service = f.read().await;
    assert!(service["disk_space_mb"].is_f64() && service["components"][0]["port"].is_f64());
    assert_eq!((service["state"].as_str(), &service["tags"]), (Some("MELTING"), &Value::Null));
    assert!(service["future_field"].is_object());
    f.fake.configure(|config| {
        config.shapes = Shapes::default();
        config.shapes.absent_fields = OPTIONAL_FIELDS.iter().map(|field| (*field).to_owned()).collect();
    });
    let service = f.read().await;
    let required = "cloud_name create_time group_list plan project_vpc_id service_integrations service_name \
                    service_type service_uri state termination_protection update_time user_config";
    let keys: Vec<_> = service.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, required.split_whitespace().collect::<Vec<_>>());
    f.fake.overlay(P, "cache", Some(json!({"state": null, "plan": "custom"})));
    let service = f.read().await;
    assert_eq!((service.get("state"), service["plan"].as_str()), (None, Some("custom")));
    f.fake.configure(|config| config.error_style = ErrorStyle::Text);
    assert_eq!(f.get("/v1/x").await.1, json!({"errors": "Not Found", "message": "Not Found"}));
}

#[tokio::test]
async fn normalization_changes_networks_and_emails() {
    let f = Fixture::running(|config| config.normalize = true);
    let filter = json!([{"network": "10.1.2.3/8", "description": "x"}, "192.168.1.1"]);
    let body = json!({"user_config": {"ip_filter": filter}, "tech_emails": [{"email": "Ops@Example.COM"}]});
    let (_, body) = f.put(SERVICE, body).await;
    let expected = json!([{"network": "10.0.0.0/8", "description": "x"}, "192.168.1.1/32"]);
    assert_eq!(body["service"]["user_config"]["ip_filter"], expected);
    assert_eq!(body["service"]["tech_emails"], json!([{"email": "ops@example.com"}]));
}

#[tokio::test]
async fn records_hold_no_secrets_and_drop_stops_the_server() {
    let f = Fixture::running(|_| {});
    let migration = json!({"host": "h", "port": 6379, "password": "very-secret"});
    f.put(SERVICE, json!({"user_config": {"migration": migration}})).await;
    let text = format!("{:?}", f.fake.requests());
    assert!(!text.contains("very-secret") && !text.contains(DEFAULT_TOKEN), "{text}");
    assert!(text.contains("<removed>"));
    let address = f.fake.address();
    drop(f);
    assert!(std::net::TcpStream::connect(address).is_err());
}
