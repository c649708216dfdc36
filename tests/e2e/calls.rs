//! Counts what the operator asks of Kubernetes, at the door of its own client.

use http::Method;
use kube::{Client, Config, client::ClientBuilder};
use std::sync::{Arc, Mutex};
use tower::util::MapRequestLayer;

/// The calls so far: method and path.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<(Method, String)>>>);

impl Calls {
    /// A client like the operator's own, whose calls are noted here.
    pub(crate) fn watched_client(&self, mut config: Config) -> Client {
        config.default_retry = false;
        let calls = self.clone();
        let note = move |request: http::Request<kube::client::Body>| {
            let entry = (request.method().clone(), request.uri().path().to_owned());
            calls.0.lock().unwrap().push(entry);
            request
        };
        ClientBuilder::try_from(config).unwrap().with_layer(&MapRequestLayer::new(note)).build()
    }

    /// Forgets the calls so far.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Writes that are not events, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.matching(|method, path| method != Method::GET && !path.ends_with("/events"))
    }

    /// Events written.
    pub(crate) fn events(&self) -> usize {
        self.matching(|method, path| method != Method::GET && path.ends_with("/events")).len()
    }

    /// Reads, watches and lists included.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.matching(|method, _| method == Method::GET)
    }

    fn matching(&self, wanted: impl Fn(&Method, &str) -> bool) -> Vec<String> {
        let calls = self.0.lock().unwrap();
        let matching = calls.iter().filter(|(method, path)| wanted(method, path));
        matching.map(|(method, path)| format!("{method} {path}")).collect()
    }
}
