//! Helpers of the tests: a started fake and a minimal client.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part")]

use reqwest::Method;
use serde_json::{Value, json};
use valkeeper_fake_provider::{Config, DEFAULT_PROJECT, DEFAULT_TOKEN, FakeProvider};

pub(crate) const P: &str = DEFAULT_PROJECT;
pub(crate) const SERVICE: &str = "/v1/project/acme-prod/service/cache";

pub(crate) struct Fixture {
    pub fake: FakeProvider,
    client: reqwest::Client,
}

impl Fixture {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        // Another test of this process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { fake: FakeProvider::start(config).unwrap(), client: reqwest::Client::new() }
    }

    /// A running service `cache` with a backup.
    pub(crate) fn running(change: impl FnOnce(&mut Config)) -> Self {
        let fixture = Self::new(change);
        assert!(fixture.fake.add_service(P, "cache", "valkey", "business-4"));
        assert!(fixture.fake.take_backup(P, "cache"));
        fixture
    }

    pub(crate) async fn try_send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<reqwest::Response> {
        let request = self.client.request(method, format!("{}{path}", self.fake.url()));
        let request = request.header("Authorization", format!("aivenv1 {token}"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await
    }

    pub(crate) async fn as_token(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let response = self.try_send(token, method, path, body).await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.as_token(DEFAULT_TOKEN, method.parse().unwrap(), path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("PUT", path, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.call("DELETE", path, None).await
    }

    /// Reads the service `cache` with secrets.
    pub(crate) async fn read(&self) -> Value {
        let (status, body) = self.get(&format!("{SERVICE}?include_secrets=true&limit=999")).await;
        assert_eq!(status, 200, "{body}");
        body["service"].clone()
    }

    pub(crate) async fn create(&self, extra: Value) -> (u16, Value) {
        let mut body = json!({"service_name": "cache", "service_type": "valkey", "plan": "startup-4"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.post("/v1/project/acme-prod/service", body).await
    }
}
