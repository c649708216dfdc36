//! Requests to the provider, and its own state.

use super::{PROJECT, World, token};
use serde_json::Value;

impl World {
    /// Provider requests so far that change something.
    pub(crate) fn writes(&self) -> usize {
        self.provider.requests().iter().filter(|request| request.method != "GET").count()
    }

    pub(crate) fn count(&self, method: &str, ending: &str) -> usize {
        let matching = |request: &&_| {
            let request: &valkeeper_testbed::provider::RequestRecord = request;
            request.method == method && request.path.ends_with(ending)
        };
        self.provider.requests().iter().filter(matching).count()
    }

    /// A request to the provider that is not the operator's.
    pub(crate) async fn ask_provider(&self, method: &str, path: &str, body: Value) {
        let url = format!("{}{path}", self.server.url());
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let answer = request.bearer_auth(token()).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn read_provider(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.server.url());
        reqwest::Client::new().get(url).bearer_auth(token()).send().await.unwrap().json().await.unwrap()
    }

    /// The provider's own view of a service.
    pub(crate) fn service(&self, name: &str) -> Option<Value> {
        self.provider.service(PROJECT, name)
    }
}
