//! A provider whose time moves only on request of a test, and a client for it.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use valkeeper_testbed::provider::{ProviderHandle, ProviderOptions, ProviderServer};

pub(crate) const PROJECT: &str = "my-aiven-project";
pub(crate) const BUILD: Duration = Duration::from_secs(1_000);
pub(crate) const FIRST_BACKUP: Duration = Duration::from_secs(2_000);
pub(crate) const POWER_OFF: Duration = Duration::from_secs(500);
pub(crate) const VPC: Duration = Duration::from_mins(5);

/// Status and body of an answer.
pub(crate) type Answer = (u16, Value);

/// A provider and a client that may do everything.
pub(crate) struct Api {
    pub(crate) server: ProviderServer,
    pub(crate) client: Client,
    pub(crate) token: String,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ProviderOptions)) -> Self {
        // Another test of this process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = ProviderOptions {
            build_time: BUILD,
            backup_after: FIRST_BACKUP,
            power_off_time: POWER_OFF,
            vpc_time: VPC,
            redis_creation_allowed: true,
            ..ProviderOptions::default()
        };
        change(&mut options);
        let token = options.tokens[0].value.clone();
        let server = ProviderServer::start(options).await.unwrap();
        Self { server, client: Client::new(), token }
    }

    pub(crate) fn handle(&self) -> ProviderHandle {
        self.server.handle()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.server.advance(by);
    }

    /// The same provider with another token.
    pub(crate) async fn raw(&self, method: Method, path: &str, authorization: &str) -> Answer {
        let url = format!("{}/v1/{path}", self.server.url());
        let response =
            self.client.request(method, url).header("Authorization", authorization).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Requests a path below `/v1`.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let response = self.send(method, path, body).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// The same with whatever happens on the way.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/v1/{path}", self.server.url());
        let mut request =
            self.client.request(method, url).header("Authorization", format!("aivenv1 {}", self.token));
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await
    }

    /// Requests a path below the project.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, &in_project(path), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, &in_project(path), Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, &in_project(path), Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, &in_project(path), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, &in_project(path), None).await
    }

    /// Creates a service; `body` needs no name, type or plan.
    pub(crate) async fn create(&self, name: &str, body: Value) -> Answer {
        self.post("service", with_defaults(name, &body)).await
    }

    /// Creates a service and waits until it runs.
    pub(crate) async fn running(&self, name: &str, body: Value) -> Value {
        let (status, answer) = self.create(name, body).await;
        assert_eq!(status, 200, "{answer}");
        self.advance(BUILD);
        self.service(name).await
    }

    /// Creates a service and waits until it has its first backup.
    pub(crate) async fn backed_up(&self, name: &str, body: Value) {
        self.running(name, body).await;
        self.advance(FIRST_BACKUP);
    }

    /// Creates a service with a backup and powers it off.
    pub(crate) async fn powered_off(&self, name: &str) {
        self.backed_up(name, json!({})).await;
        let (status, answer) = self.put(&format!("service/{name}"), json!({ "powered": false })).await;
        assert_eq!(status, 200, "{answer}");
        self.advance(POWER_OFF);
    }

    /// The service object with secrets.
    pub(crate) async fn service(&self, name: &str) -> Value {
        let (status, answer) = self.get(&format!("service/{name}?include_secrets=true")).await;
        assert_eq!(status, 200, "{answer}");
        answer["service"].clone()
    }

    pub(crate) async fn state(&self, name: &str) -> String {
        self.service(name).await["state"].as_str().unwrap().to_owned()
    }
}

fn in_project(path: &str) -> String {
    format!("project/{PROJECT}/{path}")
}

fn with_defaults(name: &str, body: &Value) -> Value {
    let mut whole = json!({
        "service_name": name, "service_type": "valkey", "plan": "startup-4", "project_vpc_id": null,
    });
    for (key, value) in body.as_object().unwrap() {
        whole[key] = value.clone();
    }
    whole
}

/// The message of a refusal, after checking that the body has the shape of one.
pub(crate) fn message(answer: &Answer) -> &str {
    let (status, body) = answer;
    assert_eq!(body["errors"][0]["status"], *status);
    assert_eq!(body["errors"][0]["message"], body["message"]);
    body["message"].as_str().unwrap()
}
