//! Counts the operator's requests to Kubernetes, in front of its own client.

use http::Method;
use kube::{Client, Config, client::ClientBuilder};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tower::util::MapRequestLayer;

/// The calls so far, and what becomes of watches.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>, Arc<Mutex<Watches>>, Arc<Mutex<Lost>>);

/// The next calls with this method and end of the path get lost.
#[derive(Default)]
struct Lost {
    method: Method,
    path_end: String,
    count: usize,
}

/// What becomes of watches that are opened.
#[derive(Clone, Copy, Default)]
pub(crate) enum Watches {
    #[default]
    Last,
    /// They end after a second.
    End,
    /// They get lost.
    Fail,
}

struct Call {
    method: Method,
    path: String,
    watch: bool,
}

impl Calls {
    /// A client like the operator's own, whose calls are noted here.
    pub(crate) fn watched_client(&self, mut config: Config) -> Client {
        config.default_retry = false;
        let calls = self.clone();
        let note = move |mut request: http::Request<kube::client::Body>| {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            if calls.loses(&method, &path) {
                *request.uri_mut() = "/nowhere".parse().unwrap();
            }
            calls.0.lock().unwrap().push(Call { method, path, watch });
            if watch {
                let uri = request.uri().to_string();
                let uri = match *calls.1.lock().unwrap() {
                    Watches::Last => uri,
                    Watches::End => uri.replace("timeoutSeconds=290", "timeoutSeconds=1"),
                    Watches::Fail => uri.replace("/apis/", "/nowhere/"),
                };
                *request.uri_mut() = uri.parse().unwrap();
            }
            request
        };
        ClientBuilder::try_from(config).unwrap().with_layer(&MapRequestLayer::new(note)).build()
    }

    /// What becomes of watches from now on.
    pub(crate) fn let_watches(&self, watches: Watches) {
        *self.1.lock().unwrap() = watches;
    }

    /// Loses the next `count` calls with this method and end of the path.
    pub(crate) fn lose_next(&self, count: usize, method: Method, path_end: &str) {
        *self.2.lock().unwrap() = Lost { method, path_end: path_end.to_owned(), count };
    }

    fn loses(&self, method: &Method, path: &str) -> bool {
        let mut lost = self.2.lock().unwrap();
        let loses = lost.count > 0 && lost.method == *method && path.ends_with(&lost.path_end);
        lost.count -= usize::from(loses);
        loses
    }

    /// Drops the recorded calls.
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
        let matching = calls.iter().filter(|call| wanted(&call.method, &call.path));
        matching.map(|call| format!("{} {}", call.method, call.path)).collect()
    }

    /// The permissions that the calls so far needed, as `verb group/resource` or `verb group/resource/subresource`.
    pub(crate) fn rights(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().iter().map(Call::right).collect()
    }
}

impl Call {
    fn right(&self) -> String {
        let mut parts = self.path.trim_matches('/').split('/');
        let group = match parts.next() {
            Some("apis") => parts.next().unwrap(),
            _ => "",
        };
        let rest: Vec<&str> = parts.skip(1).collect();
        let rest = match rest.as_slice() {
            ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
            rest => rest,
        };
        let (resource, named, subresource) = match rest {
            [resource] => (*resource, false, String::new()),
            [resource, _] => (*resource, true, String::new()),
            [resource, _, subresource] => (*resource, true, format!("/{subresource}")),
            other => panic!("{} has the unknown form {other:?}", self.path),
        };
        let verb = match (&self.method, named) {
            (&Method::GET, _) if self.watch => "watch",
            (&Method::GET, true) => "get",
            (&Method::GET, false) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (method, _) => panic!("no verb for {method} {}", self.path),
        };
        format!("{verb} {group}/{resource}{subresource}")
    }
}
