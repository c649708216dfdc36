//! A door in front of the API server at which every call of the operator is counted. Guarantees that
//! nothing is changed on the way and that watches stream.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::TryStreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The reason of conditions and events that report a defect.
const DEFECT: &[u8] = b"\"InternalError\"";

/// A running door; it closes when this is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

/// What went through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls by method and resource.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Secrets that were created.
    pub(crate) secrets_created: u64,
    /// Writes of statuses and events that report a defect of the operator.
    pub(crate) internal_errors: u64,
    /// Names of Secrets that were read.
    pub(crate) secrets_read: HashSet<String>,
}

impl Tally {
    /// Writes other than of events.
    pub(crate) fn writes(&self) -> u64 {
        self.sum(|call| !is_read(call) && !call.ends_with(" events"))
    }

    /// Events written.
    pub(crate) fn events(&self) -> u64 {
        self.sum(|call| call.ends_with(" events"))
    }

    /// Everything.
    pub(crate) fn all(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Reads, lists and watches.
    pub(crate) fn reads(&self) -> u64 {
        self.sum(is_read)
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool) -> u64 {
        self.calls.iter().filter(|(call, _)| wanted(call)).map(|(_, count)| count).sum()
    }
}

fn is_read(call: &str) -> bool {
    call.starts_with("GET ") || call.starts_with("WATCH ")
}

#[derive(Clone)]
struct Door {
    client: Client,
    tally: Arc<Mutex<Tally>>,
}

impl Proxy {
    /// Opens a door to what `client` is connected to.
    pub(crate) async fn start(client: Client) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let tally = Arc::default();
        let door = Door { client, tally: Arc::clone(&tally) };
        let router = Router::new().fallback(pass).with_state(door);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the door to the API server closed");
            }
        });
        Ok(Self { address, tally, task })
    }

    /// A kubeconfig that leads through the door.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: bench\nclusters:\n- name: bench\n  cluster:\n    server: http://{}\nusers:\n- name: bench\n  user: {{}}\ncontexts:\n- name: bench\n  context:\n    cluster: bench\n    user: bench\n",
            self.address
        )
    }

    /// What went through since the last [`Proxy::clear`].
    pub(crate) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }

    /// How many Secrets were created.
    pub(crate) fn secrets_created(&self) -> u64 {
        lock(&self.tally).secrets_created
    }

    /// How many different Secrets were read.
    pub(crate) fn secrets_read(&self) -> usize {
        lock(&self.tally).secrets_read.len()
    }

    /// Writes so far.
    pub(crate) fn writes(&self) -> u64 {
        lock(&self.tally).writes()
    }

    /// Starts to count from nothing.
    pub(crate) fn clear(&self) {
        *lock(&self.tally) = Tally::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(State(door): State<Door>, request: Request) -> Response {
    match forward(&door, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn forward(door: &Door, request: Request) -> anyhow::Result<Response> {
    let (mut parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let watches = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = body.collect().await?.to_bytes();
    if reports_a_defect(&body) {
        lock(&door.tally).internal_errors += 1;
    }
    let request = http::Request::from_parts(parts, kube::client::Body::from(body));
    let response = door.client.send(request).await?;
    note(door, &method, &path, watches, response.status());
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    Ok(Response::from_parts(parts, Body::from_stream(stream)))
}

fn reports_a_defect(body: &[u8]) -> bool {
    body.windows(DEFECT.len()).any(|part| part == DEFECT)
}

fn note(door: &Door, method: &Method, path: &str, watches: bool, status: StatusCode) {
    let (resource, name) = resource(path);
    let verb = if watches { "WATCH" } else { method.as_str() };
    let mut tally = lock(&door.tally);
    *tally.calls.entry(format!("{verb} {resource}")).or_default() += 1;
    if resource == "secrets" && *method == Method::POST && status == StatusCode::CREATED {
        tally.secrets_created += 1;
    }
    if let ("secrets", Some(name), &Method::GET) = (resource.as_str(), name, method) {
        tally.secrets_read.insert(name);
    }
}

/// The resource of a path with its subresource, and the name of the object.
fn resource(path: &str) -> (String, Option<String>) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match segments.next() {
        Some("api") => drop(segments.next()),
        Some("apis") => drop((segments.next(), segments.next())),
        _ => return (path.to_owned(), None),
    }
    let mut rest: Vec<&str> = segments.collect();
    if rest.first() == Some(&"namespaces") && rest.len() > 2 {
        rest.drain(..2);
    }
    let kind = rest.first().copied().unwrap_or("groups");
    let below = rest.get(2).map(|below| format!("/{below}")).unwrap_or_default();
    (format!("{kind}{below}"), rest.get(1).map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn path_identifies_its_resource() {
        let status = resource("/apis/aiven.io/v1alpha1/namespaces/default/valkeys/a/status");
        assert_eq!(status, ("valkeys/status".to_owned(), Some("a".to_owned())));
        assert_eq!(resource("/api/v1/namespaces/default/secrets").0, "secrets");
        assert_eq!(resource("/apis/aiven.io/v1alpha1/redis").0, "redis");
    }
}
